//! The examples, as they are in the checkout, and what becomes of their names.

use super::What;
use super::name::Name;
use super::sdk::Sdk;

/// The SDK as the examples name it.
const SDK: &str = "path = \"../../plugin-sdk\"";

/// A file's path in its crate, and its text.
type File = (&'static str, &'static str);

/// An example.
pub struct Template {
    files: &'static [File],
    /// What it is called, and what a crate of a name is called instead.
    names: fn(&Name) -> Vec<(&'static str, String)>,
}

macro_rules! files {
    ($example:literal: $($path:literal)+) => {
        &[$(($path, include_str!(concat!("../../../../examples/", $example, "/", $path)))),+]
    };
}

impl Template {
    /// The example of a kind.
    pub fn of(what: What) -> Template {
        match what {
            What::Filter => Template {
                files: files!("filter": ".gitignore" "Cargo.toml" "README.md" "src/lib.rs" "src/tests.rs"),
                names: |name| {
                    vec![
                        ("sukkal-example-filter", name.package()),
                        ("SealFilter", name.camel() + "Filter"),
                        ("\"seal\"", format!("\"{}\"", name.as_str())),
                        ("filters.seal", format!("filters.{}", name.as_str())),
                    ]
                },
            },
            What::Pool => Template {
                files: files!("pool": ".gitignore" "Cargo.toml" "README.md" "src/claim.rs" "src/delete.rs"
                    "src/entries.rs" "src/error.rs" "src/export.rs" "src/index.rs" "src/lane.rs" "src/lib.rs" "src/pool.rs"
                    "src/post.rs" "src/queue.rs" "src/read.rs" "src/settings.rs" "src/store.rs" "src/tests.rs"
                    "src/timed.rs" "src/visit.rs"),
                names: |name| by_scheme(name, "sukkal-example-pool", "ExamplePool", "Pool"),
            },
            What::Catalog => Template {
                files: files!("catalog": ".gitignore" "Cargo.toml" "README.md" "src/lib.rs" "src/records.rs"
                    "src/tests.rs"),
                names: |name| by_scheme(name, "sukkal-example-catalog", "ExampleCatalog", "Catalog"),
            },
            What::Notifier => Template {
                files: files!("notifier": ".gitignore" "Cargo.toml" "README.md" "src/lib.rs" "src/tests.rs"),
                names: |name| by_scheme(name, "sukkal-example-notifier", "ExampleNotifier", "Notifier"),
            },
        }
    }

    /// The files of a crate of a name: path and text.
    pub fn files(&self, name: &Name, sdk: &Sdk) -> Vec<(&'static str, String)> {
        let mut changes = (self.names)(name);
        changes.push((SDK, sdk.dependency()));
        changes.push(("[dependencies]\n", format!("[dependencies]\n{}\n", sdk.remark())));
        let changed = |text: &str| changes.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
        self.files.iter().map(|(path, text)| (*path, changed(text))).collect()
    }
}

/// What is called by a URI scheme.
fn by_scheme(name: &Name, package: &'static str, type_name: &'static str, suffix: &str) -> Vec<(&'static str, String)> {
    vec![
        (package, name.package()),
        (type_name, name.camel() + suffix),
        ("\"example\"", format!("\"{}\"", name.as_str())),
        ("example:", format!("{}:", name.as_str())),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::*;

    const ALL: [What; 4] = [What::Filter, What::Pool, What::Catalog, What::Notifier];

    fn all_files(folder: &Path, root: &Path, found: &mut BTreeSet<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                all_files(&path, root, found);
            } else {
                found.insert(path.strip_prefix(root).unwrap().to_owned());
            }
        }
    }

    #[test]
    fn a_new_crate_has_every_file_of_its_example() {
        for what in ALL {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(what.word());
            let mut there = BTreeSet::new();
            all_files(&root, &root, &mut there);
            let files: BTreeSet<_> = Template::of(what).files.iter().map(|(path, _)| PathBuf::from(path)).collect();
            assert_eq!(files, there, "{what:?}");
        }
    }

    #[test]
    fn nothing_in_a_new_crate_is_called_as_its_example() {
        let name: Name = "rate-limit".parse().unwrap();
        let sdk = Sdk::Git("https://localhost/s".to_owned());
        for what in ALL {
            for (path, text) in Template::of(what).files(&name, &sdk) {
                let words = ["example", "Example", "seal\"", "SealF", "../"];
                // What only the example does is no plugin's description.
                let further = ["seal"].into_iter().filter(|_| path == "README.md" || path == "Cargo.toml");
                for word in words.into_iter().chain(further) {
                    assert!(!text.contains(word), "{what:?}: {path} contains {word}");
                }
            }
            let files = Template::of(what).files(&name, &sdk);
            let manifest = &files.iter().find(|(path, _)| *path == "Cargo.toml").unwrap().1;
            assert!(
                manifest.contains("name = \"sukkal-rate-limit\"") && manifest.contains(&sdk.dependency()),
                "{manifest}"
            );
        }
    }
}
