//! What an operator can set.

use std::time::Duration;

use sukkal_plugin_sdk::store::within;
use sukkal_plugin_sdk::{Deserialize, JsonSchema, Result};

/// Settings of catalogs and pools in MongoDB. Where the servers are, who one is and how TLS is used
/// stand in the URI: `mongodb://USER:PASSWORD@HOST,HOST/DATABASE?tls=true`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(crate = "sukkal_plugin_sdk::serde", deny_unknown_fields, default)]
#[schemars(crate = "sukkal_plugin_sdk::schemars")]
pub struct Settings {
    /// Connections to each server that this host holds at the most, 2 to 1,000. A catalog and a pool
    /// have their own.
    pub connections: u32,
    /// How long a connection may take to be made, in milliseconds, 50 to 60,000.
    pub connect_timeout_ms: u32,
    /// How long a request may wait for the servers, in milliseconds, 50 to 60,000. Then it is refused,
    /// to be repeated.
    pub timeout_ms: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { connections: 50, connect_timeout_ms: 2_000, timeout_ms: 5_000 }
    }
}

impl Settings {
    /// # Errors
    /// `Invalid`: a value out of its range.
    pub fn check(&self) -> Result<()> {
        within("connections", self.connections, 2..=1_000)?;
        within("connect_timeout_ms", self.connect_timeout_ms, 50..=60_000)?;
        within("timeout_ms", self.timeout_ms, 50..=60_000)
    }

    /// How long a connection may take to be made.
    pub fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms.into())
    }

    /// How long a request may wait.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms.into())
    }
}
