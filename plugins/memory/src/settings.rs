//! What an operator can set, and what a URI says.

use sukkal_plugin_sdk::{Deserialize, Error, JsonSchema, Result};

/// Settings of catalogs and pools in memory. A URI can override each of them for one store:
/// `memory:?max_bytes=1073741824`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(crate = "sukkal_plugin_sdk::serde", deny_unknown_fields, default)]
#[schemars(crate = "sukkal_plugin_sdk::schemars")]
pub struct Settings {
    /// How many bytes a pool may take: bodies and whatever else it keeps, with 384 bytes for each
    /// message itself. At least 1 MiB. Beyond it posts are refused; reads, claims and deletes go on.
    pub max_bytes: u64,
    /// How many messages a pool may hold, in all queues and lanes together; at least 1.
    pub max_messages: u64,
    /// How many records a catalog may hold; at least 1.
    pub max_records: u64,
    /// How many bytes a catalog may take: names, values and 384 bytes for each record itself. At
    /// least 64 KiB.
    pub max_record_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            max_bytes: 256 * 1024 * 1024,
            max_messages: 1_000_000,
            max_records: 100_000,
            max_record_bytes: 64 * 1024 * 1024,
        }
    }
}

const KNOWN: &str = "max_bytes, max_messages, max_records, max_record_bytes";

/// What is wrong with a URI.
///
/// # Errors
/// As of [`Settings::of_uri`].
pub fn check(uri: &str, settings: Settings) -> Result<()> {
    settings.of_uri(uri).map(drop)
}

impl Settings {
    /// The settings that hold for a URI. What stands between scheme and parameters is only a name:
    /// each store that is opened is one of its own.
    ///
    /// # Errors
    /// `Invalid`: another scheme, an unknown parameter, or a value out of its range.
    pub fn of_uri(mut self, uri: &str) -> Result<Settings> {
        let rest = uri.strip_prefix("memory:").ok_or_else(|| Error::invalid("the uri must start with memory:"))?;
        let query = rest.split_once('?').map_or("", |(_, query)| query);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            self.set(name, value)?;
        }
        self.check()?;
        Ok(self)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let field = match name {
            "max_bytes" => &mut self.max_bytes,
            "max_messages" => &mut self.max_messages,
            "max_records" => &mut self.max_records,
            "max_record_bytes" => &mut self.max_record_bytes,
            _ => return Err(Error::invalid(format!("the uri has no parameter {name}; it knows {KNOWN}"))),
        };
        *field = value.parse().map_err(|_| Error::invalid(format!("{name} must be a whole number")))?;
        Ok(())
    }

    fn check(&self) -> Result<()> {
        let at_least = |name: &str, value: u64, low: u64| match value >= low {
            true => Ok(()),
            false => Err(Error::invalid(format!("{name} must be at least {low}, it is {value}"))),
        };
        at_least("max_bytes", self.max_bytes, 1024 * 1024)?;
        at_least("max_messages", self.max_messages, 1)?;
        at_least("max_records", self.max_records, 1)?;
        at_least("max_record_bytes", self.max_record_bytes, 64 * 1024)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_overrides_settings_and_unknown_parameters_are_named() {
        let settings = Settings::default().of_uri("memory:scratch?max_messages=5&max_records=7");
        assert_eq!(settings.ok(), Some(Settings { max_messages: 5, max_records: 7, ..Settings::default() }));
        for uri in ["redis:x", "memory:?max_bytes=1", "memory:?max_messages=0", "memory:?max_records=many"] {
            assert!(Settings::default().of_uri(uri).is_err(), "{uri}");
        }
        let refused = Settings::default().of_uri("memory:?size=5").map_err(|error| error.message);
        assert!(refused.is_err_and(|text| text.contains("no parameter size") && text.contains("max_bytes")));
    }
}
