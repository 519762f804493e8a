//! What an operator can set.

use std::time::Duration;

use sukkal_plugin_sdk::store::within;
use sukkal_plugin_sdk::{Deserialize, Error, JsonSchema, Result};

/// Settings of pools in Redis. A URI can override each of them for one pool:
/// `redis://localhost?prefix=orders&timeout_ms=500`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(crate = "sukkal_plugin_sdk::serde", deny_unknown_fields, default)]
#[schemars(crate = "sukkal_plugin_sdk::schemars")]
pub struct Settings {
    /// What every key begins with, 1 to 64 letters, digits, `.`, `_` and `-`. Two pools on one
    /// server need two of them.
    pub prefix: String,
    /// Connections for requests, 1 to 64; each carries many requests at once. In a cluster there is
    /// one to each node, whatever this says, unless `replicas` are waited for.
    pub connections: u32,
    /// How long a connection may take to be made, in milliseconds, 50 to 60,000.
    pub connect_timeout_ms: u32,
    /// How long the server may take to answer a request, in milliseconds, 50 to 60,000.
    pub timeout_ms: u32,
    /// How many replicas must have a write before it is acknowledged, 0 to 8. With 1 or more a failover,
    /// by Sentinels or within a cluster, loses nothing that was acknowledged.
    pub replicas: u32,
    /// A file with the certificates, in PEM, that a server's may be signed with; empty for those of
    /// the system.
    pub ca_file: String,
    /// A file with a client certificate in PEM, for servers that ask for one; empty for none.
    pub cert_file: String,
    /// A file with that certificate's key in PEM.
    pub key_file: String,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            prefix: "sukkal".to_owned(),
            connections: 2,
            connect_timeout_ms: 2_000,
            timeout_ms: 3_000,
            replicas: 0,
            ca_file: String::new(),
            cert_file: String::new(),
            key_file: String::new(),
        }
    }
}

/// The settings that a URI can override, as its refusals name them.
pub const KNOWN: &str = "prefix, connections, connect_timeout_ms, timeout_ms, replicas, ca_file, cert_file, key_file";

impl Settings {
    /// Sets one by its name; false if there is none of that name.
    ///
    /// # Errors
    /// `Invalid`: it is no number.
    pub fn set(&mut self, name: &str, value: &str) -> Result<bool> {
        let number = |field: &mut u32| {
            *field = value.parse().map_err(|_| Error::invalid(format!("{name} must be a whole number")))?;
            Ok(true)
        };
        let text = |field: &mut String| {
            *field = value.to_owned();
            Ok(true)
        };
        match name {
            "prefix" => text(&mut self.prefix),
            "connections" => number(&mut self.connections),
            "connect_timeout_ms" => number(&mut self.connect_timeout_ms),
            "timeout_ms" => number(&mut self.timeout_ms),
            "replicas" => number(&mut self.replicas),
            "ca_file" => text(&mut self.ca_file),
            "cert_file" => text(&mut self.cert_file),
            "key_file" => text(&mut self.key_file),
            _ => Ok(false),
        }
    }

    /// Refuses what is out of range.
    ///
    /// # Errors
    /// `Invalid`: the first such setting.
    pub fn check(&self) -> Result<()> {
        let sound = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
        if !(1..=64).contains(&self.prefix.len()) || !self.prefix.chars().all(sound) {
            return Err(Error::invalid("prefix must be of 1 to 64 letters, digits, `.`, `_` and `-`"));
        }
        within("connections", self.connections, 1..=64)?;
        within("connect_timeout_ms", self.connect_timeout_ms, 50..=60_000)?;
        within("timeout_ms", self.timeout_ms, 50..=60_000)?;
        within("replicas", self.replicas, 0..=8)?;
        if self.cert_file.is_empty() != self.key_file.is_empty() {
            return Err(Error::invalid("cert_file and key_file go together"));
        }
        Ok(())
    }

    /// How long a connection may take to be made.
    pub fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms.into())
    }

    /// How long the server may take to answer.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms.into())
    }
}
