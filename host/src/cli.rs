//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, Mistake};
use crate::plugin::{self, Registry, Services, inspect, run_case, verify};
use crate::{log, serve};

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
    Config(ConfigCommand),
    /// Look at the plugins.
    #[command(subcommand)]
    Plugin(PluginCommand),
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Tell every mistake in the settings; start nothing.
    Check(Source),
}

#[derive(Subcommand)]
enum PluginCommand {
    /// Tell what each library of the plugin directories provides, or why it is refused.
    List(Source),
    /// Tell what a library provides and which settings it has, or why it is refused.
    Inspect {
        /// The library.
        file: PathBuf,
    },
    /// Hold the pools and catalogs of a library to the promises of their contracts.
    Verify(verify::Options),
    /// For `list` and `inspect`: looks into a library in this process.
    #[command(name = inspect::LOOK, hide = true)]
    Look { file: PathBuf },
    /// For `verify`: runs one case in this process.
    #[command(name = run_case::NAME, hide = true)]
    RunCase(run_case::OneCase),
}

/// Where the settings are. The environment (SUKKAL_SECTION__KEY) lies over the file.
#[derive(Args)]
struct Source {
    /// The configuration file; none is needed.
    #[arg(long, env = "SUKKAL_CONFIG")]
    config: Option<PathBuf>,
}

impl Source {
    fn load(&self) -> Result<Config, Vec<Mistake>> {
        let env =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Config::load(self.config.as_deref(), env)
    }
}

/// What went wrong, and with which status the program ends: 2 for settings, 1 for all else.
struct Failed(u8);

impl From<Vec<Mistake>> for Failed {
    fn from(mistakes: Vec<Mistake>) -> Self {
        for mistake in mistakes {
            eprintln!("sukkal: {mistake}");
        }
        Failed(2)
    }
}

/// Runs the program.
pub fn run() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Serve(source) => serve(&source),
        Command::Config(ConfigCommand::Check(source)) => check(&source),
        Command::Plugin(command) => plugin(command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed(status)) => ExitCode::from(status),
    }
}

fn serve(source: &Source) -> Result<(), Failed> {
    let config = source.load()?;
    log::start(&config.log);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
        eprintln!("sukkal: the runtime cannot be started: {error}");
        Failed(1)
    })?;
    let served = runtime.block_on(serve::serve(config));
    // What still runs was given its time; a store that is shut down does not need it.
    runtime.shutdown_background();
    served.map_err(|error| {
        for line in error.to_string().lines() {
            eprintln!("sukkal: {line}");
        }
        Failed(error.status())
    })
}

fn check(source: &Source) -> Result<(), Failed> {
    let config = source.load()?;
    let registry = Registry::load(&plugin::candidates(&config)?, Services::start(&config.log))?;
    plugin::check(&config, &registry)?;
    println!("the settings are valid");
    Ok(())
}

fn plugin(command: PluginCommand) -> Result<(), Failed> {
    match command {
        PluginCommand::List(source) => {
            let config = source.load()?;
            Ok(plugin::list(&plugin::candidates(&config)?)?)
        }
        PluginCommand::Inspect { file } => {
            let description = inspect::inspect(&file).map_err(|refusal| failed(&refusal.to_string()))?;
            plugin::tell(format_args!("{}\n{description}", file.display()));
            Ok(())
        }
        PluginCommand::Verify(options) => match verify::verify(&options) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Failed(1)),
            Err(reason) => Err(failed(&reason)),
        },
        PluginCommand::Look { file } => {
            inspect::look(&file);
            Ok(())
        }
        PluginCommand::RunCase(case) => {
            case.run();
            Ok(())
        }
    }
}

fn failed(line: &str) -> Failed {
    eprintln!("sukkal: {line}");
    Failed(1)
}
