//! What the catalog's records mean.
//!
//! A change of a queue is: (1) a commit to the catalog with the next epoch, (2) `configure` at its
//! pool, (3) the answer. A host that dies between (1) and (2) leaves a record that is newer than
//! its header: the pool answers `Gone` to whoever acts on it, and [`Directory::on`] repairs it.

mod cache;
mod dead_letter;
mod flavors;
mod pools;
mod queues;
mod record;
mod relocate;
mod subscriptions;

use std::sync::Arc;
use std::time::Duration;

use sukkal_plugin_sdk::load::OpenCatalog;
use sukkal_plugin_sdk::{Call, Change, Commit};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

pub use self::flavors::{Flavor, Unfit, flavor_exists};
pub use self::pools::{
    Leaving, StoredPool, delete_pool, holds_queues, listed_pools, pool_of_store, store_pool, stored_pool, stored_pools,
};
pub use self::queues::Queue;
pub use self::record::{DROPPING, Dropping};
pub use self::subscriptions::{Changed, NewSubscription, Subscribed, Subscription, SubscriptionChange};
use crate::error::Result;
use crate::pools::Pools;
use crate::service::Clock;

/// What the catalog's records mean.
pub struct Directory {
    catalog: OpenCatalog,
    pools: Arc<Pools>,
    cache: cache::Cache,
    /// Wakes the janitor: a queue is to be dropped.
    wake: Arc<Notify>,
    /// Told when this host makes a queue.
    made: Notify,
    clock: Clock,
}

impl Directory {
    /// The directory of a catalog.
    pub fn new(catalog: OpenCatalog, pools: Arc<Pools>, clock: Clock, wake: Arc<Notify>) -> Self {
        Directory { catalog, pools, cache: cache::Cache::new(clock.clone()), wake, made: Notify::new(), clock }
    }

    /// Waits until this host makes a queue, whichever. Others' are found by looking.
    pub fn queue_made(&self) -> Notified<'_> {
        self.made.notified()
    }

    /// Waits before a change is tried again that another one was quicker than: for a time left to
    /// chance, which grows with the number of tries, so that many changes of one queue pass one
    /// after the other.
    async fn pause(tries: u64) {
        let longest = 10 * tries.clamp(1, 20);
        tokio::time::sleep(Duration::from_millis(rand::random_range(1..=longest))).await;
    }

    /// Whether a commit was made: `false` where somebody else was quicker.
    async fn commit(&self, call: &Call, changes: Vec<Change>) -> Result<bool> {
        Ok(matches!(self.catalog.commit(call, changes).await?, Commit::Done(_)))
    }
}
