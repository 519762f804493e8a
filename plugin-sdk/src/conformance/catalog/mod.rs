//! The cases for catalogs, a file a promise.

mod commit;
mod expiry;
mod listing;
mod restart;

use super::{Case, CatalogBench, Failure};
use crate::conformance::bench::unique;
use crate::{Bytes, Change, Commit, Expect, Record, RecordKey};

/// Every case.
pub fn cases() -> Vec<Case<CatalogBench>> {
    [commit::cases(), listing::cases(), expiry::cases(), restart::cases()].concat()
}

/// A project of a case's own, with short names for what cases do all the time.
struct Project {
    bench: CatalogBench,
    name: String,
}

impl Project {
    fn of(bench: CatalogBench) -> Self {
        Project { bench, name: format!("project {:x}", unique()) }
    }

    /// Another, whose name goes on.
    fn beside(&self, end: &str) -> Self {
        Project { bench: self.bench.clone(), name: format!("{}{end}", self.name) }
    }

    fn key(&self, name: &str) -> RecordKey {
        RecordKey::new("thing", self.name.clone(), name)
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<Commit, Failure> {
        Ok(self.bench.catalog.commit(&self.bench.call(), changes).await?)
    }

    async fn put(&self, name: &str, value: &'static str) -> Result<u64, Failure> {
        match self.commit(vec![Change::put(self.key(name), Expect::Any, value)]).await? {
            Commit::Done(revisions) if revisions.len() == 1 => Ok(revisions[0]),
            other => Err(Failure::Broken(format!("putting one record came to {other:?}"))),
        }
    }

    async fn get(&self, name: &str) -> Result<Option<Record>, Failure> {
        Ok(self.bench.catalog.get(&self.bench.call(), self.key(name)).await?)
    }

    async fn value(&self, name: &str) -> Result<Option<Bytes>, Failure> {
        Ok(self.get(name).await?.map(|record| record.value))
    }

    async fn names(&self, after: Option<&str>, limit: u32) -> Result<Vec<String>, Failure> {
        let (kind, after) = ("thing".to_owned(), after.map(str::to_owned));
        let records = self.bench.catalog.list(&self.bench.call(), kind, self.name.clone(), after, limit).await?;
        Ok(records.into_iter().map(|record| record.key.name).collect())
    }

    async fn count(&self) -> Result<u64, Failure> {
        Ok(self.bench.catalog.count(&self.bench.call(), "thing".to_owned(), self.name.clone()).await?)
    }
}
