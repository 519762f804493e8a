//! A catalog to start from: records in memory, with every promise of the contract but the one that
//! memory cannot keep. When the host ends, so do they.
#![forbid(unsafe_code)]

mod records;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, MutexGuard, PoisonError};

use sukkal_plugin_sdk::{
    Call, Catalog, Change, Commit, Deserialize, Error, Health, Host, JsonSchema, Open, Record,
    RecordKey, Result,
};

use self::records::Records;

sukkal_plugin_sdk::export_plugin! {
    settings: Settings,
    catalogs: { "example" => ExampleCatalog::open },
    check: check,
    runtime: none,
}

/// Settings of the catalog.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(crate = "sukkal_plugin_sdk::serde", deny_unknown_fields, default)]
#[schemars(crate = "sukkal_plugin_sdk::schemars")]
pub struct Settings {
    /// How many MiB the records may take; at least 1. Beyond it no record is made or grows.
    pub max_mib: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { max_mib: 64 }
    }
}

/// What can be told to be wrong before anything is opened, as by `sukkal config check`: here nothing of
/// the URI. Where yours has parameters, read them here and in `open`.
fn check(_uri: &str, settings: Settings) -> Result<()> {
    match settings.max_mib {
        0 => Err(Error::invalid("max_mib must be at least 1")),
        _ => Ok(()),
    }
}

/// A catalog in memory.
pub struct ExampleCatalog {
    host: Host,
    records: Mutex<Records>,
}

impl ExampleCatalog {
    /// Opens an empty catalog: nothing outlives the one before.
    ///
    /// # Errors
    /// A bound out of range.
    pub async fn open(open: Open<Settings>) -> Result<Self> {
        let max_bytes = open.settings.max_mib.saturating_mul(1024 * 1024);
        check(&open.uri, open.settings)?;
        Ok(ExampleCatalog {
            host: open.host,
            records: Mutex::new(Records::new(max_bytes)),
        })
    }

    /// The records as they are now: what has expired is gone, each record once. No other clock than
    /// the host's is asked, so that tests can advance it.
    fn records(&self) -> MutexGuard<'_, Records> {
        let mut records = self.lock();
        records.expire(self.host.now(), usize::MAX);
        records
    }

    fn lock(&self) -> MutexGuard<'_, Records> {
        // Every change leaves the records whole, also one in which something panicked.
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Catalog for ExampleCatalog {
    async fn get(&self, _call: &Call, key: RecordKey) -> Result<Option<Record>> {
        Ok(self.records().get(&key).cloned())
    }

    async fn list(
        &self,
        _call: &Call,
        kind: String,
        project: String,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<Record>> {
        Ok(self.records().list(kind, project, after, limit as usize))
    }

    async fn count(&self, _call: &Call, kind: String, project: String) -> Result<u64> {
        Ok(self.records().count(kind, project))
    }

    async fn commit(&self, _call: &Call, changes: Vec<Change>) -> Result<Commit> {
        self.records().commit(changes, self.host.now())
    }

    async fn sweep(&self, _call: &Call, limit: u32) -> Result<bool> {
        Ok(self.lock().expire(self.host.now(), limit as usize))
    }

    async fn health(&self, _call: &Call) -> Result<Health> {
        let warnings = vec!["records are in memory: they end with the host".to_owned()];
        Ok(Health {
            warnings,
            ..Health::default()
        }
        .volatile())
    }
}
