//! What packages are made of.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::failure::Failure;
use crate::project;

use super::documents;

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
    /// The SDK's sources, by their path in the checkout.
    sdk: Vec<PathBuf>,
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
        Ok(Parts { version, program, libraries, documents: documents::documents()?, sdk: tracked("plugin-sdk")? })
    }

    /// Puts the SDK's sources below a folder, as a workspace of their own: what `sukkal plugin new` refers to where there is no checkout.
    pub fn put_sdk(&self, folder: &Path) -> Result<(), Failure> {
        self.sdk.iter().try_for_each(|path| put(&project::root().join(path), &folder.join(path), READ))?;
        let root = project::root().join("Cargo.toml");
        let text = std::fs::read_to_string(&root).map_err(Failure::io(format!("cannot read {}", root.display())))?;
        write(&folder.join("Cargo.toml"), workspace_of_the_sdk(&text)?.as_bytes(), READ)
    }

    /// Puts the documentation below a folder; its links all lead somewhere.
    pub fn put_documents(&self, folder: &Path) -> Result<(), Failure> {
        documents::put_below(folder, &self.documents)
    }
}

/// Whether a package is one of the plugins that come with the host.
fn is_plugin(package: &Value) -> bool {
    let plugins = project::root().join("plugins");
    package["manifest_path"].as_str().is_some_and(|path| Path::new(path).starts_with(plugins))
}

/// The workspace's manifest, with the SDK alone in it: it inherits versions and lints from there.
fn workspace_of_the_sdk(manifest: &str) -> Result<String, Failure> {
    let members = manifest.lines().filter(|line| line.starts_with("members = ")).count();
    if members != 1 {
        return Err(Failure::Found(format!("Cargo.toml has {members} lines that begin with `members = `, not one")));
    }
    let line = |line: &str| match line {
        line if line.starts_with("members = ") => "members = [\"plugin-sdk\"]\n".to_owned(),
        line if line.starts_with("default-members = ") => String::new(),
        line => format!("{line}\n"),
    };
    Ok(manifest.lines().map(line).collect())
}

/// The files of the checkout below some paths (separated by blanks).
pub fn tracked(paths: &str) -> Result<Vec<PathBuf>, Failure> {
    let listed = project::output(project::command("git", "ls-files -z").args(paths.split(' ')))?;
    let paths = listed.split(|byte| *byte == 0).filter(|path| !path.is_empty());
    Ok(paths.map(|path| PathBuf::from(String::from_utf8_lossy(path).as_ref())).collect())
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
