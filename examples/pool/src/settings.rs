//! What an operator can set.

use sukkal_plugin_sdk::{Deserialize, Error, JsonSchema, Result};

/// Settings of the pool.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(crate = "sukkal_plugin_sdk::serde", deny_unknown_fields, default)]
#[schemars(crate = "sukkal_plugin_sdk::schemars")]
pub struct Settings {
    /// How many MiB the pool may take; at least 1. Beyond it posts are refused; reads, claims and
    /// deletes go on.
    pub max_mib: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { max_mib: 256 }
    }
}

/// What can be told to be wrong before anything is opened, as by `sukkal config check`: here nothing of
/// the URI. Where yours has parameters, read them here and in `open`.
///
/// # Errors
/// A bound out of range.
pub fn check(_uri: &str, settings: Settings) -> Result<()> {
    settings.max_bytes().map(drop)
}

impl Settings {
    /// The bound in bytes.
    ///
    /// # Errors
    /// A bound out of range.
    pub fn max_bytes(&self) -> Result<u64> {
        match self.max_mib {
            0 => Err(Error::invalid("max_mib must be at least 1")),
            mib => Ok(mib.saturating_mul(1024 * 1024)),
        }
    }
}
