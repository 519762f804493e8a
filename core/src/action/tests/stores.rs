//! A pool that remembers just enough for an action, and nothing beyond a test.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sukkal_plugin_sdk::{
    Batch, Budget, Bytes, Call, Capabilities, Claim, ClaimId, Claimed, Cursor, Delete, Deleted, Error, ErrorKind,
    Export, Extensions, Guard, Header, Health, Key, KnownQueue, Lane, List, Message, NewClaim, Place, Pool, Post,
    Posted, Progress, QueueId, QueueRef, Refused, Release, Renewal, Result, Stats, Swept,
};

use tokio::sync::Notify;

use super::records::NOW;

#[derive(Default)]
pub(super) struct Messages {
    queues: Mutex<BTreeMap<QueueId, Queue>>,
    stated: Capabilities,
    /// Which store it says to be.
    store: Option<Bytes>,
    headers: Headers,
}

/// What a test does to the next headers, and what it sees of them.
#[derive(Clone, Default)]
pub(super) struct Headers(Arc<Mutex<HeadersState>>);

#[derive(Default)]
struct HeadersState {
    next: VecDeque<Next>,
    rules: BTreeMap<Bytes, QueueId>,
    claims_hang: bool,
    /// Of so many claims that get something nobody knows what came of them.
    claims_lost: u32,
    claims: usize,
    release_hangs: bool,
    release_fails: bool,
    releases: usize,
    /// How many queues were to be dropped since that fails; none: it does not.
    failed_drops: Option<usize>,
    /// Once the next queue is dropped nobody learns it until this is told.
    drop_held: Option<Arc<Notify>>,
    /// How many queues there are.
    queues: usize,
}

/// What becomes of a header.
pub(super) enum Next {
    Taken,
    Refused,
    /// It is on its way until this is told.
    Held(Arc<Notify>),
}

impl Headers {
    /// What becomes of the next headers, in their order.
    pub(super) fn expect(&self, next: impl IntoIterator<Item = Next>) {
        lock(&self.0).next.extend(next);
    }

    /// Whether all that was expected has come.
    pub(super) fn have_come(&self) -> bool {
        lock(&self.0).next.is_empty()
    }

    /// Whether the pool makes claims, and never says so.
    pub(super) fn hang_claims(&self, hang: bool) {
        lock(&self.0).claims_hang = hang;
    }

    /// The pool makes the next claim that gets something, and nobody learns it.
    pub(super) fn lose_claim(&self) {
        lock(&self.0).claims_lost += 1;
    }

    /// How many claims were asked for.
    pub(super) fn claims(&self) -> usize {
        lock(&self.0).claims
    }

    /// The pool takes the next release, and never says so.
    pub(super) fn hang_release(&self) {
        lock(&self.0).release_hangs = true;
    }

    /// The pool does not answer the next release.
    pub(super) fn fail_release(&self) {
        lock(&self.0).release_fails = true;
    }

    /// The pool drops no queue any more.
    pub(super) fn fail_drops(&self) {
        lock(&self.0).failed_drops = Some(0);
    }

    /// It does so again.
    pub(super) fn mend_drops(&self) {
        lock(&self.0).failed_drops = None;
    }

    /// Once the next queue is dropped nobody learns it until this is told.
    pub(super) fn hold_drop(&self, until: Arc<Notify>) {
        lock(&self.0).drop_held = Some(until);
    }

    /// How many queues the pool knows.
    pub(super) fn queues(&self) -> usize {
        lock(&self.0).queues
    }

    /// How many it was to drop since.
    pub(super) fn failed_drops(&self) -> usize {
        lock(&self.0).failed_drops.unwrap_or(0)
    }

    /// How many claims were released.
    pub(super) fn releases(&self) -> usize {
        lock(&self.0).releases
    }

    /// The dead letter queues that headers name at last, where any is.
    pub(super) fn dead_letter_queues(&self) -> Vec<QueueId> {
        lock(&self.0).rules.values().copied().collect()
    }
}

#[derive(Default)]
struct Queue {
    header: Header,
    messages: BTreeMap<Place, Message>,
    last: u64,
    keys: BTreeMap<Bytes, Vec<Place>>,
}

impl Messages {
    /// One whose headers a test has in its hand.
    pub(super) fn with(headers: Headers) -> Self {
        Messages { headers, ..Messages::default() }
    }

    /// One that states this of itself.
    pub(super) fn stating(self, stated: Capabilities) -> Self {
        Messages { stated, ..self }
    }

    /// One that says which store it is.
    pub(super) fn saying(self, store: Option<Bytes>) -> Self {
        Messages { store, ..self }
    }

