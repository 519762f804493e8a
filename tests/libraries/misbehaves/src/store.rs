//! The pool: the memory plugin's, behind a method that may misbehave first.

use sukkal_plugin_sdk::{
    Batch, Budget, Call, Capabilities, Claim, ClaimId, Claimed, Cursor, Delete, Deleted, Export, Header, Health, Hints,
    Key, KnownQueue, Lane, Lease, Leased, List, NewClaim, Open, Place, Pool, Post, Posted, Progress, QueueId, QueueRef,
    Release, Renewal, Result, Stats, Swept, Usage, WatchChange,
};

use crate::act::act;
use crate::behaviour::{Behaviour, Does};
use crate::memory::pool;
use crate::memory::settings::Settings;

/// A pool in memory.
pub struct Store {
    behaviour: Behaviour,
    inner: pool::Pool,
}

impl Store {
    /// Opens it, which misbehaves at `open`.
    pub async fn open(open: Open<Behaviour>) -> Result<Store> {
        act(open.settings.at("open")).await?;
        let inner = Open { uri: "memory:".to_owned(), settings: Settings::default(), host: open.host };
        Ok(Store { behaviour: open.settings, inner: pool::Pool::open(inner).await? })
    }

    async fn at(&self, method: &str) -> Result<()> {
        act(self.behaviour.at(method)).await
    }
}

impl Pool for Store {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn configure(&self, call: &Call, queue: &QueueRef, header: Header) -> Result<()> {
        self.at("configure").await?;
        self.inner.configure(call, queue, header).await
    }

    async fn post(&self, call: &Call, queue: &QueueRef, post: Post) -> Result<Posted> {
        self.at("post").await?;
        let mut posted = self.inner.post(call, queue, post).await?;
        if self.behaviour.at("post") == Does::OneMore {
            posted.places.extend(posted.places.first().copied());
        }
        Ok(posted)
    }

    async fn posted(&self, call: &Call, queue: &QueueRef, key: Key) -> Result<Option<Posted>> {
        self.at("posted").await?;
        self.inner.posted(call, queue, key).await
    }

    async fn list(&self, call: &Call, queue: &QueueRef, list: List) -> Result<Batch> {
        self.at("list").await?;
        self.inner.list(call, queue, list).await
    }

    async fn get(&self, call: &Call, queue: &QueueRef, places: Vec<Place>) -> Result<Batch> {
        self.at("get").await?;
        self.inner.get(call, queue, places).await
    }

    async fn delete(&self, call: &Call, queue: &QueueRef, delete: Delete) -> Result<Deleted> {
        self.at("delete").await?;
        self.inner.delete(call, queue, delete).await
    }

    async fn pop(&self, call: &Call, queue: &QueueRef, limit: u32) -> Result<Batch> {
        self.at("pop").await?;
        self.inner.pop(call, queue, limit).await
    }

    async fn claim(&self, call: &Call, queue: &QueueRef, claim: NewClaim) -> Result<Claimed> {
        self.at("claim").await?;
        self.inner.claim(call, queue, claim).await
    }

    async fn claim_get(&self, call: &Call, queue: &QueueRef, id: ClaimId) -> Result<Option<Claim>> {
        self.at("claim_get").await?;
        self.inner.claim_get(call, queue, id).await
    }

    async fn claim_renew(&self, call: &Call, queue: &QueueRef, id: ClaimId, renewal: Renewal) -> Result<bool> {
        self.at("claim_renew").await?;
        self.inner.claim_renew(call, queue, id, renewal).await
    }

    async fn claim_release(&self, call: &Call, queue: &QueueRef, id: ClaimId, release: Release) -> Result<()> {
        self.at("claim_release").await?;
        self.inner.claim_release(call, queue, id, release).await
    }

    async fn stats(&self, call: &Call, queue: &QueueRef) -> Result<Stats> {
        self.at("stats").await?;
        self.inner.stats(call, queue).await
    }

    async fn purge(&self, call: &Call, queue: &QueueRef, budget: Budget) -> Result<Progress> {
        self.at("purge").await?;
        self.inner.purge(call, queue, budget).await
    }

    async fn drop_queue(&self, call: &Call, queue: &QueueRef, budget: Budget) -> Result<Progress> {
        self.at("drop_queue").await?;
        self.inner.drop_queue(call, queue, budget).await
    }

    async fn sweep(&self, call: &Call, budget: Budget) -> Result<Swept> {
        self.at("sweep").await?;
        self.inner.sweep(call, budget).await
    }

    async fn due(&self, call: &Call, lane: Lane, after: Option<QueueId>, limit: u32) -> Result<Vec<KnownQueue>> {
        self.at("due").await?;
        self.inner.due(call, lane, after, limit).await
    }

    async fn lane_lease(&self, call: &Call, queue: &QueueRef, lease: Lease) -> Result<Option<Leased>> {
        self.at("lane_lease").await?;
        self.inner.lane_lease(call, queue, lease).await
    }

    async fn watch(&self, call: &Call, change: WatchChange) -> Result<()> {
        self.at("watch").await?;
        self.inner.watch(call, change).await
    }

    async fn hints(&self, call: &Call) -> Result<Hints> {
        self.at("hints").await?;
        self.inner.hints(call).await
    }

    async fn queues(&self, call: &Call, after: Option<QueueId>, limit: u32) -> Result<Vec<KnownQueue>> {
        self.at("queues").await?;
        self.inner.queues(call, after, limit).await
    }

    async fn export(&self, call: &Call, queue: &QueueRef, from: Cursor) -> Result<Export> {
        self.at("export").await?;
        self.inner.export(call, queue, from).await
    }

    async fn import(&self, call: &Call, queue: &QueueRef, page: Export) -> Result<()> {
        self.at("import").await?;
        self.inner.import(call, queue, page).await
    }

    async fn health(&self, call: &Call) -> Result<Health> {
        self.at("health").await?;
        self.inner.health(call).await
    }

    async fn usage(&self, call: &Call) -> Result<Usage> {
        self.at("usage").await?;
        self.inner.usage(call).await
    }

    async fn shutdown(&self) {
        tracing::info!("the pool is shut down");
        // Nobody hears of it but the log: shutting down cannot fail.
        if let Err(error) = self.at("shutdown").await {
            tracing::error!(%error, "shutting down failed");
        }
        self.inner.shutdown().await;
    }
}
