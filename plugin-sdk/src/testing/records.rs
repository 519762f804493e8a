//! The records of a filter under test: a catalog in memory, for few records.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::clock::TestClock;
use crate::store::check_changes;
use crate::{Call, Catalog, Change, Commit, Expect, Health, Record, RecordKey, Result, Write};

/// Records in memory. Each call looks at all of them for what has expired.
pub(super) struct TestRecords {
    clock: TestClock,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    by_key: BTreeMap<RecordKey, Record>,
    /// The last one given.
    revision: u64,
}

impl TestRecords {
    pub(super) fn new(clock: TestClock) -> Self {
        TestRecords { clock, kept: Mutex::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        kept.by_key.retain(|_, record| record.expires.is_none_or(|end| end > now));
        kept
    }
}

impl Kept {
    /// Those of a kind and project, by name.
    fn of<'k>(&'k self, kind: &'k str, project: &'k str) -> impl Iterator<Item = &'k Record> {
        self.by_key.values().filter(move |record| record.key.kind == kind && record.key.project == project)
    }

    fn holds(&self, change: &Change) -> bool {
        let revision = self.by_key.get(&change.key).map(|record| record.revision);
        match change.expect {
            Expect::Any => true,
            Expect::Absent => revision.is_none(),
            Expect::Revision(expected) => revision == Some(expected),
        }
    }

    fn apply(&mut self, Change { key, write, .. }: Change, clock: &TestClock) -> u64 {
        match write {
            Write::Check => self.by_key.get(&key).map_or(0, |record| record.revision),
            Write::Delete => {
                self.by_key.remove(&key);
                0
            }
            Write::Put { value, expires_in, extensions } => {
                self.revision += 1;
                let expires = expires_in.map(|life| clock.now().after(life));
                let record = Record { key: key.clone(), revision: self.revision, value, expires, extensions };
                self.by_key.insert(key, record);
                self.revision
            }
        }
    }
}

impl Catalog for TestRecords {
    async fn get(&self, _call: &Call, key: RecordKey) -> Result<Option<Record>> {
        Ok(self.kept().by_key.get(&key).cloned())
    }

    async fn list(
        &self,
        _call: &Call,
        kind: String,
        project: String,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<Record>> {
        let kept = self.kept();
        let later = |record: &&Record| after.as_ref().is_none_or(|after| record.key.name > *after);
        Ok(kept.of(&kind, &project).filter(later).take(limit as usize).cloned().collect())
    }

    async fn count(&self, _call: &Call, kind: String, project: String) -> Result<u64> {
        Ok(self.kept().of(&kind, &project).count() as u64)
    }

    async fn commit(&self, _call: &Call, changes: Vec<Change>) -> Result<Commit> {
        check_changes(&changes)?;
        let mut kept = self.kept();
        if let Some(index) = changes.iter().position(|change| !kept.holds(change)) {
            return Ok(Commit::Failed(index as u32));
        }
        Ok(Commit::Done(changes.into_iter().map(|change| kept.apply(change, &self.clock)).collect()))
    }

    async fn sweep(&self, _call: &Call, _limit: u32) -> Result<bool> {
        drop(self.kept());
        Ok(false)
    }

    async fn health(&self, _call: &Call) -> Result<Health> {
        Ok(Health::default())
    }
}

#[cfg(all(test, feature = "conformance"))]
mod tests {
    use super::*;
    use crate::abi::catalog::LoadedCatalog;
    use crate::conformance::{Failures, check_catalog};

    #[tokio::test]
    async fn a_filters_records_keep_the_promises_of_a_catalog() -> std::result::Result<(), Failures> {
        check_catalog(async |bench| Ok(LoadedCatalog::new(TestRecords::new(bench.clock().clone())))).await
    }
}
