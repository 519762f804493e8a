//! `sukkal plugin list`: what is in the plugin directories.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::inspect::inspect_all;
use super::registry::{Kind, namesakes, twice};
use crate::config::Mistake;

/// What the libraries are.
pub struct Listed {
    /// A line for each.
    pub lines: Vec<String>,
    /// What two of them both provide, or are called: a host would not start with them.
    pub mistakes: Vec<Mistake>,
}

/// Looks into each candidate, in a process of its own.
pub fn list(candidates: &[PathBuf]) -> Listed {
    let mut provided: BTreeMap<(Kind, String), &Path> = BTreeMap::new();
    let mut named: BTreeMap<String, &Path> = BTreeMap::new();
    let (mut lines, mut mistakes) = (Vec::new(), Vec::new());
    for (path, looked) in candidates.iter().zip(inspect_all(candidates)) {
        let library = match looked {
            Ok(library) => library,
            Err(refusal) => {
                lines.push(format!("refused: {refusal}"));
                continue;
            }
        };
        let names: Vec<String> = library.provides().map(|(kind, name)| format!("{} {name}", kind.name())).collect();
        let names = names.join(", ");
        let (name, version, sdk) = (&library.name, &library.version, &library.sdk);
        lines.push(format!("{name} {version}: {names} (SDK {sdk}, {})", path.display()));
        let before = mistakes.len();
        for (kind, name) in library.provides() {
            let first = provided.entry((kind, name.to_owned())).or_insert(path);
            if *first != path.as_path() {
                mistakes.push(twice(kind, name, first, path));
            }
        }
        let first = named.entry(name.clone()).or_insert(path);
        if *first != path.as_path() && mistakes.len() == before {
            mistakes.push(namesakes(name, first, path));
        }
    }
    Listed { lines, mistakes }
}
