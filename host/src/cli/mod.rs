//! The command line: a file a family of commands.

mod bench;
mod config;
mod failure;
mod plugin;
mod queue;
mod serve;
mod shell;
mod source;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failure::Failed;
use source::Source;

/// What every page of help ends with.
const STATUS: &str = "\
Status:
  0  done
  1  it failed; the last line on standard error says why and what to do
  2  a mistake in the settings, on the command line, or in what is to be posted
  3  there is nothing of what was asked for: no such queue, nothing to claim";

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A multi-tenant messaging service that speaks OpenStack Zaqar's API v2.
///
/// One program: `sukkal serve` is the server, with its data in ./sukkal-data and no settings needed;
/// the other commands look at settings, plugins and queues.
#[derive(Parser)]
#[command(name = "sukkal", version = VERSION, long_version = long_version(), after_help = STATUS)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the host until SIGTERM or Ctrl-C.
    ///
    /// Without settings it listens on 127.0.0.1:8888 and keeps its data in ./sukkal-data. What is wrong
    /// with settings, plugins, stores or addresses is told a line each, and ends the start.
    Serve(Source),
    /// Look at the settings.
    #[command(subcommand)]
    Config(config::Command),
    /// Look at the plugins.
    #[command(subcommand)]
    Plugin(plugin::Command),
    /// Measure how fast a server of this API answers.
    Bench(crate::bench::Options),
    /// Use queues, on this or any other server of Zaqar's API v2.
    Queue(queue::Options),
    /// Print a script that completes commands and options in a shell.
    Completions(shell::Completions),
    /// Print the manual's page.
    Man(shell::Man),
}

fn long_version() -> String {
    format!("{VERSION} (plugin SDK {})", sukkal_plugin_sdk::load::SDK_VERSION)
}

/// Runs the program.
pub fn run() -> ExitCode {
    outlive_limits();
    let done = match Cli::parse().command {
        Command::Serve(source) => serve::run(&source),
        Command::Config(command) => config::run(command),
        Command::Plugin(command) => plugin::run(command),
        Command::Bench(options) => bench::run(&options),
        Command::Queue(options) => queue::run(options),
        Command::Completions(options) => shell::completions(&options),
        Command::Man(options) => shell::man(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed(status)) => ExitCode::from(status),
    }
}

/// Has a write beyond the largest size of a file (`ulimit -f`) fail, and not end the process: what is handled once stays
/// so. Where it cannot be handled, all is as it was.
fn outlive_limits() {
    if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() {
        let _within = runtime.enter();
        let file_size = rustix::process::Signal::XFSZ.as_raw();
        let _ = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::from_raw(file_size));
    }
}
