//! `sukkal config`: the settings, looked at.

use clap::Subcommand;

use super::failure::Failed;
use super::source::Source;
use crate::plugin::{self, Registry, Services};

#[derive(Subcommand)]
pub enum Command {
    /// Tell every mistake in the settings; start nothing.
    Check(Source),
}

pub fn run(command: Command) -> Result<(), Failed> {
    match command {
        Command::Check(source) => check(&source),
    }
}

fn check(source: &Source) -> Result<(), Failed> {
    let config = source.load()?;
    let registry = Registry::load(&plugin::candidates(&config)?, Services::start(&config.log))?;
    plugin::check(&config, &registry)?;
    println!("the settings are valid");
    Ok(())
}
