//! The pool: what each method is, file by file.
//!
//! | file | subject |
//! |---|---|
//! | `shared`, `line`, `serve` | the collection; who waits for a transaction in a queue; what one does for them |
//! | `visit`, `find` | somebody at work in a queue; what is read there by which index |
//! | `id`, `state`, `head`, `message` | documents: their names, states, and the two most important kinds |
//! | `configure`, `post`, `take`, `claim_end`, `delete`, `lane`, `clear` | what clients and hosts ask for |
//! | `settle`, `dead_letter` | what happens by itself as time passes |
//! | `list`, `claim_get`, `stats`, `known` | reads; queues of the whole pool, and their sweep |
//! | `watch` | who waits for something to become available |
//! | `export` | a whole queue, page by page |

mod claim_end;
mod claim_get;
mod clear;
mod configure;
mod dead_letter;
mod delete;
mod export;
mod find;
mod head;
mod id;
mod known;
mod lane;
mod line;
mod list;
mod message;
mod post;
mod serve;
mod settle;
mod shared;
mod state;
mod stats;
mod take;
mod visit;
mod watch;

use std::sync::Arc;

use sukkal_plugin_sdk::tokio::time::timeout;
use sukkal_plugin_sdk::{
    Batch, Budget, Call, Capabilities, Claim, ClaimId, Claimed, Cursor, Delete, Deleted, Error, Export, Header, Health,
    Hints, Key, KnownQueue, Lane, Lease, Leased, List, NewClaim, Open, Place, Post, Posted, Progress, QueueId,
    QueueRef, Release, Renewal, Result, Stats, Swept, Usage, WatchChange, tracing,
};

use self::line::{Answer, Ask};
use self::shared::Shared;
use self::watch::Watch;
use crate::error::timed_out;
use crate::server::Server;
use crate::settings::Settings;

/// The most messages of one post, and of one claim.
pub const MAX_BATCH: u32 = 1_000;

/// A pool in one database.
pub struct Pool {
    shared: Arc<Shared>,
    watch: Arc<Watch>,
}

impl Pool {
    /// Opens a database, making its indexes if there are none.
    ///
    /// # Errors
    /// `Invalid`: the URI, the settings or the servers are wrong. `Unavailable`: nothing answers.
    pub async fn open(open: Open<Settings>) -> Result<Pool> {
        let shared = Arc::new(Shared::new(Server::open(&open.uri, &open.settings, open.host).await?));
        shared.make_indexes(open.settings.timeout()).await?;
        for warning in shared.server.warnings().await {
            tracing::warn!("{warning}");
        }
        Ok(Pool { watch: Watch::new(shared.clone()), shared })
    }

    /// Waits for a read, within the call's deadline.
    async fn read<T>(&self, call: &Call, read: impl Future<Output = Result<T>> + Send) -> Result<T> {
        timeout(self.shared.server.left(call), Box::pin(read)).await.unwrap_or_else(|_| Err(timed_out()))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.watch.close();
    }
}

/// Takes the answer that belongs to a question.
macro_rules! answered {
    ($answer:expr, $kind:ident) => {
        match $answer {
            Answer::$kind(answer) => Ok(answer),
            other => Err(mismatch(&other)),
        }
    };
}

fn mismatch(answer: &Answer) -> Error {
    Error::internal("a fault in the mongodb plugin").detail(format!("{answer:?}"))
}

impl sukkal_plugin_sdk::Pool for Pool {
    fn capabilities(&self) -> Capabilities {
        Capabilities { durability: true, remote: true, max_batch: Some(MAX_BATCH), ..Capabilities::default() }
    }

    async fn configure(&self, call: &Call, queue: &QueueRef, header: Header) -> Result<()> {
        self.shared.ask(call, queue, Ask::Configure(header)).await.map(drop)
    }

    async fn post(&self, call: &Call, queue: &QueueRef, post: Post) -> Result<Posted> {
        post::check(&post)?;
        answered!(self.shared.ask(call, queue, Ask::Post(post)).await?, Posted)
    }

    async fn posted(&self, call: &Call, queue: &QueueRef, key: Key) -> Result<Option<Posted>> {
        self.read(call, self.shared.posted(queue, &key)).await
    }

    async fn list(&self, call: &Call, queue: &QueueRef, list: List) -> Result<Batch> {
        self.read(call, self.shared.list(call, queue, &list)).await
    }

