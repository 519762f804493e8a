//! What the catalog's records mean.
//!
//! A change of a queue is: (1) a commit to the catalog with the next epoch, (2) `configure` at its
//! pool, (3) the answer. A host that dies between (1) and (2) leaves a record that is newer than
//! its header: the pool answers `Gone` to whoever acts on it, and [`Directory::on`] repairs it.

mod awaited;
mod cache;
mod dead_letter;
mod default_store;
mod deletion;
mod flavors;
mod former;
mod hosts;
mod on;
mod pools;
mod queues;
mod record;
mod relocate;
mod subscriptions;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use sukkal_plugin_sdk::load::OpenCatalog;
use sukkal_plugin_sdk::{self as sdk, Call, Change, Commit};
use tokio::sync::Notify;

use self::awaited::Awaited;
pub use self::default_store::{DefaultStore, note_default_store, noted_default_store};
pub use self::flavors::{Flavor, Unfit, flavor_exists};
use self::hosts::OwnHost;
pub use self::pools::{
    Leaving, StoredPool, delete_pool, holds_queues, holds_remains, listed_pools, pool_of_store, said_by, store_pool,
    stored_pool, stored_pools,
};
pub use self::queues::{Listed, Queue};
pub use self::record::{DROPPING, Dropping, MOVED, to_hex};
pub use self::subscriptions::{Changed, NewSubscription, Subscribed, Subscription, SubscriptionChange};
use crate::drops::Drops;
use crate::error::Result;
use crate::pools::Pools;
use crate::repeat::{self, Attempts};
use crate::service::Clock;
use crate::snapshot::Snapshot;

/// What the catalog's records mean.
pub struct Directory {
    catalog: OpenCatalog,
    pools: Arc<Pools>,
    cache: cache::Cache,
    /// What is left of deleted queues, and whose turn it is to remove it.
    pub(crate) drops: Drops,
    /// Wakes the janitor: a queue is to be dropped.
    wake: Arc<Notify>,
    /// The names of queues that are waited for.
    pub(crate) awaited: Awaited,
    host: OwnHost,
    /// Held while queues are told of the dead letter queue that they name.
    connecting: tokio::sync::Mutex<()>,
    clock: Clock,
    /// What is in force.
    current: Arc<ArcSwap<Snapshot>>,
}

impl Directory {
    /// The directory of a catalog.
    pub fn new(
        catalog: OpenCatalog,
        pools: Arc<Pools>,
        clock: Clock,
        current: Arc<ArcSwap<Snapshot>>,
        wake: Arc<Notify>,
        host_id: String,
    ) -> Self {
        Directory {
            catalog,
            pools,
            cache: cache::Cache::new(clock.clone()),
            drops: Drops::default(),
            wake,
            awaited: Awaited::default(),
            host: OwnHost::new(host_id),
            connecting: tokio::sync::Mutex::default(),
            clock,
            current,
        }
    }

    /// Attempts at what others may be quicker with.
    pub(crate) fn attempts<'a>(&'a self, call: &'a Call) -> Attempts<'a> {
        Attempts::of(call, &self.clock)
    }

    /// A call for what is to be done whoever asks, in a time of its own.
    fn own_call(&self, call: &Call, time: Duration) -> Call {
        Call::new(call.request_id(), call.project(), (self.clock)().after(time))
    }

    /// Calls a store until it is known what came of it. Only for what does no harm when it is repeated.
    pub(crate) async fn until_known<T, F>(&self, call: &Call, operation: impl Fn() -> F) -> sdk::Result<T>
    where
        F: Future<Output = sdk::Result<T>>,
    {
        repeat::until_known(call, &self.clock, operation).await
    }

    /// Has the janitor remove what is left of a queue that this host has deleted.
    fn to_drop(&self, dropping: &Dropping) {
        self.drops.add(dropping.key().name);
        self.wake.notify_one();
    }

    /// Whether a commit was made: `false` where somebody else was quicker.
    async fn commit(&self, call: &Call, changes: Vec<Change>) -> Result<bool> {
        Ok(matches!(self.catalog.commit(call, changes).await?, Commit::Done(_)))
    }
}
