//! The contract of a catalog.

use std::future::Future;

use crate::{Call, Change, Commit, Health, Record, RecordKey, Result};

/// An ordered record store. What queues, pools, flavors, subscriptions and topics mean is not its
/// matter: it keeps opaque values under names.
///
/// # Promises
///
/// 1. **Linearizable.** A read sees every commit that was acknowledged before it began, from
///    whatever host.
/// 2. **Atomic and durable.** A commit happens whole or not at all; `Done` means that it outlives
///    a crash, unless the catalog states otherwise ([`Health::volatile`]).
/// 3. **Ordered.** Listings are in bytewise order of the names.
/// 4. **Expiry** is decided on the store's clock: an expired record is absent to every operation.
///
/// Conformance cases: `catalog.*`. Cost: O(log n + k).
pub trait Catalog: Send + Sync + 'static {
    /// Reads one record.
    fn get(&self, call: &Call, key: RecordKey) -> impl Future<Output = Result<Option<Record>>> + Send;

    /// Reads up to 100 records, as [`Catalog::get`] reads each; in any order, without those that are not there.
    /// What it reads need not be of one moment. Hosts ask for queues so that somebody waits for and that are not
    /// there, ten times a second: a catalog over a network answers it in one step. The default calls `get` for each.
    fn get_many(&self, call: &Call, keys: Vec<RecordKey>) -> impl Future<Output = Result<Vec<Record>>> + Send {
        async move {
            let mut records = Vec::new();
            for key in keys {
                records.extend(self.get(call, key).await?);
            }
            Ok(records)
        }
    }

    /// Reads records of a kind and project in the order of their names, `after` excluded, which
    /// need not exist; fewer than `limit` means that there are no more.
    fn list(
        &self,
        call: &Call,
        kind: String,
        project: String,
        after: Option<String>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Record>>> + Send;

    /// Counts the records of a kind and project.
    fn count(&self, call: &Call, kind: String, project: String) -> impl Future<Output = Result<u64>> + Send;

    /// Makes up to 100 changes, each of another record: all, or none. One that deletes a record is made also where the
    /// catalog is full: to delete a queue, a host writes down that it is to be emptied.
    ///
    /// # Errors
    /// `Full`. `TooLarge`: more than 100 changes. `Invalid`: two of one record.
    fn commit(&self, call: &Call, changes: Vec<Change>) -> impl Future<Output = Result<Commit>> + Send;

    /// Removes what has expired, in a bounded step; `true` while there is more.
    fn sweep(&self, call: &Call, limit: u32) -> impl Future<Output = Result<bool>> + Send;

    /// Whether the store answers and can write, and what its operator should be warned about.
    fn health(&self, call: &Call) -> impl Future<Output = Result<Health>> + Send;

    /// The host is ending: called once, and awaited for a bounded time.
    fn shutdown(&self) -> impl Future<Output = ()> + Send {
        async {}
    }
}
