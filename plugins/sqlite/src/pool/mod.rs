//! The pool: what each method is, file by file.
//!
//! | file | subject |
//! |---|---|
//! | `id` | how queues, lanes and places become integer keys |
//! | `block`, `blocks` | the states of 64 neighbouring messages in one row; the writer's copy of such rows |
//! | `open`, `front` | where the last of a queue lies, and those that are claimed from |
//! | `body`, `run`, `runs`, `bodies` | what never changes of a message; in one row with others; in memory; the writer's side |
//! | `varint` | numbers in few bytes |
//! | `ledger`, `queue`, `count`, `due` | what the writing thread keeps in memory: headers and counts, when queues fall due |
//! | `post`, `key`, `claim`, `claim_row`, `delete`, `lane` | what clients and hosts ask for |
//! | `settle`, `dead_letter`, `recheck`, `garbage` | what happens by itself as time passes; and when a rule has changed |
//! | `snapshot`, `list`, `own_blocks`, `stats` | reads, on connections of their own |
//! | `watch` | who waits for something to become available |
//! | `export` | a whole queue, page by page |

mod block;
mod blocks;
mod bodies;
mod body;
mod claim;
mod claim_row;
mod count;
mod dead_letter;
mod delete;
mod due;
mod export;
mod front;
mod garbage;
mod id;
mod key;
mod lane;
mod ledger;
mod list;
mod open;
mod own_blocks;
mod post;
mod queue;
mod recheck;
mod run;
mod runs;
mod settle;
mod snapshot;
mod stats;
#[cfg(test)]
mod tests;
mod varint;
mod watch;

use std::sync::Arc;

use sukkal_plugin_sdk::{
    Batch, Budget, Call, Capabilities, Claim, ClaimId, Claimed, Cursor, Delete, Deleted, Export, Header, Health, Hints,
    Key, KnownQueue, Lane, Lease, Leased, List, NewClaim, Open, Place, Post, Posted, Progress, QueueId, QueueRef,
    Release, Renewal, Result, Stats, Swept, Usage, WatchChange,
};

use self::count::Totals;
use self::ledger::Ledger;
use self::own_blocks::OwnBlocks;
use self::runs::Runs;
use self::settle::{Crowded, Step};
use self::snapshot::Snapshot;
use self::watch::Watch;
use crate::error::Outcome;
use crate::schema;
use crate::settings::{Settings, Synchronous};
use crate::store::Store;

/// A pool in one SQLite file.
pub struct Pool {
    store: Store<Ledger>,
    watch: Arc<Watch>,
    totals: Arc<Totals>,
    own: Arc<OwnBlocks>,
    runs: Arc<Runs>,
}

impl Pool {
    /// Opens the file of a URI, making it if there is none.
    ///
    /// # Errors
    /// `Invalid`: the URI, the settings or the file are wrong. `Conflict`: somebody else has it.
    pub async fn open(open: Open<Settings>) -> Result<Pool> {
        let watch = Arc::new(Watch::default());
        let totals = Arc::new(Totals::default());
        let (_, settings) = open.settings.clone().of_uri(&open.uri, open.host.data_dir())?;
        let runs = Arc::new(Runs::new(settings.body_cache_kib as usize * 1024));
        let known = (watch.clone(), totals.clone(), runs.clone());
        let now = open.host.now();
        let ledger = move |connection| Ledger::new(connection, known.0, known.1, known.2, now);
        let store = Store::open(open, schema::POOL, ledger).await?;
        Ok(Pool { store, watch, totals, own: Arc::default(), runs })
    }

    async fn write<T: Send + 'static>(
        &self,
        call: &Call,
        bytes: usize,
        work: impl FnMut(&mut Ledger) -> Outcome<T> + Send + 'static,
    ) -> Result<T> {
        self.store.writer.submit(call, bytes, work).await
    }

    async fn read<T: Send + 'static>(
        &self,
        call: &Call,
        work: impl FnOnce(&Snapshot<'_>) -> Outcome<T> + Send + 'static,
    ) -> Result<T> {
        let (host, runs) = (self.store.host.clone(), self.runs.clone());
        let look = move |connection: &_| work(&Snapshot { connection, now: host.now(), runs: &runs });
        self.store.readers.submit(call, look).await
    }
}

