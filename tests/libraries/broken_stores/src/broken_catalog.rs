//! The catalog.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sukkal_plugin_sdk::{
    Call, Catalog, Change, Commit, Error, Expect, Health, Host, Open, Record, RecordKey, Result, Write,
};

use crate::breaking::{self, Breaking};
use crate::sqlite::catalog;

/// A catalog that breaks one promise.
pub struct BrokenCatalog {
    case: String,
    inner: catalog::Catalog,
    host: Host,
    /// The first count of each project, for a catalog that never counts again.
    counts: Mutex<HashMap<String, u64>>,
}

impl BrokenCatalog {
    /// Opens it.
    pub async fn open(open: Open<Breaking>) -> Result<BrokenCatalog> {
        let inner = catalog::Catalog::open(breaking::sound(&open)).await?;
        Ok(BrokenCatalog { case: open.settings.case, inner, host: open.host, counts: Mutex::default() })
    }

    fn meant(&self, mut key: RecordKey) -> RecordKey {
        match self.case.as_str() {
            "catalog.commit.any_bytes" => key.name.make_ascii_lowercase(),
            "catalog.listing.apart" => key.kind = "thing".to_owned(),
            _ => {}
        }
        key
    }

    /// What is done instead of what was asked.
    async fn spoiled(&self, call: &Call, change: Change) -> Result<Change> {
        let mut change = Change { key: self.meant(change.key), ..change };
        match (self.case.as_str(), &mut change.write) {
            ("catalog.commit.put", Write::Put { extensions, .. }) => *extensions = Default::default(),
            ("catalog.commit.delete", write @ Write::Delete) => *write = Write::Check,
            ("catalog.commit.expects", _) => change.expect = Expect::Any,
            ("catalog.commit.race", _) if matches!(change.expect, Expect::Revision(_)) => {
                // Looks first, and writes later whatever has happened since.
                let record = self.inner.get(call, change.key.clone()).await?;
                if record.is_some_and(|record| change.expect == Expect::Revision(record.revision)) {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    change.expect = Expect::Any;
                }
            }
            ("catalog.expiry.absent", Write::Put { expires_in, .. }) => *expires_in = None,
            ("catalog.expiry.renewed", Write::Put { expires_in, .. }) => {
                let record = self.inner.get(call, change.key.clone()).await?;
                if let Some(end) = record.and_then(|record| record.expires) {
                    *expires_in = Some(end.since(self.host.now()));
                }
            }
            _ => {}
        }
        Ok(change)
    }

    /// One after the other, until one fails.
    async fn commit_singly(&self, call: &Call, changes: Vec<Change>) -> Result<Commit> {
        let mut revisions = Vec::new();
        for (number, change) in (0..).zip(changes) {
            match self.inner.commit(call, vec![change]).await? {
                Commit::Done(done) => revisions.extend(done),
                Commit::Failed(_) => return Ok(Commit::Failed(number)),
            }
        }
        Ok(Commit::Done(revisions))
    }
}

impl Catalog for BrokenCatalog {
    async fn get(&self, call: &Call, key: RecordKey) -> Result<Option<Record>> {
        self.inner.get(call, self.meant(key)).await
    }

    async fn get_many(&self, call: &Call, mut keys: Vec<RecordKey>) -> Result<Vec<Record>> {
        if self.case == "catalog.listing.many" {
            // Whatever the first one's project is, it is that of all.
            let project = keys.first().map(|key| key.project.clone()).unwrap_or_default();
            keys.iter_mut().for_each(|key| key.project.clone_from(&project));
        }
        self.inner.get_many(call, keys).await
    }

    async fn list(
        &self,
        call: &Call,
        kind: String,
        project: String,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<Record>> {
        if let ("catalog.listing.pages", Some(name)) = (self.case.as_str(), &after) {
            let key = RecordKey::new(kind.clone(), project.clone(), name.clone());
            if self.inner.get(call, key).await?.is_none() {
                return Ok(Vec::new());
            }
        }
        let mut records = self.inner.list(call, kind, project, after, limit).await?;
        if self.case == "catalog.listing.order" {
            records.sort_by_key(|record| record.key.name.to_lowercase());
        }
        Ok(records)
    }

    async fn count(&self, call: &Call, kind: String, project: String) -> Result<u64> {
        let count = self.inner.count(call, kind, project.clone()).await?;
        if self.case != "catalog.listing.count" {
            return Ok(count);
        }
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(*counts.entry(project).or_insert(count))
    }

    async fn commit(&self, call: &Call, changes: Vec<Change>) -> Result<Commit> {
        let mut spoiled = Vec::new();
        for change in changes {
            spoiled.push(self.spoiled(call, change).await?);
        }
        let done = match self.case.as_str() {
            "catalog.commit.all_or_none" | "catalog.commit.bounds" => self.commit_singly(call, spoiled).await?,
            _ => self.inner.commit(call, spoiled).await?,
        };
        Ok(match done {
            Commit::Done(revisions) if self.case == "catalog.commit.revisions" => {
                Commit::Done(vec![1; revisions.len()])
            }
            done => done,
        })
    }

    async fn sweep(&self, call: &Call, limit: u32) -> Result<bool> {
        // There is always more to do.
        if self.case == "catalog.expiry.swept" { Ok(true) } else { self.inner.sweep(call, limit).await }
    }

    async fn health(&self, call: &Call) -> Result<Health> {
        if self.case == "catalog.health" {
            return Err(Error::unavailable("out of order"));
        }
        self.inner.health(call).await
    }

    async fn shutdown(&self) {
        self.inner.shutdown().await;
    }
}
