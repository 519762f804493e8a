//! Flavors: names that stand for some of the pools (spec: pools and flavors).
//!
//! A flavor's record says only that it is there: which pools it has is in theirs, so that a pool
//! belongs to one flavor at the most.

use std::time::Instant;

use sukkal_plugin_sdk::load::OpenCatalog;
use sukkal_plugin_sdk::{Bytes, Call, Change, Commit, Expect, RecordKey};

use super::Directory;
use super::pools::{StoredPool, stored_pools};
use crate::error::{Error, Result};

const FLAVOR: &str = "flavor";

/// How many changes one commit takes, with some to spare.
const COMMIT: usize = 90;

/// A flavor.
#[derive(Clone, Debug, PartialEq)]
pub struct Flavor {
    /// Its name.
    pub name: String,
    /// The names of its pools, in their order.
    pub pools: Vec<String>,
    /// What all of its pools state, in the first one's order.
    pub capabilities: Vec<String>,
}

/// Why a flavor cannot have the pools that it is to have.
#[derive(Clone, Debug, PartialEq)]
pub enum Unfit {
    /// There is no pool of this name.
    Missing(String),
    /// This pool states other capabilities than the first one.
    Differs(String),
}

/// Whether there is a flavor.
pub async fn flavor_exists(catalog: &OpenCatalog, call: &Call, name: &str) -> Result<bool> {
    Ok(catalog.get(call, key(name)).await?.is_some())
}

impl Flavor {
    /// `stated`: what a pool states of itself.
    fn of(name: &str, pools: &[StoredPool], stated: impl Fn(&StoredPool) -> Vec<String>) -> Self {
        let own: Vec<_> = pools.iter().filter(|pool| pool.flavor.as_deref() == Some(name)).collect();
        let all = own.iter().map(|pool| stated(pool));
        let common = |mut all: Vec<String>, others: Vec<String>| {
            all.retain(|capability| others.contains(capability));
            all
        };
        Flavor {
            name: name.to_owned(),
            pools: own.iter().map(|pool| pool.name.clone()).collect(),
            capabilities: all.reduce(common).unwrap_or_default(),
        }
    }
}

impl Directory {
    /// A flavor.
    pub async fn flavor(&self, call: &Call, name: &str) -> Result<Option<Flavor>> {
        if !flavor_exists(&self.catalog, call, name).await? {
            return Ok(None);
        }
        let pools = stored_pools(&self.catalog, call).await?;
        Ok(Some(Flavor::of(name, &pools, |pool| self.pools.stated(pool))))
    }

    /// Flavors in the order of their names.
    pub async fn flavors(&self, call: &Call, after: Option<&str>, limit: u32) -> Result<Vec<Flavor>> {
        let after = after.map(str::to_owned);
        let records = self.catalog.list(call, FLAVOR.to_owned(), String::new(), after, limit).await?;
        let pools = stored_pools(&self.catalog, call).await?;
        Ok(records.iter().map(|record| Flavor::of(&record.key.name, &pools, |pool| self.pools.stated(pool))).collect())
    }

    /// Makes a flavor of these pools, or gives it these in place of those that it had: a pool of
    /// another flavor leaves that, and one that is left out has none.
    pub async fn set_flavor(&self, call: &Call, name: &str, wanted: &[String]) -> Result<Result<(), Unfit>> {
        self.change_flavor(call, name, Some(wanted)).await
    }

    /// Deletes a flavor, if it is there; its pools have none from then on.
    pub async fn delete_flavor(&self, call: &Call, name: &str) -> Result<()> {
        self.change_flavor(call, name, None).await.map(|_| ())
    }

    async fn change_flavor(&self, call: &Call, name: &str, wanted: Option<&[String]>) -> Result<Result<(), Unfit>> {
        let mut attempts = self.attempts(call);
        loop {
            let pools = stored_pools(&self.catalog, call).await?;
            if let Err(unfit) = check(&pools, wanted.unwrap_or_default()) {
                return Ok(Err(unfit));
            }
            let mut changes = Vec::new();
            for pool in pools {
                let belongs = wanted.is_some_and(|wanted| wanted.contains(&pool.name));
                let is_own = pool.flavor.as_deref() == Some(name);
                match (belongs, is_own) {
                    (true, false) => changes.push(StoredPool { flavor: Some(name.to_owned()), ..pool }.put()?),
                    (false, true) => changes.push(StoredPool { flavor: None, ..pool }.put()?),
                    (true, true) => changes.push(pool.unchanged()),
                    (false, false) => {}
                }
            }
            // Last, so that it does not appear before it has its pools.
            changes.push(match wanted {
                Some(_) => Change::put(key(name), Expect::Any, Bytes::new()),
                None => Change::delete(key(name), Expect::Any),
            });
            if self.commit_all(call, changes).await? {
                self.pools.refresh(call, Instant::now()).await?;
                return Ok(Ok(()));
            }
            let others = || Error::contended("flavor");
            attempts.again_or(others).await?;
        }
    }

    /// Commits changes, in several steps where they are many: a repetition makes them whole.
    async fn commit_all(&self, call: &Call, changes: Vec<Change>) -> Result<bool> {
        for step in changes.chunks(COMMIT) {
            if !matches!(self.catalog.commit(call, step.to_vec()).await?, Commit::Done(_)) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Whether a flavor can have these pools.
fn check(pools: &[StoredPool], wanted: &[String]) -> Result<(), Unfit> {
    let mut first: Option<&StoredPool> = None;
    for name in wanted {
        let Some(pool) = pools.iter().find(|pool| pool.name == *name) else {
            return Err(Unfit::Missing(name.clone()));
        };
        match first {
            Some(first) if first.capabilities != pool.capabilities => return Err(Unfit::Differs(name.clone())),
            Some(_) => {}
            None => first = Some(pool),
        }
    }
    Ok(())
}

fn key(name: &str) -> RecordKey {
    RecordKey::new(FLAVOR, "", name)
}
