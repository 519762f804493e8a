//! `cargo xtask chaos`: several hosts over real servers, with faults, for as long as wanted.

use std::process::Command;

use crate::failure::Failure;
use crate::project;

/// Who takes part, how long, and with which luck.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// How long there are faults. A claim lives for a minute at least, so a longer run sees claims run out, and
    /// goes on without faults until all have.
    #[arg(long, default_value_t = 100)]
    seconds: u64,
    /// Hosts side by side.
    #[arg(long, default_value_t = 3)]
    hosts: u64,
    /// Where messages lie: redis (one server), redis-masters (a cluster of three), redis-cluster (with
    /// replicas that take over), redis-sentinel, mongodb.
    #[arg(long, default_value = "redis-cluster")]
    pool: String,
    /// Where records lie: postgres, mariadb or mongodb.
    #[arg(long, default_value = "postgres")]
    catalog: String,
    /// Repeats an earlier run's choices; without it they are new, and printed.
    #[arg(long)]
    seed: Option<u64>,
}

/// Builds everything and runs the checker.
pub fn run(options: &Options) -> Result<(), Failure> {
    project::run(&mut project::cargo("build --workspace"))?;
    let mut checker = Command::new(project::target().join("debug").join("chaos"));
    checker.args([&options.pool, &options.catalog]);
    checker.args([options.hosts.to_string(), options.seconds.to_string()]);
    checker.args(options.seed.map(|seed| seed.to_string()));
    project::run(&mut checker)
}