impl Pool {
    /// Reads from a queue. Where much has fallen due in it, that is settled first, a few steps of it:
    /// so what has expired at once is walked over once, and not by every reader until it is swept.
    async fn look<T: Send + 'static>(
        &self,
        call: &Call,
        queue: &QueueRef,
        work: impl Fn(&Snapshot<'_>, Crowded) -> Outcome<Step<T>> + Clone + Send + 'static,
    ) -> Result<T> {
        let mut steps_left = STEPS_OF_A_READER;
        loop {
            let crowded = if steps_left > 0 { Crowded::Wait } else { Crowded::Walk };
            let work = work.clone();
            if let Step::Done(found) = self.read(call, move |snapshot| work(snapshot, crowded)).await? {
                return Ok(found);
            }
            steps_left -= 1;
            let queue = queue.clone();
            let settled = self.write(call, SMALL, move |ledger| settle::clear_the_way(ledger, &queue)).await;
            if settled.is_err() {
                // A full disk, for instance: reading is as right without, and only slower.
                steps_left = 0;
            }
        }
    }
}

/// Steps of settling that one reader waits for at the most.
const STEPS_OF_A_READER: usize = 4;
/// What a piece of work without a body writes, about.
const SMALL: usize = 256;

impl sukkal_plugin_sdk::Pool for Pool {
    fn capabilities(&self) -> Capabilities {
        let durability = self.store.settings.synchronous == Synchronous::Full;
        Capabilities { durability, ..Capabilities::default() }.kept()
    }

    async fn configure(&self, call: &Call, queue: &QueueRef, header: Header) -> Result<()> {
        let id = queue.id();
        self.write(call, SMALL, move |ledger| queue::configure(ledger, id, &header)).await
    }

    async fn post(&self, call: &Call, queue: &QueueRef, post: Post) -> Result<Posted> {
        let bytes = post.messages.iter().map(|message| message.body.len() + SMALL).sum();
        let queue = queue.clone();
        self.write(call, bytes, move |ledger| post::post(ledger, &queue, &post)).await
    }

    async fn posted(&self, call: &Call, queue: &QueueRef, key: Key) -> Result<Option<Posted>> {
        let queue = queue.clone();
        self.read(call, move |snapshot| key::posted(snapshot, &queue, &key)).await
    }

    async fn list(&self, call: &Call, queue: &QueueRef, list: List) -> Result<Batch> {
        let queue = queue.clone();
        let own = self.own.clone();
        let reference = queue.clone();
        self.look(call, &reference, move |snapshot, crowded| list::list(snapshot, &queue, &list, &own, crowded)).await
    }

    async fn get(&self, call: &Call, queue: &QueueRef, places: Vec<Place>) -> Result<Batch> {
        let queue = queue.clone();
        self.read(call, move |snapshot| list::get(snapshot, &queue, &places)).await
    }

    async fn delete(&self, call: &Call, queue: &QueueRef, delete: Delete) -> Result<Deleted> {
        let queue = queue.clone();
        self.write(call, SMALL, move |ledger| delete::delete(ledger, &queue, &delete)).await
    }

    async fn pop(&self, call: &Call, queue: &QueueRef, limit: u32) -> Result<Batch> {
        loop {
            let queue = queue.clone();
            if let Step::Done(batch) = self.write(call, SMALL, move |ledger| claim::pop(ledger, &queue, limit)).await? {
                return Ok(batch);
            }
        }
    }

    async fn claim(&self, call: &Call, queue: &QueueRef, claim: NewClaim) -> Result<Claimed> {
        loop {
            let (queue, claim) = (queue.clone(), claim.clone());
            let step = self.write(call, SMALL, move |ledger| claim::claim(ledger, &queue, &claim)).await?;
            if let Step::Done(claimed) = step {
                return Ok(claimed);
            }
        }
    }

