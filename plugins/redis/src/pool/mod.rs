//! The pool: what each method is, file by file.
//!
//! | file | subject |
//! |---|---|
//! | `shared`, `tags` | what all calls share; which placements are in use |
//! | `post`, `claim`, `delete`, `lane` | what clients and hosts ask for |
//! | `list`, `stats` | reads |
//! | `sweep`, `known` | what happens by itself as time passes; queues of all placements |
//! | `watch` | who waits for something to become available |
//! | `export` | a whole queue, page by page |
//!
//! What each does to the data is in its script, under `scripts/`.

mod claim;
mod delete;
mod export;
mod known;
mod lane;
mod list;
mod post;
mod shared;
mod stats;
mod sweep;
mod tags;
mod watch;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sukkal_plugin_sdk::{
    Batch, Budget, Bytes, Call, Capabilities, Claim, ClaimId, Claimed, Cursor, Delete, Deleted, ErrorKind, Export,
    Header, Health, Hints, Key, KnownQueue, Lane, Lease, Leased, List, NewClaim, Open, Place, Post, Posted, Progress,
    QueueId, QueueRef, Release, Renewal, RequestId, Result, Stats, Swept, Usage, WatchChange, tracing,
};

use self::shared::Shared;
use self::watch::Watch;
use crate::error;
use crate::keys::Tag;
use crate::server::{Report, Server};
use crate::settings::Settings;
use crate::uri;

/// The most messages of one post: they are stored by one script, for which others wait.
pub const MAX_BATCH: u32 = 1_000;

/// A pool in Redis.
pub struct Pool {
    shared: Arc<Shared>,
    watch: Arc<Watch>,
    /// How the servers were found to be set when they were asked last.
    report: Mutex<Report>,
}

impl Pool {
    /// Connects to the servers of a URI.
    ///
    /// # Errors
    /// `Invalid`: the URI, the settings or the servers are wrong. `Unavailable`: nothing answers.
    pub async fn open(open: Open<Settings>) -> Result<Pool> {
        let mut settings = open.settings;
        let servers = uri::parse(&open.uri, &mut settings)?;
        settings.check()?;
        let server = Server::open(open.host.clone(), servers, &settings).await?;
        let deadline = open.host.now().after(settings.connect_timeout() + settings.timeout());
        let report = server.report(&Call::new(RequestId(0), "", deadline)).await?;
        for warning in report.warnings() {
            tracing::warn!("{warning}");
        }
        let shared = Arc::new(Shared::new(server, &settings));
        Ok(Pool { watch: Watch::new(shared.clone()), shared, report: Mutex::new(report) })
    }

    fn report(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.watch.close();
    }
}

impl sukkal_plugin_sdk::Pool for Pool {
    fn capabilities(&self) -> Capabilities {
        let report = self.report();
        Capabilities {
            durability: report.is_durable(),
            at_least_once: report.keeps_all(),
            remote: true,
            max_batch: Some(MAX_BATCH),
            ..Capabilities::default()
        }
    }

    fn place(&self, queue: QueueId, beside: Option<QueueRef>) -> Bytes {
        match beside {
            Some(beside) => Bytes::copy_from_slice(beside.placement()),
            // On one server everything is within reach of a script, and one index of what is due will do.
            None if !self.shared.server.connector().is_cluster() => Tag::FIRST.token(),
            None => Tag::of_new(queue).token(),
        }
    }

    async fn configure(&self, call: &Call, queue: &QueueRef, header: Header) -> Result<()> {
        self.shared.configure(call, queue, &header).await
    }

    async fn post(&self, call: &Call, queue: &QueueRef, post: Post) -> Result<Posted> {
        self.shared.post(call, queue, post).await
    }

    async fn posted(&self, call: &Call, queue: &QueueRef, key: Key) -> Result<Option<Posted>> {
        self.shared.posted(call, queue, &key).await
    }

    async fn list(&self, call: &Call, queue: &QueueRef, list: List) -> Result<Batch> {
        self.shared.list(call, queue, &list).await
    }

    async fn get(&self, call: &Call, queue: &QueueRef, places: Vec<Place>) -> Result<Batch> {
        self.shared.get(call, queue, &places).await
    }

    async fn delete(&self, call: &Call, queue: &QueueRef, delete: Delete) -> Result<Deleted> {
        self.shared.delete(call, queue, &delete).await
    }

    async fn pop(&self, call: &Call, queue: &QueueRef, limit: u32) -> Result<Batch> {
        self.shared.pop(call, queue, limit).await
    }

    async fn claim(&self, call: &Call, queue: &QueueRef, claim: NewClaim) -> Result<Claimed> {
        self.shared.claim(call, queue, &claim).await
    }

    async fn claim_get(&self, call: &Call, queue: &QueueRef, id: ClaimId) -> Result<Option<Claim>> {
        self.shared.claim_get(call, queue, id).await
    }

    async fn claim_renew(&self, call: &Call, queue: &QueueRef, id: ClaimId, renewal: Renewal) -> Result<bool> {
        self.shared.renew(call, queue, id, &renewal).await
    }

    async fn claim_release(&self, call: &Call, queue: &QueueRef, id: ClaimId, release: Release) -> Result<()> {
        self.shared.release(call, queue, id, &release).await
    }

    async fn stats(&self, call: &Call, queue: &QueueRef) -> Result<Stats> {
        self.shared.stats(call, queue).await
    }

    async fn purge(&self, call: &Call, queue: &QueueRef, budget: Budget) -> Result<Progress> {
        self.shared.purge(call, queue, budget).await
    }

    async fn drop_queue(&self, call: &Call, queue: &QueueRef, budget: Budget) -> Result<Progress> {
        self.shared.drop_queue(call, queue, budget).await
    }

    async fn sweep(&self, call: &Call, budget: Budget) -> Result<Swept> {
        self.shared.sweep(call, budget).await
    }

    async fn due(&self, call: &Call, lane: Lane, after: Option<QueueId>, limit: u32) -> Result<Vec<KnownQueue>> {
        self.shared.due(call, lane, after, limit).await
    }

    async fn lane_lease(&self, call: &Call, queue: &QueueRef, lease: Lease) -> Result<Option<Leased>> {
        self.shared.lease(call, queue, &lease).await
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
        self.shared.export(call, queue, &from).await
    }

    async fn import(&self, call: &Call, queue: &QueueRef, page: Export) -> Result<()> {
        self.shared.import(call, queue, page).await
    }

    async fn health(&self, call: &Call) -> Result<Health> {
        let trouble = match self.shared.probe(call).await {
            Err(error) if error.kind != ErrorKind::Full && !error::is_cluster_down(&error) => return Err(error),
            // When it is full, all but posts goes on.
            probed => probed.err(),
        };
        let id = self.shared.id(call).await?;
        let report = self.shared.server.report(call).await?;
        // A node that takes in a slot whose move broke off serves nothing until that is mended, and the operator is to
        // be told what to do.
        let trouble = match trouble {
            Some(error) if error.kind != ErrorKind::Full && report.half_moved.is_empty() => return Err(error),
            trouble => trouble.map(|error| error.message),
        };
        let warnings = report.warnings().into_iter().chain(trouble).collect();
        // A failover may have led to a server that is set in another way.
        *self.report() = report;
        let health = Health { warnings, ..Health::default() };
        Ok(match id {
            Some(id) => health.of_store(id),
            None => health,
        })
    }

    async fn usage(&self, call: &Call) -> Result<Usage> {
        self.shared.usage(call).await
    }

    async fn shutdown(&self) {
        self.watch.close();
    }
}
