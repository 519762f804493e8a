//! Where a command finds the settings.

use std::path::PathBuf;

use clap::Args;

use crate::config::{Config, Mistake, Typed};

/// Where the settings are. The environment (SUKKAL_SECTION__KEY) lies over the file.
#[derive(Args)]
pub struct Source {
    /// The configuration file; none is needed.
    #[arg(long, env = "SUKKAL_CONFIG")]
    config: Option<PathBuf>,
}

impl Source {
    /// Reads and checks them.
    ///
    /// # Errors
    /// All mistakes.
    pub fn load(&self) -> Result<Config, Vec<Mistake>> {
        self.typed().map(|typed| typed.config)
    }

    /// Reads and checks them, and keeps how they were typed.
    ///
    /// # Errors
    /// All mistakes.
    pub fn typed(&self) -> Result<Typed, Vec<Mistake>> {
        let env =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Typed::load(self.config.as_deref(), env)
    }
}