    fn on<T>(&self, queue: &QueueRef, operation: impl FnOnce(&mut Queue) -> T) -> Result<T> {
        let mut queues = lock(&self.queues);
        match queues.get_mut(&queue.id()).filter(|queue| !queue.header.dropping) {
            None => Err(Error::new(ErrorKind::Gone, "no such queue")),
            Some(known) if queue.epoch() < known.header.epoch => Err(Error::new(ErrorKind::Stale, "an old record")),
            Some(known) if queue.epoch() > known.header.epoch => Err(Error::new(ErrorKind::Gone, "a newer record")),
            Some(known) => Ok(operation(known)),
        }
    }
}

fn batch(messages: impl Iterator<Item = Message>) -> Batch {
    Batch { now: NOW, messages: messages.collect(), ..Batch::default() }
}

impl Pool for Messages {
    fn capabilities(&self) -> Capabilities {
        self.stated.clone()
    }

    async fn configure(&self, _call: &Call, queue: &QueueRef, header: Header) -> Result<()> {
        let next = lock(&self.headers.0).next.pop_front();
        match next {
            None | Some(Next::Taken) => {}
            Some(Next::Refused) => return Err(Error::unavailable("the pool does not answer")),
            Some(Next::Held(until)) => until.notified().await,
        }
        if let Some(rule) = &header.dead_letter {
            lock(&self.headers.0).rules.insert(header.label.clone(), rule.queue.id());
        }
        let mut queues = lock(&self.queues);
        let known = queues.entry(queue.id()).or_default();
        if header.epoch < known.header.epoch {
            return Err(Error::new(ErrorKind::Stale, "an old record"));
        }
        known.header = header;
        lock(&self.headers.0).queues = queues.len();
        Ok(())
    }

    async fn post(&self, _call: &Call, queue: &QueueRef, post: Post) -> Result<Posted> {
        self.on(queue, |queue| {
            if let Some(places) = post.key.as_ref().and_then(|key| queue.keys.get(&key.key)) {
                return Posted { places: places.clone(), repeated: true, ..Posted::default() };
            }
            let mut places = Vec::new();
            for new in post.messages {
                queue.last += 1;
                let place = Place(queue.last);
                let message = Message {
                    place,
                    lane: Lane::Main,
                    body: new.body,
                    client: post.client.clone(),
                    posted: NOW,
                    ttl: new.ttl,
                    expires: NOW.after(new.ttl),
                    due: NOW.after(new.delay),
                    claim: None,
                    claimed_until: NOW,
                    claims: 0,
                    origin: None,
                    extensions: new.extensions,
                };
                queue.messages.insert(place, message);
                places.push(place);
            }
            if let Some(key) = post.key {
                queue.keys.insert(key.key, places.clone());
            }
            Posted { places, ..Posted::default() }
        })
    }

    async fn posted(&self, _call: &Call, queue: &QueueRef, key: Key) -> Result<Option<Posted>> {
        let queues = lock(&self.queues);
        let known = queues.get(&queue.id()).ok_or_else(|| Error::new(ErrorKind::Gone, "no such queue"))?;
        if queue.epoch() > known.header.epoch {
            return Err(Error::new(ErrorKind::Gone, "a newer record"));
        }
        let places = known.keys.get(&key.key).cloned();
        Ok(places.map(|places| Posted { places, repeated: true, ..Posted::default() }))
    }

    async fn list(&self, _call: &Call, queue: &QueueRef, list: List) -> Result<Batch> {
        self.on(queue, |queue| {
            let wanted = queue.messages.values().filter(|message| {
                list.after.is_none_or(|after| message.place > after)
                    && (list.claimed || message.claim.is_none())
                    && list.not_from.as_ref().is_none_or(|client| message.client != *client)
            });
            batch(wanted.take(list.limit as usize).cloned())
        })
    }

    async fn get(&self, _call: &Call, queue: &QueueRef, places: Vec<Place>) -> Result<Batch> {
        self.on(queue, |queue| batch(places.iter().filter_map(|place| queue.messages.get(place)).cloned()))
    }

    async fn delete(&self, _call: &Call, queue: &QueueRef, delete: Delete) -> Result<Deleted> {
        self.on(queue, |queue| {
            let claims: Vec<_> = delete.places.iter().filter_map(|place| queue.messages.get(place)?.claim).collect();
            let refused = match delete.guard {
                Guard::Unclaimed if !claims.is_empty() => Some(Refused::Claimed),
                Guard::Claim(id) if claims.iter().any(|claim| *claim != id) => Some(Refused::ClaimGone),
                _ => None,
            };
            if refused.is_none() {
                delete.places.iter().for_each(|place| drop(queue.messages.remove(place)));
            }
            Deleted { refused, ..Deleted::default() }
        })
    }

    async fn pop(&self, _call: &Call, queue: &QueueRef, limit: u32) -> Result<Batch> {
        self.on(queue, |queue| {
            let free = queue.messages.values().filter(|message| message.claim.is_none());
            let places: Vec<Place> = free.map(|message| message.place).take(limit as usize).collect();
            batch(places.iter().filter_map(|place| queue.messages.remove(place)))
        })
    }

