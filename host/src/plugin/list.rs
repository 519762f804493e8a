//! `sukkal plugin list`: what is in the plugin directories.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::child::tell;
use super::inspect::inspect_all;
use super::registry::{Kind, twice};
use crate::config::Mistake;

/// Prints a line for each candidate, looked into in a process of its own.
///
/// # Errors
/// Two libraries provide the same: a host would not start with them.
pub fn list(candidates: &[PathBuf]) -> Result<(), Vec<Mistake>> {
    let mut provided: BTreeMap<(Kind, String), &Path> = BTreeMap::new();
    let mut mistakes = Vec::new();
    for (path, looked) in candidates.iter().zip(inspect_all(candidates)) {
        let library = match looked {
            Ok(library) => library,
            Err(refusal) => {
                tell(format_args!("refused: {refusal}"));
                continue;
            }
        };
        let names: Vec<String> = library.provides().map(|(kind, name)| format!("{} {name}", kind.name())).collect();
        let names = names.join(", ");
        let (name, version, sdk) = (&library.name, &library.version, &library.sdk);
        tell(format_args!("{name} {version}: {names} (SDK {sdk}, {})", path.display()));
        for (kind, name) in library.provides() {
            let first = provided.entry((kind, name.to_owned())).or_insert(path);
            if *first != path.as_path() {
                mistakes.push(twice(kind, name, first, path));
            }
        }
    }
    if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
}
