//! Where the programs under test lie.

use std::path::{Path, PathBuf};

/// The folder of the profile that this test was built with: `sukkal` and the plugins' libraries
/// lie there side by side.
pub fn folder() -> PathBuf {
    let this = std::env::current_exe().expect("a test knows its own path");
    let folder = this.parent().expect("a file lies in a folder");
    // Tests lie one folder deeper than programs.
    if folder.ends_with("deps") { folder.parent().unwrap_or(folder).to_owned() } else { folder.to_owned() }
}

/// The host's binary.
///
/// # Panics
/// When it has not been built.
pub fn sukkal() -> PathBuf {
    existing(folder().join("sukkal"))
}

/// The library of a package of the workspace, such as `sukkal-example-filter`.
///
/// # Panics
/// When it has not been built.
pub fn library(package: &str) -> PathBuf {
    existing(folder().join(format!("lib{}.so", package.replace('-', "_"))))
}

/// A library of `tests/libraries`, which no host finds by itself.
///
/// # Panics
/// When it has not been built.
pub fn bad_library(package: &str) -> PathBuf {
    let target = folder().parent().map(Path::to_owned).unwrap_or_default();
    existing(target.join(format!("libraries/debug/lib{package}.so")))
}

/// The Python that has the clients installed.
///
/// # Panics
/// When it has not been made.
pub fn python() -> PathBuf {
    let target = folder().parent().map(Path::to_owned).unwrap_or_default();
    existing(target.join("venv/bin/python"))
}

/// A file of the checkout.
pub fn checkout(path: &str) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    existing(tests.parent().unwrap_or(tests).join(path))
}

fn existing(path: PathBuf) -> PathBuf {
    assert!(path.exists(), "{} is missing: run `cargo xtask prepare`", path.display());
    path
}
