//! What an operator can set.

use sukkal_plugin_sdk::store::within;
use sukkal_plugin_sdk::{Deserialize, JsonSchema, Result};

/// Settings of SQL catalogs. Where the database is, who one is and how TLS is used stand in the URI:
/// `postgres://USER:PASSWORD@HOST/DATABASE?sslmode=verify-full`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(crate = "sukkal_plugin_sdk::serde", deny_unknown_fields, default)]
#[schemars(crate = "sukkal_plugin_sdk::schemars")]
pub struct Settings {
    /// Connections that this host holds at the most, 1 to 1,000.
    pub connections: u32,
    /// How long a request may wait for the database, in seconds, 1 to 60. Then it is refused, to be
    /// repeated.
    pub timeout: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { connections: 10, timeout: 5 }
    }
}

impl Settings {
    /// # Errors
    /// `Invalid`: a value out of its range.
    pub fn check(&self) -> Result<()> {
        within("connections", self.connections, 1..=1_000)?;
        within("timeout", self.timeout, 1..=60)
    }
}
