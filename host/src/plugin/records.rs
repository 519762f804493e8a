//! A plugin's own part of the catalog.

use sukkal_plugin_sdk::load::{LoadedCatalog, OpenCatalog};
use sukkal_plugin_sdk::{Call, Catalog, Change, Commit, Error, ErrorKind, Health, Record, RecordKey, Result};

/// The catalog as one plugin sees it: its kinds lie below a name of its own, so that no other
/// plugin's records, nor the service's, can be reached.
struct Namespaced {
    catalog: OpenCatalog,
    /// Before every kind. No kind of the service begins with it.
    prefix: String,
}

/// A plugin's own part of a catalog.
pub fn of_plugin(catalog: &OpenCatalog, plugin: &str) -> LoadedCatalog {
    LoadedCatalog::new(Namespaced { catalog: catalog.clone(), prefix: format!("plugin/{plugin}/") })
}

impl Namespaced {
    fn inward(&self, mut key: RecordKey) -> RecordKey {
        key.kind.insert_str(0, &self.prefix);
        key
    }

    fn outward(&self, mut record: Record) -> Record {
        if let Some(kind) = record.key.kind.strip_prefix(&self.prefix) {
            record.key.kind = kind.to_owned();
        }
        record
    }
}

impl Catalog for Namespaced {
    async fn get(&self, call: &Call, key: RecordKey) -> Result<Option<Record>> {
        let record = self.catalog.get(call, self.inward(key)).await?;
        Ok(record.map(|record| self.outward(record)))
    }

    async fn list(
        &self,
        call: &Call,
        kind: String,
        project: String,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<Record>> {
        let records = self.catalog.list(call, format!("{}{kind}", self.prefix), project, after, limit).await?;
        Ok(records.into_iter().map(|record| self.outward(record)).collect())
    }

    async fn count(&self, call: &Call, kind: String, project: String) -> Result<u64> {
        self.catalog.count(call, format!("{}{kind}", self.prefix), project).await
    }

    async fn commit(&self, call: &Call, changes: Vec<Change>) -> Result<Commit> {
        let inward = |change: Change| Change { key: self.inward(change.key), ..change };
        self.catalog.commit(call, changes.into_iter().map(inward).collect()).await
    }

    /// The service sweeps the whole catalog.
    async fn sweep(&self, _call: &Call, _limit: u32) -> Result<bool> {
        Err(Error::new(ErrorKind::Unsupported, "a plugin cannot sweep the catalog"))
    }

    async fn health(&self, call: &Call) -> Result<Health> {
        self.catalog.health(call).await
    }
}
