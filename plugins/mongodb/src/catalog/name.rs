//! How records are named.

use sukkal_plugin_sdk::{Error, RecordKey, Result};

/// The longest kind, project or name, in bytes.
const LONGEST: usize = 1024;

/// The name of a record's document.
///
/// # Errors
/// `Invalid`: a part that is too long, or a zero byte in the kind.
pub fn id(key: &RecordKey) -> Result<String> {
    let RecordKey { kind, project, name } = key;
    if [kind, project, name].iter().any(|part| part.len() > LONGEST) {
        return Err(Error::invalid(format!("a kind, project or name has at most {LONGEST} bytes")));
    }
    Ok(prefix(kind, project)? + name)
}

/// What the names of all records of a kind and project begin with, and no others. A project with a zero byte, which
/// parts are told apart by, is written without, and apart from all others by a zero byte at the very beginning.
///
/// # Errors
/// `Invalid`: a zero byte in the kind, or no kind.
pub fn prefix(kind: &str, project: &str) -> Result<String> {
    if kind.is_empty() || kind.contains('\0') {
        return Err(Error::invalid("a kind has a name, without a zero byte"));
    }
    Ok(match project.contains('\0') {
        false => format!("{kind}\0{project}\0"),
        true => format!("\0{kind}\0{}\0", project.replace('\u{1}', "\u{1}1").replace('\0', "\u{1}0")),
    })
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
        assert!(prefix("queue\0", "p").is_err());
    }

    #[test]
    fn projects_of_any_characters_are_told_apart() {
        let projects = ["", "p", "p\0", "p\0q", "\0", "\u{1}", "\0\u{1}", "p\u{1}0", "p\0\u{1}0", "p\u{1}0\0"];
        let all = projects.map(|project| prefix("queue", project).unwrap());
        for (at, one) in all.iter().enumerate() {
            assert!(all.iter().enumerate().all(|(other, prefix)| other == at || !prefix.starts_with(one)), "{one:?}");
        }
    }
}
