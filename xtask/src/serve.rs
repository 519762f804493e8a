//! `cargo xtask serve`: from a fresh checkout to a running host.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::failure::Failure;
use crate::project;

/// How to serve.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Build with optimisation; takes longer.
    #[arg(long)]
    release: bool,
    /// Arguments for `sukkal serve`, such as `--config FILE`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Builds everything and becomes the host: signals and exit code are the host's own.
pub fn run(options: &Options) -> Result<(), Failure> {
    let mut build = project::cargo("build --workspace");
    if options.release {
        build.arg("--release");
    }
    project::run(&mut build)?;
    let profile = if options.release { "release" } else { "debug" };
    let mut host = Command::new(project::target().join(profile).join("sukkal"));
    host.arg("serve").args(&options.arguments);
    let error = host.exec();
    Err(project::unstartable(&host, &error))
}
