//! For build scripts: sources of the main workspace, somewhat changed, to be included.
// Each build script needs one of the two.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// A file below the SDK's `src`, the text that it must hold once, and what to put there.
pub type Edit = (&'static str, &'static str, &'static str);

/// Writes the SDK's sources to `OUT_DIR/sdk`, edited.
pub fn sdk(edits: &[Edit]) {
    let target = copied("plugin-sdk", "sdk");
    for (file, from, to) in edits {
        change(&target.join(file), |text| {
            assert_eq!(text.matches(from).count(), 1, "`{from}` in {file}: bring this edit up to date");
            text.replace(from, to)
        });
    }
    // What is included cannot have attributes and documentation of the crate.
    change(&target.join("lib.rs"), without_head);
}

/// Writes the sources of a plugin to `OUT_DIR/NAME`, to be included in a module of that name: its
/// modules can be reached, and it exports nothing.
pub fn plugin(name: &str) {
    let target = copied(&format!("plugins/{name}"), name);
    each_file(&target, &mut |path| {
        if path.extension().is_some_and(|extension| extension == "rs") {
            change(path, |text| text.replace("crate::", &format!("crate::{name}::")));
        }
    });
    change(&target.join("lib.rs"), |text| {
        let (modules, _) = text.split_once("sukkal_plugin_sdk::export_plugin!").expect("a plugin exports itself");
        without_head(modules).replace("\nmod ", "\npub mod ")
    });
}

fn copied(package: &str, name: &str) -> PathBuf {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo names the package"));
    let root = here.ancestors().find(|folder| folder.join("plugin-sdk/src").is_dir());
    let sources = root.expect("this lies in the main workspace").join(package).join("src");
    let target = PathBuf::from(env::var_os("OUT_DIR").expect("cargo names a folder")).join(name);
    println!("cargo::rerun-if-changed={}", sources.display());
    println!("cargo::rerun-if-changed=build.rs");
    if target.exists() {
        fs::remove_dir_all(&target).expect("the last sources can be removed");
    }
    copy(&sources, &target).expect("the sources can be copied");
    target
}

fn without_head(text: &str) -> String {
    let items = text.lines().filter(|line| !line.starts_with("//!") && !line.starts_with("#!["));
    items.fold(String::new(), |text, line| text + line + "\n")
}

fn change(path: &Path, edit: impl FnOnce(&str) -> String) {
    let text = fs::read_to_string(path).expect("the file is there");
    fs::write(path, edit(&text)).expect("the file can be written");
}

fn each_file(folder: &Path, visit: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() { each_file(&path, visit) } else { visit(&path) }
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
