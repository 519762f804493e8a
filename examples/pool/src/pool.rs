//! The contract, method by method.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use sukkal_plugin_sdk::store::refusal;
use sukkal_plugin_sdk::tokio::task::yield_now;
use sukkal_plugin_sdk::{
    Batch, Budget, Call, Capabilities, Claim, ClaimId, Claimed, Cursor, Delete, Deleted, Export,
    Header, Health, Host, Key, KnownQueue, Lane, Lease, Leased, List, NewClaim, Open, Place, Pool,
    Post, Posted, Progress, QueueId, QueueRef, Release, Renewal, Result, Stats, Swept, Timestamp,
    Usage,
};

use crate::settings::Settings;
use crate::store::Store;
use crate::visit::Visit;

/// How many messages are settled under one lock: others wait meanwhile.
const STEP: usize = 500;

/// A pool in memory.
pub struct ExamplePool {
    host: Host,
    store: Mutex<Store>,
}

impl ExamplePool {
    /// Opens an empty pool: nothing outlives the one before.
    ///
    /// # Errors
    /// A bound out of range.
    pub async fn open(open: Open<Settings>) -> Result<Self> {
        let store = Store::new(open.settings.max_bytes()?);
        Ok(ExamplePool {
            host: open.host,
            store: Mutex::new(store),
        })
    }

    fn lock(&self) -> (MutexGuard<'_, Store>, Timestamp) {
        // Every change leaves the store whole, also one in which something panicked.
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        // Once it is locked: so time never runs backwards in it. No other clock than the host's is
        // asked, so that tests can advance it.
        let now = self.host.now();
        (store, now)
    }

