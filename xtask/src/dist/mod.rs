//! `cargo xtask dist`: what is handed to operators, a tarball and a Debian package.

mod debian;
mod documents;
pub mod parts;
mod shell;
mod tarball;

use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::project;
use parts::Parts;

/// What to pack, and where to put it.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The profile to build with: `dev` is quick to build, and large.
    #[arg(long, default_value = "release")]
    profile: String,
    /// Pack what is built already.
    #[arg(long)]
    built: bool,
    /// Where the packages go; `dist` in cargo's target folder by default.
    #[arg(long)]
    out: Option<PathBuf>,
}

impl Options {
    /// Packages of a release are made small, others are made quickly.
    fn is_release(&self) -> bool {
        self.profile == "release"
    }

    /// Where cargo puts what it builds with the profile.
    fn built_in(&self) -> PathBuf {
        project::target().join(if self.profile == "dev" { "debug" } else { &self.profile })
    }
}

/// Builds everything and packs it.
pub fn run(options: &Options) -> Result<(), Failure> {
    if !options.built {
        project::run(
            project::cargo("build --workspace --locked --lib --bin sukkal").args(["--profile", &options.profile]),
        )?;
    }
    let parts = Parts::find(&options.built_in())?;
    let out = options.out.clone().unwrap_or_else(|| project::target().join("dist"));
    empty(&out)?;
    tarball::pack(&parts, &out, options.is_release())?;
    debian::pack(&parts, &out, options.is_release())
}

/// Makes a folder anew.
fn empty(folder: &Path) -> Result<(), Failure> {
    let failed = || Failure::io(format!("cannot make {} anew", folder.display()));
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(failed())?;
    }
    std::fs::create_dir_all(folder).map_err(failed())
}
