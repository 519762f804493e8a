//! Decisions that share a number: a link that names one would mean two.

use std::path::PathBuf;

use crate::project;

/// Complaints about files below `docs/decisions` whose number another one has.
pub fn check(files: &[PathBuf]) -> Vec<String> {
    let folder = project::root().join("docs/decisions");
    let decisions = files.iter().filter(|path| path.parent() == Some(&folder));
    doubled(decisions.filter_map(|path| path.file_name()?.to_str()).collect())
}

fn doubled(mut names: Vec<&str>) -> Vec<String> {
    names.sort_unstable();
    let number = |name: &str| name.split_once('-').map(|(number, _)| number.to_owned());
    let same = names.windows(2).filter(|pair| number(pair[0]).is_some() && number(pair[0]) == number(pair[1]));
    same.map(|pair| format!("docs/decisions: {} and {} share a number: take the next free one", pair[0], pair[1]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::doubled;

    #[test]
    fn two_decisions_of_one_number_are_told() {
        assert!(doubled(vec!["0002-b.md", "0001-a.md", "template.md", "index.md"]).is_empty());
        let told = doubled(vec!["0002-b.md", "0001-a.md", "0002-c.md"]);
        assert_eq!(told, ["docs/decisions: 0002-b.md and 0002-c.md share a number: take the next free one"]);
    }
}