    async fn claim(&self, _call: &Call, queue: &QueueRef, claim: NewClaim) -> Result<Claimed> {
        let claimed = self.on(queue, |queue| {
            let free = queue.messages.values_mut().filter(|message| message.claim.is_none());
            let held = free.take(claim.limit as usize).map(|message| {
                message.claim = Some(claim.id);
                message.claims += u32::from(!claim.uncounted);
                message.clone()
            });
            Claimed { batch: batch(held), ..Claimed::default() }
        });
        if lock(&self.headers.0).claims_hang {
            std::future::pending::<()>().await;
        }
        let mut state = lock(&self.headers.0);
        state.claims += 1;
        if state.claims_lost > 0 && claimed.as_ref().is_ok_and(|claimed| !claimed.batch.messages.is_empty()) {
            state.claims_lost -= 1;
            // Of a kind that is not tried again for seconds.
            return Err(Error::new(ErrorKind::Full, "the connection broke").unknown());
        }
        claimed
    }

    async fn claim_get(&self, _call: &Call, queue: &QueueRef, id: ClaimId) -> Result<Option<Claim>> {
        self.on(queue, |queue| {
            let held = queue.messages.values().filter(|message| message.claim == Some(id));
            let messages: Vec<Message> = held.cloned().collect();
            let ttl = std::time::Duration::from_secs(60);
            let claim = Claim { id, renewed: NOW, ttl, now: NOW, messages, extensions: Extensions::new() };
            Some(claim).filter(|claim| !claim.messages.is_empty())
        })
    }

    async fn claim_renew(&self, _call: &Call, queue: &QueueRef, id: ClaimId, _renewal: Renewal) -> Result<bool> {
        self.on(queue, |queue| queue.messages.values().any(|message| message.claim == Some(id)))
    }

    async fn claim_release(&self, _call: &Call, queue: &QueueRef, id: ClaimId, release: Release) -> Result<()> {
        if std::mem::take(&mut lock(&self.headers.0).release_hangs) {
            std::future::pending::<()>().await;
        }
        if std::mem::take(&mut lock(&self.headers.0).release_fails) {
            return Err(Error::unavailable("the pool does not answer"));
        }
        lock(&self.headers.0).releases += 1;
        self.on(queue, |queue| {
            for message in queue.messages.values_mut().filter(|message| message.claim == Some(id)) {
                message.claim = None;
                message.claims -= message.claims.min(u32::from(release.uncounted));
            }
        })
    }

    async fn stats(&self, _call: &Call, queue: &QueueRef) -> Result<Stats> {
        self.on(queue, |queue| Stats { free: queue.messages.len() as u64, now: NOW, ..Stats::default() })
    }

    async fn purge(&self, _call: &Call, queue: &QueueRef, _budget: Budget) -> Result<Progress> {
        self.on(queue, |queue| {
            queue.messages.pop_first();
            Progress { done: queue.messages.is_empty(), count: 1 }
        })
    }

    async fn drop_queue(&self, _call: &Call, queue: &QueueRef, _budget: Budget) -> Result<Progress> {
        if let Some(failed) = &mut lock(&self.headers.0).failed_drops {
            *failed += 1;
            return Err(Error::internal("it is out of order"));
        }
        let held = {
            let (mut queues, mut headers) = (lock(&self.queues), lock(&self.headers.0));
            queues.retain(|id, known| *id != queue.id() || known.header.epoch > queue.epoch());
            headers.queues = queues.len();
            headers.drop_held.take()
        };
        if let Some(until) = held {
            until.notified().await;
        }
        Ok(Progress { done: true, count: 0 })
    }

    async fn sweep(&self, _call: &Call, _budget: Budget) -> Result<Swept> {
        Ok(Swept::default())
    }

    async fn export(&self, _call: &Call, queue: &QueueRef, _from: Cursor) -> Result<Export> {
        self.on(queue, |queue| {
            let messages = queue.messages.values().cloned().collect();
            Export { messages, next_place: Place(queue.last + 1), ..Export::default() }
        })
    }

    async fn import(&self, _call: &Call, queue: &QueueRef, page: Export) -> Result<()> {
        self.on(queue, |queue| queue.last = queue.last.max(page.next_place.0.saturating_sub(1)))
    }

    async fn queues(&self, _call: &Call, _after: Option<QueueId>, _limit: u32) -> Result<Vec<KnownQueue>> {
        Ok(Vec::new())
    }

    async fn health(&self, _call: &Call) -> Result<Health> {
        let health = Health::default();
        Ok(match &self.store {
            Some(store) => health.of_store(store.clone()),
            None => health,
        })
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