    async fn claim_get(&self, call: &Call, queue: &QueueRef, id: ClaimId) -> Result<Option<Claim>> {
        let queue = queue.clone();
        self.read(call, move |snapshot| list::claim_get(snapshot, &queue, id)).await
    }

    async fn claim_renew(&self, call: &Call, queue: &QueueRef, id: ClaimId, renewal: Renewal) -> Result<bool> {
        let queue = queue.clone();
        self.write(call, SMALL, move |ledger| claim::renew(ledger, &queue, id, &renewal)).await
    }

    async fn claim_release(&self, call: &Call, queue: &QueueRef, id: ClaimId, release: Release) -> Result<()> {
        let queue = queue.clone();
        self.write(call, SMALL, move |ledger| claim::release(ledger, &queue, id, &release)).await
    }

    async fn stats(&self, call: &Call, queue: &QueueRef) -> Result<Stats> {
        let queue = queue.clone();
        let reference = queue.clone();
        self.look(call, &reference, move |snapshot, crowded| stats::stats(snapshot, &queue, crowded)).await
    }

    async fn purge(&self, call: &Call, queue: &QueueRef, budget: Budget) -> Result<Progress> {
        let queue = queue.clone();
        self.write(call, SMALL, move |ledger| delete::purge(ledger, &queue, budget)).await
    }

    async fn drop_queue(&self, call: &Call, queue: &QueueRef, budget: Budget) -> Result<Progress> {
        let queue = queue.clone();
        self.write(call, SMALL, move |ledger| delete::drop_queue(ledger, &queue, budget)).await
    }

    async fn sweep(&self, call: &Call, budget: Budget) -> Result<Swept> {
        self.write(call, SMALL, move |ledger| settle::sweep(ledger, budget)).await
    }

    async fn due(&self, call: &Call, lane: Lane, after: Option<QueueId>, limit: u32) -> Result<Vec<KnownQueue>> {
        self.read(call, move |snapshot| lane::due(snapshot, lane, after, limit)).await
    }

    async fn lane_lease(&self, call: &Call, queue: &QueueRef, lease: Lease) -> Result<Option<Leased>> {
        let queue = queue.clone();
        self.write(call, SMALL, move |ledger| lane::lease(ledger, &queue, &lease)).await
    }

    async fn watch(&self, call: &Call, change: WatchChange) -> Result<()> {
        self.write(call, SMALL, move |ledger| watch::change(ledger, &change)).await
    }

    async fn hints(&self, _call: &Call) -> Result<Hints> {
        Ok(self.watch.hints().await)
    }

    async fn queues(&self, call: &Call, after: Option<QueueId>, limit: u32) -> Result<Vec<KnownQueue>> {
        self.read(call, move |snapshot| queue::list(snapshot.connection, after, limit)).await
    }

    async fn export(&self, call: &Call, queue: &QueueRef, from: Cursor) -> Result<Export> {
        let queue = queue.clone();
        self.read(call, move |snapshot| export::export(snapshot, &queue, &from)).await
    }

    async fn import(&self, call: &Call, queue: &QueueRef, page: Export) -> Result<()> {
        let bytes = page.messages.iter().map(|message| message.body.len() + SMALL).sum();
        let queue = queue.clone();
        let imported = self.write(call, bytes, move |ledger| export::import(ledger, &queue, &page)).await;
        self.own.clear();
        imported
    }

    async fn health(&self, call: &Call) -> Result<Health> {
        self.read(call, stats::probe).await?;
        self.write(call, SMALL, settle::probe).await?;
        Ok(self.store.health())
    }

    async fn usage(&self, call: &Call) -> Result<Usage> {
        let (settings, totals) = (self.store.settings.clone(), self.totals.clone());
        self.read(call, move |snapshot| stats::usage(snapshot.connection, &totals, &settings)).await
    }

    async fn shutdown(&self) {
        self.store.shutdown().await;
    }
}
