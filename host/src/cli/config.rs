//! `sukkal config`: the settings, looked at.

use clap::Subcommand;

use super::failure::{Failed, none};
use super::source::{Source, of_plugins};
use crate::config::{Config, PluginSection, editors, scheme};
use crate::output::tell;
use crate::plugin;
use crate::plugin::inspect::{Description, inspect};
use crate::terminal::plain;

#[derive(Subcommand)]
pub enum Command {
    /// Tell every mistake in the settings; start nothing.
    ///
    /// Each is one line: file, line, key, what is wrong, what to do. The plugins are loaded, so that
    /// their own settings and the URIs of stores are checked as well. Nothing is opened, made or
    /// connected to. The status is 2 if there is a mistake.
    Check(Source),
    /// Show the settings in force, and where each comes from.
    ///
    /// The output is TOML, and a configuration by itself, but for secrets, which are masked. Of
    /// plugins those settings are shown that are in use. What they refuse is told as by `check`, with
    /// the same status.
    Show(Source),
    /// Print the JSON Schema of the configuration file.
    ///
    /// It knows the settings of the plugins that are found, and lets editors complete and check:
    /// write it beside the file, and `#:schema ./sukkal.schema.json` into the file's first line.
    /// Mistakes in the settings are told after it, with the status 2.
    Schema(Source),
}

pub fn run(command: Command) -> Result<(), Failed> {
    match command {
        Command::Check(source) => check(&source),
        Command::Show(source) => {
            let typed = source.typed()?;
            let mut sections = sections(&typed.config)?;
            sections.retain(|section| section.in_use);
            let sections: Vec<PluginSection> = sections.into_iter().map(|section| section.of).collect();
            tell(typed.show(&sections).trim_end())?;
            // What plugins do not know is shown as it is typed, and told.
            of_plugins(&typed.config)?;
            Ok(())
        }
        Command::Schema(source) => {
            let (config, mistakes) = source.load_for_plugins()?;
            let sections: Vec<PluginSection> = sections(&config)?.into_iter().map(|section| section.of).collect();
            tell(format_args!("{:#}", editors::schema(&sections)))?;
            none(mistakes)
        }
    }
}

fn check(source: &Source) -> Result<(), Failed> {
    let config = source.load_with_plugins()?;
    let unseen = of_plugins(&config)?;
    tell("the settings are valid")?;
    config.warnings().iter().try_for_each(|warning| tell(format_args!("but {warning}")))?;
    unseen.iter().try_for_each(|line| tell(plain(line)))?;
    tell("not tried: opening stores and filters, listening; their files, servers and addresses are seen at the start")?;
    Ok(())
}

/// A section of a plugin that is there.
struct Found {
    of: PluginSection,
    in_use: bool,
}

/// The sections of all plugins that can be described.
fn sections(config: &Config) -> Result<Vec<Found>, Failed> {
    let candidates = plugin::candidates(config)?;
    let described = candidates.iter().filter_map(|path| inspect(path).ok());
    Ok(described.flat_map(|library| of_library(config, library)).collect())
}

fn of_library(config: &Config, library: Description) -> Vec<Found> {
    let mut found = Vec::new();
    for name in &library.filters {
        let in_use = config.pipeline.iter().any(|used| used.value == *name);
        let of = PluginSection { section: "filters", name: name.clone(), schema: library.settings.clone() };
        found.push(Found { of, in_use });
    }
    if [&library.catalogs, &library.pools, &library.notifiers].iter().any(|names| !names.is_empty()) {
        let names = |uri: &str, schemes: &[String]| scheme(uri).is_some_and(|name| schemes.iter().any(|of| of == name));
        let pool = config.default_pool.as_ref();
        let in_use = names(&config.catalog.value, &library.catalogs)
            || pool.is_some_and(|pool| names(&pool.value, &library.pools));
        let of = PluginSection { section: "plugins", name: library.name, schema: library.settings };
        found.push(Found { of, in_use });
    }
    found
}
