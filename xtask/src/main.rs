//! The project's own commands: `cargo xtask serve | test | bench | crash | chaos | dist | tidy | prepare`.
#![forbid(unsafe_code)]

mod bench;
mod chaos;
mod crash;
mod dist;
mod failure;
mod prepare;
mod project;
mod serve;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::Parser;

use crate::failure::Failure;

/// Builds, serves, tests and measures Sukkal.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Builds the host and its plugins, and runs `sukkal serve`; data go to ./sukkal-data.
    Serve(serve::Options),
    /// Installs what the tests need, then runs every check and test; ends with `N passed, N failed`.
    Test,
    /// Measures the figures that the host is held to, each beside what it is compared with.
    Bench(bench::Options),
    /// Kills the host over and over under load, and checks that what it acknowledged is there.
    Crash(crash::Options),
    /// Kills, freezes and cuts off hosts and their stores under load, and checks that every promise is kept.
    Chaos(chaos::Options),
    /// Builds, and packs a tarball and a Debian package.
    Dist(dist::Options),
    /// Checks what a reviewer would: who may depend on whom, dead links, doubled numbers, long files, unsafe code.
    Tidy,
    /// Builds what the end-to-end tests start, and a Python environment with the clients.
    Prepare,
}

fn main() -> ExitCode {
    match run(Task::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<(), Failure> {
    match task {
        Task::Serve(options) => serve::run(&options),
        Task::Test => test::run(),
        Task::Bench(options) => bench::run(&options),
        Task::Crash(options) => crash::run(&options),
        Task::Chaos(options) => chaos::run(&options),
        Task::Dist(options) => dist::run(&options),
        Task::Tidy => tidy::run(),
        Task::Prepare => prepare::run(),
    }
}
