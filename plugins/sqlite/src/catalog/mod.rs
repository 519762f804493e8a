//! The catalog: an ordered record store in one SQLite file.

mod read;
#[cfg(test)]
mod tests;
mod write;

use sukkal_plugin_sdk::store::check_changes;
use sukkal_plugin_sdk::{Call, Change, Commit, Health, Open, Record, RecordKey, Result};

use self::write::Ledger;
use crate::schema;
use crate::settings::Settings;
use crate::store::Store;

/// A catalog in one SQLite file.
pub struct Catalog {
    store: Store<Ledger>,
}

impl Catalog {
    /// Opens the file of a URI, making it if there is none.
    ///
    /// # Errors
    /// `Invalid`: the URI, the settings or the file are wrong. `Conflict`: somebody else has it.
    pub async fn open(open: Open<Settings>) -> Result<Catalog> {
        let store = Store::open(open, schema::CATALOG, |connection| Ok(Ledger::new(connection))).await?;
        Ok(Catalog { store })
    }
}

/// What a piece of work without a value writes, about.
const SMALL: usize = 256;

impl sukkal_plugin_sdk::Catalog for Catalog {
    async fn get(&self, call: &Call, key: RecordKey) -> Result<Option<Record>> {
        let host = self.store.host.clone();
        self.store.readers.submit(call, move |connection| read::get(connection, key, host.now())).await
    }

    async fn get_many(&self, call: &Call, keys: Vec<RecordKey>) -> Result<Vec<Record>> {
        let host = self.store.host.clone();
        self.store.readers.submit(call, move |connection| read::get_many(connection, keys, host.now())).await
    }

    async fn list(
        &self,
        call: &Call,
        kind: String,
        project: String,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<Record>> {
        let host = self.store.host.clone();
        let work = move |connection: &_| read::list(connection, &kind, &project, after.as_deref(), limit, host.now());
        self.store.readers.submit(call, work).await
    }

    async fn count(&self, call: &Call, kind: String, project: String) -> Result<u64> {
        let host = self.store.host.clone();
        self.store.readers.submit(call, move |connection| read::count(connection, &kind, &project, host.now())).await
    }

    async fn commit(&self, call: &Call, changes: Vec<Change>) -> Result<Commit> {
        check_changes(&changes)?;
        let bytes = changes.iter().map(write::bytes).sum();
        self.store.writer.submit(call, bytes, move |ledger| write::commit(ledger, &changes)).await
    }

    async fn sweep(&self, call: &Call, limit: u32) -> Result<bool> {
        self.store.writer.submit(call, SMALL, move |ledger| write::sweep(ledger, limit)).await
    }

    async fn health(&self, call: &Call) -> Result<Health> {
        self.store.readers.submit(call, read::probe).await?;
        self.store.writer.submit(call, SMALL, write::probe).await?;
        Ok(self.store.health())
    }

    async fn shutdown(&self) {
        self.store.shutdown().await;
    }
}

/// Every statement, for the test of their plans.
#[cfg(test)]
pub fn statements() -> &'static [&'static str] {
    &[
        read::GET,
        read::LIST,
        read::LIST_FIRST,
        read::COUNT,
        read::COUNT_EXPIRED,
        read::PROBE,
        write::GET_REVISION,
        write::PUT,
        write::DELETE,
        write::COUNT_UP,
        write::COUNT_OUT,
        write::EXPIRED,
        write::NEXT_REVISION,
        write::PROBE,
    ]
}
