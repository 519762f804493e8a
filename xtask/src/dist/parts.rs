//! What packages are made of.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::failure::Failure;
use crate::project;

/// What packages are made of.
pub struct Parts {
    /// The version of the program.
    pub version: String,
    /// The host's program.
    pub program: PathBuf,
    /// The libraries of the plugins that come with it.
    pub libraries: Vec<PathBuf>,
    /// Documentation, by its path in the checkout.
    pub documents: Vec<PathBuf>,
}

/// Mode of what is run.
pub const RUN: u32 = 0o755;
/// Mode of what is read.
pub const READ: u32 = 0o644;

impl Parts {
    /// Finds what was built in a folder.
    ///
    /// # Errors
    /// Something is missing there.
    pub fn find(built: &Path) -> Result<Parts, Failure> {
        let metadata = project::output(&mut project::cargo("metadata --format-version 1 --locked --no-deps"))?;
        let metadata: Value = serde_json::from_slice(&metadata)
            .map_err(|error| Failure::Found(format!("cargo metadata is no JSON: {error}")))?;
        let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
        let version = packages.iter().find(|package| package["name"] == "sukkal").map(|host| &host["version"]);
        let version = version.and_then(Value::as_str).unwrap_or_default().to_owned();
        let plugins = packages.iter().filter(|package| is_plugin(package));
        let names = plugins.filter_map(|package| package["name"].as_str()).map(|name| name.replace('-', "_"));
        let libraries = names.map(|name| existing(built.join(format!("lib{name}.so"))));
        let (program, libraries) = (existing(built.join("sukkal"))?, libraries.collect::<Result<_, _>>()?);
        Ok(Parts { version, program, libraries, documents: documents()? })
    }

    /// Puts the documentation below a folder; its links between pages stay alive.
    pub fn put_documents(&self, folder: &Path) -> Result<(), Failure> {
        self.documents.iter().try_for_each(|path| put(&project::root().join(path), &folder.join(path), READ))
    }
}

/// Whether a package is one of the plugins that come with the host.
fn is_plugin(package: &Value) -> bool {
    let plugins = project::root().join("plugins");
    package["manifest_path"].as_str().is_some_and(|path| Path::new(path).starts_with(plugins))
}

/// The pages for operators, authors and clients.
fn documents() -> Result<Vec<PathBuf>, Failure> {
    let listed = project::output(&mut project::command("git", "ls-files -z README.md CHANGELOG.md docs plugins"))?;
    let paths = listed.split(|byte| *byte == 0).map(|path| PathBuf::from(String::from_utf8_lossy(path).as_ref()));
    Ok(paths.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect())
}

/// Copies a file, whose folder is made where it is missing.
pub fn put(from: &Path, to: &Path, mode: u32) -> Result<(), Failure> {
    let bytes = std::fs::read(from).map_err(Failure::io(format!("cannot read {}", from.display())))?;
    write(to, &bytes, mode)
}

/// Writes a file, whose folder is made where it is missing.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    let written = || -> std::io::Result<()> {
        let mut missing: Vec<&Path> = path.ancestors().skip(1).take_while(|folder| !folder.exists()).collect();
        while let Some(folder) = missing.pop() {
            std::fs::create_dir(folder)?;
            // Whatever the umask of whoever packs.
            std::fs::set_permissions(folder, PermissionsExt::from_mode(RUN))?;
        }
        std::fs::write(path, bytes)?;
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode))
    };
    written().map_err(Failure::io(format!("cannot write {}", path.display())))
}

/// A text file of `packaging`.
pub fn packaging(name: &str) -> Result<String, Failure> {
    let path = project::root().join("packaging").join(name);
    std::fs::read_to_string(&path).map_err(Failure::io(format!("cannot read {}", path.display())))
}

fn existing(path: PathBuf) -> Result<PathBuf, Failure> {
    if path.exists() { Ok(path) } else { Err(Failure::Found(format!("{} has not been built", path.display()))) }
}
