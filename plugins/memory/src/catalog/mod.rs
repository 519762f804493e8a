//! The catalog: an ordered record store in memory.

mod records;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, MutexGuard, PoisonError};

use sukkal_plugin_sdk::store::check_changes;
use sukkal_plugin_sdk::{Call, Change, Commit, Health, Host, Open, Record, RecordKey, Result};

use self::records::Records;
use crate::pause::pause;
use crate::room::{Names, Room};
use crate::settings::Settings;

/// Expired records that one step removes while it holds the lock.
const STEP: u32 = 256;

/// A catalog in memory.
pub struct Catalog {
    host: Host,
    room: Room,
    records: Mutex<Records>,
}

impl Catalog {
    /// Opens an empty catalog.
    ///
    /// # Errors
    /// `Invalid`: the URI or the settings are wrong.
    pub async fn open(open: Open<Settings>) -> Result<Catalog> {
        let settings = open.settings.of_uri(&open.uri)?;
        let names = Names { items: "records", max_bytes: "max_record_bytes", max_items: "max_records" };
        let room = Room::new(settings.max_record_bytes, settings.max_records, names);
        Ok(Catalog { host: open.host, room, records: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads once what has expired is removed, in steps: so each record is passed over once.
    async fn settled<T>(&self, read: impl Fn(&Records) -> T) -> T {
        loop {
            let settled = {
                let mut records = self.lock();
                let more = records.sweep(&self.room, self.host.now(), STEP);
                (!more).then(|| read(&records))
            };
            match settled {
                Some(read) => return read,
                None => pause().await,
            }
        }
    }
}

impl sukkal_plugin_sdk::Catalog for Catalog {
    async fn get(&self, _call: &Call, key: RecordKey) -> Result<Option<Record>> {
        Ok(self.lock().get(key, self.host.now()))
    }

    async fn list(
        &self,
        _call: &Call,
        kind: String,
        project: String,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<Record>> {
        Ok(self.settled(|records| records.list(&kind, &project, after.as_deref(), limit)).await)
    }

    async fn count(&self, _call: &Call, kind: String, project: String) -> Result<u64> {
        Ok(self.settled(|records| records.count(&kind, &project)).await)
    }

    async fn commit(&self, _call: &Call, changes: Vec<Change>) -> Result<Commit> {
        check_changes(&changes)?;
        let mut records = self.lock();
        records.commit(&self.room, changes, self.host.now())
    }

    async fn sweep(&self, _call: &Call, limit: u32) -> Result<bool> {
        Ok(self.lock().sweep(&self.room, self.host.now(), limit))
    }

    async fn health(&self, _call: &Call) -> Result<Health> {
        Ok(Health { warnings: self.room.warnings(), ..Health::default() }.volatile())
    }
}
