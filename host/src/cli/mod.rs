//! The command line: a file a family of commands.

mod bench;
mod config;
mod failure;
mod plugin;
mod serve;
mod source;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failure::Failed;
use source::Source;

/// A multi-tenant messaging service.
#[derive(Parser)]
#[command(name = "sukkal", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the host.
    Serve(Source),
    /// Look at the settings.
    #[command(subcommand)]
    Config(config::Command),
    /// Look at the plugins.
    #[command(subcommand)]
    Plugin(plugin::Command),
    /// Measure how fast a server of this API answers.
    Bench(crate::bench::Options),
}

/// Runs the program.
pub fn run() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Serve(source) => serve::run(&source),
        Command::Config(command) => config::run(command),
        Command::Plugin(command) => plugin::run(command),
        Command::Bench(options) => bench::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed(status)) => ExitCode::from(status),
    }
}
