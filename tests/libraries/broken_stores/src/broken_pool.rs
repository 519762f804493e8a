//! The pool: each method is SQLite's, or goes by the file that breaks it.

use std::path::PathBuf;
use std::time::Duration;

use sukkal_plugin_sdk::{
    Batch, Budget, Bytes, Call, Capabilities, Claim, ClaimId, Claimed, Cursor, Delete, Deleted, Export, Header, Health,
    Hints, Key, KnownQueue, Lane, Lease, Leased, List, NewClaim, Open, Place, Pool, Post, Posted, Progress, QueueId,
    QueueRef, Release, Renewal, RequestId, Result, Stats, Swept, Usage, WatchChange,
};

use crate::breaking::{self, Breaking};
use crate::sqlite::pool;
use crate::state::State;
use crate::{claim, delete, post, read, scan, steps};

/// A pool that breaks one promise.
pub struct BrokenPool {
    case: String,
    /// What keeps them all.
    pub inner: pool::Pool,
    /// What it remembers to be wrong about it.
    pub state: State,
    /// The file that tells that it was closed, and not killed.
    orderly: PathBuf,
}

impl BrokenPool {
    /// Opens it.
    pub async fn open(open: Open<Breaking>) -> Result<BrokenPool> {
        let inner = pool::Pool::open(breaking::sound(&open)).await?;
        let orderly = open.host.data_dir().join("orderly");
        let killed = std::fs::remove_file(&orderly).is_err();
        if killed && matches!(open.settings.case.as_str(), "pool.crash.acknowledged" | "pool.history.over_kills") {
            let call = Call::new(RequestId(0), "", open.host.now().after(Duration::from_secs(60)));
            steps::forget_the_last(&inner, &call).await?;
        }
        Ok(BrokenPool { case: open.settings.case, inner, state: State::default(), orderly })
    }

    /// The case that must fail.
    pub fn case(&self) -> &str {
        &self.case
    }

    fn meant(&self, queue: &QueueRef) -> QueueRef {
        self.state.meant(&self.case, queue)
    }
}

impl Pool for BrokenPool {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn place(&self, queue: QueueId, beside: Option<QueueRef>) -> Bytes {
        self.inner.place(queue, beside)
    }

    async fn configure(&self, call: &Call, queue: &QueueRef, header: Header) -> Result<()> {
        post::configure(self, call, queue, header).await
    }

    async fn post(&self, call: &Call, queue: &QueueRef, post: Post) -> Result<Posted> {
        post::post(self, call, &self.meant(queue), post).await
    }

    async fn posted(&self, call: &Call, queue: &QueueRef, key: Key) -> Result<Option<Posted>> {
        if matches!(self.case(), "pool.key.looked_up" | "pool.key.dropping") {
            return Ok(None);
        }
        self.inner.posted(call, queue, key).await
    }

    async fn list(&self, call: &Call, queue: &QueueRef, list: List) -> Result<Batch> {
        scan::look_at_all(self, call, queue).await?;
        read::list(self, call, &self.meant(queue), list).await
    }

    async fn get(&self, call: &Call, queue: &QueueRef, places: Vec<Place>) -> Result<Batch> {
        read::get(self, call, &self.meant(queue), places).await
    }

    async fn delete(&self, call: &Call, queue: &QueueRef, delete: Delete) -> Result<Deleted> {
        delete::delete(self, call, &self.meant(queue), delete).await
    }

    async fn pop(&self, call: &Call, queue: &QueueRef, limit: u32) -> Result<Batch> {
        claim::pop(self, call, &self.meant(queue), limit).await
    }

    async fn claim(&self, call: &Call, queue: &QueueRef, claim: NewClaim) -> Result<Claimed> {
        scan::look_at_all(self, call, queue).await?;
        claim::claim(self, call, &self.meant(queue), claim).await
    }

    async fn claim_get(&self, call: &Call, queue: &QueueRef, id: ClaimId) -> Result<Option<Claim>> {
        claim::get(self, call, &self.meant(queue), id).await
    }

    async fn claim_renew(&self, call: &Call, queue: &QueueRef, id: ClaimId, renewal: Renewal) -> Result<bool> {
        claim::renew(self, call, &self.meant(queue), id, renewal).await
    }

    async fn claim_release(&self, call: &Call, queue: &QueueRef, id: ClaimId, release: Release) -> Result<()> {
        claim::release(self, call, &self.meant(queue), id, release).await
    }

    async fn stats(&self, call: &Call, queue: &QueueRef) -> Result<Stats> {
        read::stats(self, call, &self.meant(queue)).await
    }

    async fn purge(&self, call: &Call, queue: &QueueRef, budget: Budget) -> Result<Progress> {
        steps::purge(self, call, &self.meant(queue), budget).await
    }

    async fn drop_queue(&self, call: &Call, queue: &QueueRef, budget: Budget) -> Result<Progress> {
        steps::drop_queue(self, call, queue, budget).await
    }

    async fn sweep(&self, call: &Call, budget: Budget) -> Result<Swept> {
        steps::sweep(self, call, budget).await
    }

    async fn due(&self, call: &Call, lane: Lane, after: Option<QueueId>, limit: u32) -> Result<Vec<KnownQueue>> {
        if self.case == "pool.lane.due" {
            return Ok(Vec::new());
        }
        self.inner.due(call, lane, after, limit).await
    }

    async fn lane_lease(&self, call: &Call, queue: &QueueRef, lease: Lease) -> Result<Option<Leased>> {
        post::lease(self, call, queue, lease).await
    }

    async fn watch(&self, call: &Call, change: WatchChange) -> Result<()> {
        // A queue that nobody watches gives no hints.
        if self.case.starts_with("pool.watch.") { Ok(()) } else { self.inner.watch(call, change).await }
    }

    async fn hints(&self, call: &Call) -> Result<Hints> {
        self.inner.hints(call).await
    }

    async fn queues(&self, call: &Call, after: Option<QueueId>, limit: u32) -> Result<Vec<KnownQueue>> {
        steps::queues(self, call, after, limit).await
    }

    async fn export(&self, call: &Call, queue: &QueueRef, from: Cursor) -> Result<Export> {
        steps::export(self, call, queue, from).await
    }

    async fn import(&self, call: &Call, queue: &QueueRef, page: Export) -> Result<()> {
        steps::import(self, call, queue, page).await
    }

    async fn health(&self, call: &Call) -> Result<Health> {
        self.inner.health(call).await
    }

    async fn usage(&self, call: &Call) -> Result<Usage> {
        steps::usage(self, call).await
    }

    async fn shutdown(&self) {
        self.inner.shutdown().await;
        // Without it the next opening takes this for a kill.
        let _ = std::fs::write(&self.orderly, "");
    }
}
