//! How records are named.

use sukkal_plugin_sdk::{Error, RecordKey, Result};

/// The longest kind, project or name, in bytes.
const LONGEST: usize = 1024;

/// The name of a record's document.
///
/// # Errors
/// `Invalid`: a part that is too long, or a zero byte where parts are told apart by one.
pub fn id(key: &RecordKey) -> Result<String> {
    let RecordKey { kind, project, name } = key;
    if [kind, project, name].iter().any(|part| part.len() > LONGEST) {
        return Err(Error::invalid(format!("a kind, project or name has at most {LONGEST} bytes")));
    }
    Ok(prefix(kind, project)? + name)
}

/// What the names of all records of a kind and project begin with.
///
/// # Errors
/// `Invalid`: a zero byte in one of them.
pub fn prefix(kind: &str, project: &str) -> Result<String> {
    if kind.contains('\0') || project.contains('\0') {
        return Err(Error::invalid("a kind or project has no zero byte"));
    }
    Ok(format!("{kind}\0{project}\0"))
}

/// What comes after all names of a kind and project.
///
/// # Errors
/// As [`prefix`].
pub fn beyond(kind: &str, project: &str) -> Result<String> {
    let mut text = prefix(kind, project)?;
    text.pop();
    text.push('\u{1}');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_within_their_project_and_no_other() {
        let of = |project: &str, name: &str| id(&RecordKey::new("queue", project, name)).unwrap();
        let names = [of("p", ""), of("p", "\0"), of("p", "A"), of("p", "a"), of("p", "é"), of("p", "\u{10ffff}")];
        assert!(names.is_sorted());
        assert!(names.iter().all(|name| *name >= prefix("queue", "p").unwrap()));
        assert!(names.iter().all(|name| *name < beyond("queue", "p").unwrap()));
        assert!(of("p\u{1}", "") >= beyond("queue", "p").unwrap());
        assert!(prefix("queue", "p\0").is_err());
    }
}
