//! Where a command finds the settings.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use crate::config::{Config, Mistake, Typed};
use crate::plugin::{self, Registry, Services};

/// Where the settings are. The environment (SUKKAL_SECTION__KEY) lies over the file.
#[derive(Clone, Args)]
pub struct Source {
    /// The configuration file; none is needed.
    #[arg(long, env = "SUKKAL_CONFIG")]
    config: Option<PathBuf>,
}

impl Source {
    /// Reads and checks them.
    ///
    /// # Errors
    /// All mistakes that can be found without plugins.
    pub fn load(&self) -> Result<Config, Vec<Mistake>> {
        self.typed().map(|typed| typed.config)
    }

    /// Reads and checks them, and keeps how they were typed.
    ///
    /// # Errors
    /// All mistakes that can be found without plugins.
    pub fn typed(&self) -> Result<Typed, Vec<Mistake>> {
        Typed::load(self.config.as_deref(), environment())
    }

    /// Reads and checks them, for whoever needs the plugins afterwards.
    ///
    /// # Errors
    /// All mistakes, at once: where there are some already, those that only the plugins know of are
    /// looked for as well.
    pub fn load_with_plugins(&self) -> Result<Config, Vec<Mistake>> {
        let (config, mut mistakes) = self.load_for_plugins()?;
        if mistakes.is_empty() {
            return Ok(config);
        }
        let further = of_plugins(&config).err().unwrap_or_default();
        // What is missing since its value was wrong is no second mistake.
        // The filters of a pipeline are looked for one by one.
        let repeats = |further: &Mistake| {
            further.key != "pipeline" && mistakes.iter().any(|known| known.key.starts_with(&further.key))
        };
        let further: Vec<Mistake> = further.into_iter().filter(|further| !repeats(further)).collect();
        mistakes.extend(further);
        Err(mistakes)
    }

    /// Reads and checks them, for whoever looks at the plugins that are there: with the mistakes that do not
    /// keep anybody from finding these.
    ///
    /// # Errors
    /// All mistakes that can be found without plugins, where the directories of these are not known.
    pub fn load_for_plugins(&self) -> Result<(Config, Vec<Mistake>), Vec<Mistake>> {
        let (typed, mistakes) = Typed::read(self.config.as_deref(), environment());
        // Without the whole file, or the right directories, half of what plugins would say is wrong.
        match mistakes.iter().any(|mistake| mistake.key.is_empty() || mistake.key.starts_with("plugin_dir")) {
            true => Err(mistakes),
            false => Ok((typed.config, mistakes)),
        }
    }
}

fn environment() -> impl Iterator<Item = (String, OsString)> {
    std::env::vars_os().map(|(name, value)| (name.to_string_lossy().into_owned(), value))
}

/// Loads the plugins, and asks them. Gives what none of them has looked at, a line each.
pub fn of_plugins(config: &Config) -> Result<Vec<String>, Vec<Mistake>> {
    let registry = Registry::find_all(&plugin::candidates(config)?, Services::start(config, None))?;
    plugin::check(config, &registry)
}
