//! The pool: what each method is, file by file.
//!
//! | file | subject |
//! |---|---|
//! | `shared`, `queue` | what all calls share; one queue, and a visit to it under its lock |
//! | `entry`, `entries`, `places`, `clients` | a message; a lane's messages and their indexes |
//! | `post`, `key`, `claim`, `claims`, `claim_end`, `delete`, `lane` | what clients and hosts ask for |
//! | `settle`, `dead_letter`, `sweep` | what happens by itself as time passes |
//! | `list`, `stats` | reads |
//! | `agenda`, `schedule`, `watch` | when something falls due, and who is told |
//! | `export` | a whole queue, page by page |

mod agenda;
mod claim;
mod claim_end;
mod claims;
mod clients;
mod dead_letter;
mod delete;
mod entries;
mod entry;
mod export;
mod key;
mod lane;
mod list;
mod places;
mod post;
mod queue;
mod schedule;
mod settle;
mod shared;
mod stats;
mod sweep;
#[cfg(test)]
mod tests;
mod watch;

use std::sync::Arc;

use sukkal_plugin_sdk::{
    Batch, Budget, Call, Capabilities, Claim, ClaimId, Claimed, Cursor, Delete, Deleted, Export, Header, Health, Hints,
    Key, KnownQueue, Lane, Lease, Leased, List, NewClaim, Open, Place, Post, Posted, Progress, QueueId, QueueRef,
    Release, Renewal, Result, Stats, Swept, Usage, WatchChange,
};

use self::dead_letter::Moved;
use self::settle::STEP;
use self::shared::Shared;
use crate::room::{Names, Room};
use crate::settings::Settings;

/// A pool in memory.
pub struct Pool {
    shared: Arc<Shared>,
}

impl Pool {
    /// Opens an empty pool.
    ///
    /// # Errors
    /// `Invalid`: the URI or the settings are wrong.
    pub async fn open(open: Open<Settings>) -> Result<Pool> {
        let settings = open.settings.of_uri(&open.uri)?;
        let names = Names { items: "messages", max_bytes: "max_bytes", max_items: "max_messages" };
        let room = Room::new(settings.max_bytes, settings.max_messages, names);
        Ok(Pool { shared: Arc::new(Shared::new(open.host, room)) })
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.watch.close();
    }
}

impl sukkal_plugin_sdk::Pool for Pool {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    async fn configure(&self, _call: &Call, queue: &QueueRef, header: Header) -> Result<()> {
        self.shared.configure(queue, header)
    }

    async fn post(&self, _call: &Call, queue: &QueueRef, post: Post) -> Result<Posted> {
        let post = post::prepare(post);
        self.shared.visit(queue, |visit| visit.post(post))
    }

    async fn posted(&self, _call: &Call, queue: &QueueRef, key: Key) -> Result<Option<Posted>> {
        self.shared.visit_or_dropping(queue, |visit| visit.posted(&key))
    }

    async fn list(&self, _call: &Call, queue: &QueueRef, list: List) -> Result<Batch> {
        self.shared.settled(queue, |visit| visit.list(&list)).await
    }

    async fn get(&self, _call: &Call, queue: &QueueRef, places: Vec<Place>) -> Result<Batch> {
        self.shared.settled(queue, |visit| Ok(visit.get(&places))).await
    }

    async fn delete(&self, _call: &Call, queue: &QueueRef, delete: Delete) -> Result<Deleted> {
        self.shared.settled(queue, |visit| visit.delete(&delete)).await
    }

    async fn pop(&self, _call: &Call, queue: &QueueRef, limit: u32) -> Result<Batch> {
        self.shared.settled(queue, |visit| Ok(visit.pop(limit))).await
    }

    async fn claim(&self, _call: &Call, queue: &QueueRef, claim: NewClaim) -> Result<Claimed> {
        let mut moves = true;
        loop {
            let claimed = self.shared.settled(queue, |visit| {
                let moves = moves && visit.contents.has_dead_letters();
                Ok((!moves).then(|| visit.claim(&claim)))
            });
            if let Some(claimed) = claimed.await? {
                return Ok(claimed);
            }
            moves = matches!(dead_letter::step(&self.shared, queue.id(), STEP), Moved::Some(_));
        }
    }

    async fn claim_get(&self, _call: &Call, queue: &QueueRef, id: ClaimId) -> Result<Option<Claim>> {
        self.shared.settled(queue, |visit| Ok(visit.claim_get(id))).await
    }

    async fn claim_renew(&self, _call: &Call, queue: &QueueRef, id: ClaimId, renewal: Renewal) -> Result<bool> {
        self.shared.settled(queue, |visit| Ok(visit.renew(id, &renewal))).await
    }

    async fn claim_release(&self, _call: &Call, queue: &QueueRef, id: ClaimId, release: Release) -> Result<()> {
        let released = self.shared.settled(queue, |visit| {
            visit.release(id, &release);
            Ok(())
        });
        released.await
    }

    async fn stats(&self, _call: &Call, queue: &QueueRef) -> Result<Stats> {
        self.shared.settled(queue, |visit| Ok(visit.stats())).await
    }

    async fn purge(&self, _call: &Call, queue: &QueueRef, budget: Budget) -> Result<Progress> {
        self.shared.visit(queue, |visit| Ok(visit.purge(budget)))
    }

    async fn drop_queue(&self, _call: &Call, queue: &QueueRef, budget: Budget) -> Result<Progress> {
        let dropped = self.shared.visit_any(queue.id(), |visit| visit.drop_queue(queue.epoch(), budget));
        Ok(dropped.unwrap_or(Progress { done: true, count: 0 }))
    }

    async fn sweep(&self, _call: &Call, budget: Budget) -> Result<Swept> {
        Ok(sweep::sweep(&self.shared, budget).await)
    }

    async fn due(&self, _call: &Call, lane: Lane, after: Option<QueueId>, limit: u32) -> Result<Vec<KnownQueue>> {
        Ok(lane::due(&self.shared, lane, after, limit).await)
    }

    async fn lane_lease(&self, _call: &Call, queue: &QueueRef, lease: Lease) -> Result<Option<Leased>> {
        self.shared.visit(queue, |visit| visit.lease(&lease))
    }

    async fn watch(&self, _call: &Call, change: WatchChange) -> Result<()> {
        watch::change(&self.shared, &change)
    }

    async fn hints(&self, _call: &Call) -> Result<Hints> {
        Ok(self.shared.watch.hints().await)
    }

    async fn queues(&self, _call: &Call, after: Option<QueueId>, limit: u32) -> Result<Vec<KnownQueue>> {
        Ok(self.shared.known(after, limit))
    }

    async fn export(&self, _call: &Call, queue: &QueueRef, from: Cursor) -> Result<Export> {
        self.shared.settled(queue, |visit| visit.export(&from)).await
    }

    async fn import(&self, _call: &Call, queue: &QueueRef, page: Export) -> Result<()> {
        self.shared.visit(queue, |visit| visit.import(page))
    }

    async fn health(&self, _call: &Call) -> Result<Health> {
        Ok(Health { warnings: self.shared.room.warnings(), ..Health::default() })
    }

    async fn usage(&self, _call: &Call) -> Result<Usage> {
        Ok(self.shared.usage())
    }

    async fn shutdown(&self) {
        self.shared.watch.close();
    }
}
