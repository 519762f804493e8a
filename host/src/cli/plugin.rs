//! `sukkal plugin`: libraries, looked into.

use std::path::PathBuf;

use clap::Subcommand;

use super::failure::{Failed, failed, none};
use super::source::Source;
use crate::output::tell;
use crate::plugin::{self, Listed, inspect, new, run_case, verify};
use crate::terminal::plain;

#[derive(Subcommand)]
pub enum Command {
    /// Tell what each library of the plugin directories provides, or why it is refused.
    ///
    /// Mistakes in the settings are told after that, with the status 2.
    List(Source),
    /// Tell what a library provides and which settings it has, or why it is refused.
    Inspect {
        /// The library.
        file: PathBuf,
    },
    /// Hold the pools and catalogs of a library to the promises of their contracts.
    Verify(verify::Options),
    /// Make a crate to start a plugin from, which builds, passes its tests and loads as it is.
    New(new::Options),
    /// For `serve`, `list` and `inspect`: looks into libraries in this process.
    #[command(name = inspect::LOOK, hide = true)]
    Look { files: Vec<PathBuf> },
    /// For `verify`: runs one case in this process.
    #[command(name = run_case::NAME, hide = true)]
    RunCase(run_case::OneCase),
}

pub fn run(command: Command) -> Result<(), Failed> {
    match command {
        Command::List(source) => {
            let (config, mut mistakes) = source.load_for_plugins()?;
            let Listed { lines, mistakes: further } = plugin::list(&plugin::candidates(&config)?);
            lines.iter().try_for_each(|line| tell(plain(line)))?;
            mistakes.extend(further);
            none(mistakes)
        }
        Command::Inspect { file } => {
            let description = inspect::inspect(&file).map_err(|refusal| failed(&refusal.to_string()))?;
            Ok(tell(format_args!("{}\n{description}", plain(&file.to_string_lossy())))?)
        }
        Command::Verify(options) => match verify::verify(&options) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Failed(1)),
            Err(reason) => Err(failed(&reason)),
        },
        Command::New(options) => {
            let made = new::new(options).map_err(|reason| failed(&reason))?;
            Ok(tell(made)?)
        }
        Command::Look { files } => {
            inspect::look(&files);
            Ok(())
        }
        Command::RunCase(case) => {
            case.run();
            Ok(())
        }
    }
}