    /// Does something in a queue once nothing in it is due any more. Each message is settled once,
    /// in bounded steps, by whoever comes first.
    async fn on<T>(
        &self,
        queue: &QueueRef,
        work: impl FnOnce(&mut Visit<'_>) -> Result<T>,
    ) -> Result<T> {
        self.checked(queue, |store| store.check(queue), work).await
    }

    /// The same, for callers of whom something else is asked than [`Store::check`] does.
    async fn checked<T>(
        &self,
        queue: &QueueRef,
        check: impl Fn(&Store) -> Result<()>,
        work: impl FnOnce(&mut Visit<'_>) -> Result<T>,
    ) -> Result<T> {
        loop {
            {
                let (mut store, now) = self.lock();
                check(&store)?;
                if store.settle(queue.id(), now, STEP, &mut Swept::default()) < STEP {
                    return store
                        .visit(queue.id(), now, work)
                        .unwrap_or_else(|| Err(refusal::gone()));
                }
            }
            yield_now().await;
        }
    }

    /// Settles what is due in any queue.
    async fn sweep_all(&self) {
        while self.sweep_step(STEP).more {
            yield_now().await;
        }
    }

    fn sweep_step(&self, limit: usize) -> Swept {
        let mut swept = Swept::default();
        let (mut store, now) = self.lock();
        store.sweep(now, limit, &mut swept);
        swept
    }
}

impl Pool for ExamplePool {
    fn capabilities(&self) -> Capabilities {
        // Honest, since the service and its users rely on it: an acknowledged message is lost when
        // the host ends.
        Capabilities {
            durability: false,
            ..Capabilities::default()
        }
    }

    async fn configure(&self, _call: &Call, queue: &QueueRef, header: Header) -> Result<()> {
        let (mut store, now) = self.lock();
        store.configure(queue, header, now)
    }

    async fn post(&self, _call: &Call, queue: &QueueRef, post: Post) -> Result<Posted> {
        self.on(queue, |visit| visit.post(post)).await
    }

    async fn posted(&self, _call: &Call, queue: &QueueRef, key: Key) -> Result<Option<Posted>> {
        // Its keys are told while it is being dropped, too: it may live on in another pool.
        let check = |store: &Store| match store.is_dropping(queue.id()) {
            true => Ok(()),
            false => store.check(queue),
        };
        self.checked(queue, check, |visit| visit.posted(&key)).await
    }

    async fn list(&self, _call: &Call, queue: &QueueRef, list: List) -> Result<Batch> {
        self.on(queue, |visit| visit.list(&list)).await
    }

    async fn get(&self, _call: &Call, queue: &QueueRef, places: Vec<Place>) -> Result<Batch> {
        self.on(queue, |visit| Ok(visit.get(&places))).await
    }

    async fn delete(&self, _call: &Call, queue: &QueueRef, delete: Delete) -> Result<Deleted> {
        self.on(queue, |visit| visit.delete(&delete)).await
    }

    async fn pop(&self, _call: &Call, queue: &QueueRef, limit: u32) -> Result<Batch> {
        self.on(queue, |visit| Ok(visit.pop(limit))).await
    }

    async fn claim(&self, _call: &Call, queue: &QueueRef, claim: NewClaim) -> Result<Claimed> {
        self.on(queue, |visit| Ok(visit.claim(claim))).await
    }

    async fn claim_get(
        &self,
        _call: &Call,
        queue: &QueueRef,
        id: ClaimId,
    ) -> Result<Option<Claim>> {
        self.on(queue, |visit| Ok(visit.claim_get(id))).await
    }

    async fn claim_renew(
        &self,
        _call: &Call,
        queue: &QueueRef,
        id: ClaimId,
        renewal: Renewal,
    ) -> Result<bool> {
        self.on(queue, |visit| Ok(visit.claim_renew(id, &renewal)))
            .await
    }

    async fn claim_release(
        &self,
        _call: &Call,
        queue: &QueueRef,
        id: ClaimId,
        release: Release,
    ) -> Result<()> {
        self.on(queue, |visit| {
            visit.claim_release(id, &release);
            Ok(())
        })
        .await
    }

    async fn stats(&self, _call: &Call, queue: &QueueRef) -> Result<Stats> {
        self.on(queue, |visit| Ok(visit.stats())).await
    }

    async fn purge(&self, _call: &Call, queue: &QueueRef, budget: Budget) -> Result<Progress> {
        self.on(queue, |visit| Ok(visit.purge(budget))).await
    }

    async fn drop_queue(&self, _call: &Call, queue: &QueueRef, budget: Budget) -> Result<Progress> {
        let (mut store, now) = self.lock();
        Ok(store.drop_queue(queue, budget, now))
    }

    async fn sweep(&self, _call: &Call, budget: Budget) -> Result<Swept> {
        let (start, mut left) = (Instant::now(), budget.items as usize);
        let mut swept = Swept::default();
        loop {
            let step = self.sweep_step(left.clamp(1, STEP));
            swept.more = step.more;
            swept.expired += step.expired;
            swept.freed += step.freed;
            swept.moved += step.moved;
            swept.stuck += step.stuck;
            left = left.saturating_sub(STEP);
            if !step.more || left == 0 || start.elapsed() >= budget.time {
                return Ok(swept);
            }
            yield_now().await;
        }
    }

    async fn due(
        &self,
        _call: &Call,
        lane: Lane,
        after: Option<QueueId>,
        limit: u32,
    ) -> Result<Vec<KnownQueue>> {
        self.sweep_all().await;
        Ok(self.lock().0.due(lane, after, limit as usize))
    }

    async fn lane_lease(
        &self,
        _call: &Call,
        queue: &QueueRef,
        lease: Lease,
    ) -> Result<Option<Leased>> {
        self.on(queue, |visit| visit.lease(&lease)).await
    }

    // `watch` and `hints` are the contract's own: the host looks at every watched queue four times a
    // second. A pool that says at once what has become available answers long polls at once.

    async fn queues(
        &self,
        _call: &Call,
        after: Option<QueueId>,
        limit: u32,
    ) -> Result<Vec<KnownQueue>> {
        Ok(self.lock().0.queues(after, limit as usize))
    }

    async fn export(&self, _call: &Call, queue: &QueueRef, from: Cursor) -> Result<Export> {
        self.on(queue, |visit| visit.export(&from)).await
    }

    async fn import(&self, _call: &Call, queue: &QueueRef, page: Export) -> Result<()> {
        self.on(queue, |visit| visit.import(page)).await
    }

    async fn health(&self, _call: &Call) -> Result<Health> {
        let warnings = vec!["messages are in memory: they end with the host".to_owned()];
        Ok(Health {
            warnings,
            ..Health::default()
        })
    }

    async fn usage(&self, _call: &Call) -> Result<Usage> {
        Ok(self.lock().0.usage())
    }
}
