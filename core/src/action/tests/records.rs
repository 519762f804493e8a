//! A catalog that remembers just enough for an action, and nothing beyond a test.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use sukkal_plugin_sdk::{
    Call, Catalog, Change, Commit, Expect, Health, Record, RecordKey, Result, Timestamp, Write, millis,
};

use super::stores::lock;

/// The instant at which these stores' clocks stand at first.
pub(super) const NOW: Timestamp = Timestamp(1_893_456_000_000);

/// A clock that goes when it is told to.
#[derive(Clone)]
pub(super) struct Time(Arc<AtomicI64>);

impl Time {
    pub(super) fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }

    pub(super) fn advance(&self, by: Duration) {
        self.0.fetch_add(millis(by), Ordering::Relaxed);
    }
}

impl Default for Time {
    fn default() -> Self {
        Time(Arc::new(AtomicI64::new(NOW.0)))
    }
}

/// What a catalog holds, and the last revision.
type Held = (BTreeMap<RecordKey, Record>, u64);

#[derive(Clone, Default)]
pub(super) struct Records {
    held: Arc<Mutex<Held>>,
    /// The clock by which records end.
    pub(super) time: Time,
    hangs: Arc<Mutex<Option<&'static str>>>,
}

impl Records {
    /// The names of the records of a kind that are alive.
    pub(super) fn names(&self, kind: &str) -> Vec<String> {
        let held = self.alive();
        held.0.keys().filter(|key| key.kind == kind).map(|key| key.name.clone()).collect()
    }

    /// Puts another value in the place of a record's, as another host would.
    pub(super) fn rewrite(&self, kind: &str, name: &str, by: impl Fn(&str) -> String) {
        let (records, last) = &mut *self.alive();
        let record = records.get_mut(&RecordKey::new(kind, "", name)).expect("it is there");
        *last += 1;
        record.revision = *last;
        record.value = by(&String::from_utf8_lossy(&record.value)).into();
    }

    /// Takes a record away, as another host would.
    pub(super) fn remove(&self, kind: &str, name: &str) {
        self.alive().0.remove(&RecordKey::new(kind, "", name)).expect("it was there");
    }

    /// What a record holds.
    pub(super) fn value(&self, kind: &str, name: &str) -> String {
        let held = self.alive();
        let record = held.0.get(&RecordKey::new(kind, "", name)).expect("it is there");
        String::from_utf8_lossy(&record.value).into_owned()
    }

    /// The next listing of this kind, or the next sweep, never ends.
    pub(super) fn hang(&self, call: &'static str) {
        *lock(&self.hangs) = Some(call);
    }

    /// Whether that has come.
    pub(super) fn has_hung(&self) -> bool {
        lock(&self.hangs).is_none()
    }

    async fn perhaps_hang(&self, call: &str) {
        let hangs = lock(&self.hangs).take_if(|hangs| *hangs == call);
        if hangs.is_some() {
            std::future::pending::<()>().await;
        }
    }

    /// What is there once the expired is gone.
    fn alive(&self) -> MutexGuard<'_, Held> {
        let mut held = lock(&self.held);
        let now = self.time.now();
        held.0.retain(|_, record| record.expires.is_none_or(|end| end > now));
        held
    }
}

impl Catalog for Records {
    async fn get(&self, _call: &Call, key: RecordKey) -> Result<Option<Record>> {
        Ok(self.alive().0.get(&key).cloned())
    }

    async fn list(
        &self,
        _call: &Call,
        kind: String,
        project: String,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<Record>> {
        self.perhaps_hang(&kind).await;
        let records = self.alive();
        let wanted = records.0.values().filter(|record| record.key.kind == kind && record.key.project == project);
        let beyond = wanted.filter(|record| after.as_ref().is_none_or(|after| record.key.name > *after));
        Ok(beyond.take(limit as usize).cloned().collect())
    }

    async fn count(&self, call: &Call, kind: String, project: String) -> Result<u64> {
        self.list(call, kind, project, None, u32::MAX).await.map(|records| records.len() as u64)
    }

    async fn commit(&self, _call: &Call, changes: Vec<Change>) -> Result<Commit> {
        let now = self.time.now();
        let (records, last) = &mut *self.alive();
        for (index, change) in (0..).zip(&changes) {
            let revision = records.get(&change.key).map(|record| record.revision);
            let holds = match change.expect {
                Expect::Any => true,
                Expect::Absent => revision.is_none(),
                Expect::Revision(expected) => revision == Some(expected),
            };
            if !holds {
                return Ok(Commit::Failed(index));
            }
        }
        let revisions = changes.into_iter().map(|Change { key, write, .. }| match write {
            Write::Put { value, expires_in, extensions } => {
                *last += 1;
                let expires = expires_in.map(|life| now.after(life));
                records.insert(key.clone(), Record { key, revision: *last, value, expires, extensions });
                *last
            }
            Write::Delete => {
                records.remove(&key);
                0
            }
            Write::Check => 0,
        });
        Ok(Commit::Done(revisions.collect()))
    }

    async fn sweep(&self, _call: &Call, _limit: u32) -> Result<bool> {
        self.perhaps_hang("sweep").await;
        Ok(false)
    }

    async fn health(&self, _call: &Call) -> Result<Health> {
        Ok(Health::default())
    }
}