    async fn get(&self, call: &Call, queue: &QueueRef, places: Vec<Place>) -> Result<Batch> {
        self.read(call, self.shared.get(queue, &places)).await
    }

    async fn delete(&self, call: &Call, queue: &QueueRef, delete: Delete) -> Result<Deleted> {
        delete::check(&delete)?;
        answered!(self.shared.ask(call, queue, Ask::Delete(delete)).await?, Deleted)
    }

    async fn pop(&self, call: &Call, queue: &QueueRef, limit: u32) -> Result<Batch> {
        at_least_one(limit)?;
        answered!(self.shared.ask(call, queue, Ask::Pop(limit.min(MAX_BATCH))).await?, Popped)
    }

    async fn claim(&self, call: &Call, queue: &QueueRef, claim: NewClaim) -> Result<Claimed> {
        at_least_one(claim.limit)?;
        let claim = NewClaim { limit: claim.limit.min(MAX_BATCH), ..claim };
        answered!(self.shared.ask(call, queue, Ask::Claim(claim)).await?, Claimed)
    }

    async fn claim_get(&self, call: &Call, queue: &QueueRef, id: ClaimId) -> Result<Option<Claim>> {
        self.read(call, self.shared.claim_get(queue, id)).await
    }

    async fn claim_renew(&self, call: &Call, queue: &QueueRef, id: ClaimId, renewal: Renewal) -> Result<bool> {
        answered!(self.shared.ask(call, queue, Ask::Renew(id, renewal)).await?, Renewed)
    }

    async fn claim_release(&self, call: &Call, queue: &QueueRef, id: ClaimId, release: Release) -> Result<()> {
        self.shared.ask(call, queue, Ask::Release(id, release)).await.map(drop)
    }

    async fn stats(&self, call: &Call, queue: &QueueRef) -> Result<Stats> {
        self.read(call, self.shared.stats(call, queue)).await
    }

    async fn purge(&self, call: &Call, queue: &QueueRef, budget: Budget) -> Result<Progress> {
        answered!(self.shared.ask(call, queue, Ask::Purge(budget)).await?, Progress)
    }

    async fn drop_queue(&self, call: &Call, queue: &QueueRef, budget: Budget) -> Result<Progress> {
        answered!(self.shared.ask(call, queue, Ask::Drop(budget)).await?, Progress)
    }

    async fn sweep(&self, call: &Call, budget: Budget) -> Result<Swept> {
        self.shared.sweep(call, budget).await
    }

    async fn due(&self, call: &Call, lane: Lane, after: Option<QueueId>, limit: u32) -> Result<Vec<KnownQueue>> {
        self.shared.due(call, lane, after, limit).await
    }

    async fn lane_lease(&self, call: &Call, queue: &QueueRef, lease: Lease) -> Result<Option<Leased>> {
        answered!(self.shared.ask(call, queue, Ask::Lease(lease)).await?, Leased)
    }

    async fn watch(&self, call: &Call, change: WatchChange) -> Result<()> {
        self.watch.change(call, &change).await
    }

    async fn hints(&self, _call: &Call) -> Result<Hints> {
        Ok(self.watch.hints().await)
    }

    async fn queues(&self, call: &Call, after: Option<QueueId>, limit: u32) -> Result<Vec<KnownQueue>> {
        self.shared.queues(call, after, limit).await
    }

    async fn export(&self, call: &Call, queue: &QueueRef, from: Cursor) -> Result<Export> {
        self.read(call, self.shared.export(call, queue, &from)).await
    }

    async fn import(&self, call: &Call, queue: &QueueRef, page: Export) -> Result<()> {
        self.shared.ask(call, queue, Ask::Import(page)).await.map(drop)
    }

    async fn health(&self, call: &Call) -> Result<Health> {
        self.shared.probe(call).await?;
        Ok(Health { warnings: self.shared.server.warnings().await, ..Health::default() })
    }

    async fn usage(&self, call: &Call) -> Result<Usage> {
        self.shared.usage(call).await
    }

    async fn shutdown(&self) {
        self.watch.close();
        self.shared.server.close().await;
    }
}

fn at_least_one(limit: u32) -> Result<()> {
    if limit == 0 { Err(Error::invalid("the limit must be at least 1")) } else { Ok(()) }
}
