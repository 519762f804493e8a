//! `cargo xtask crash`: the crash checker of the end-to-end tests, for as many rounds as wanted.

use std::process::Command;

use crate::failure::Failure;
use crate::project;

/// How long to try, and with which luck.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// How often the host is ended.
    #[arg(long, default_value_t = 20)]
    rounds: u32,
    /// Repeats an earlier run's choices; without it they are new, and printed.
    #[arg(long)]
    seed: Option<u64>,
    /// Cuts the power in place of killing: only what was synced is kept. Takes root and a loop device.
    #[arg(long)]
    power_cut: bool,
    /// Where messages lie: sqlite or redis. A power cut is for sqlite alone.
    #[arg(long, default_value = "sqlite")]
    store: String,
}

/// Builds everything and runs the checker.
pub fn run(options: &Options) -> Result<(), Failure> {
    project::run(&mut project::cargo("build --workspace"))?;
    let mut checker = Command::new(project::target().join("debug").join("crash"));
    checker.arg(if options.power_cut { "power" } else { "kill" }).arg(&options.store);
    checker.arg(options.rounds.to_string());
    checker.args(options.seed.map(|seed| seed.to_string()));
    project::run(&mut checker)
}
