//! A catalog and a pool that remember just enough for an action, and nothing beyond a test.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sukkal_plugin_sdk::{
    Batch, Budget, Bytes, Call, Capabilities, Catalog, Change, Claim, ClaimId, Claimed, Commit, Cursor, Delete,
    Deleted, Error, ErrorKind, Expect, Export, Extensions, Guard, Header, Health, Key, KnownQueue, Lane, List, Message,
    NewClaim, Place, Pool, Post, Posted, Progress, QueueId, QueueRef, Record, RecordKey, Refused, Release, Renewal,
    Result, Stats, Swept, Timestamp, Write, millis,
};

use tokio::sync::Notify;

/// The instant at which these stores' clocks stand at first.
const NOW: Timestamp = Timestamp(1_893_456_000_000);

/// A clock that goes when it is told to.
#[derive(Clone)]
pub(super) struct Time(Arc<AtomicI64>);

impl Time {
    pub(super) fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }

    pub(super) fn advance(&self, by: Duration) {
        self.0.fetch_add(millis(by), Ordering::Relaxed);
    }
}

impl Default for Time {
    fn default() -> Self {
        Time(Arc::new(AtomicI64::new(NOW.0)))
    }
}

/// What a catalog holds, and the last revision.
type Held = (BTreeMap<RecordKey, Record>, u64);

#[derive(Clone, Default)]
pub(super) struct Records {
    held: Arc<Mutex<Held>>,
    /// The clock by which records end.
    pub(super) time: Time,
}

impl Records {
    /// The names of the records of a kind that are alive.
    pub(super) fn names(&self, kind: &str) -> Vec<String> {
        let held = self.alive();
        held.0.keys().filter(|key| key.kind == kind).map(|key| key.name.clone()).collect()
    }

    /// What is there once the expired is gone.
    fn alive(&self) -> MutexGuard<'_, Held> {
        let mut held = lock(&self.held);
        let now = self.time.now();
        held.0.retain(|_, record| record.expires.is_none_or(|end| end > now));
        held
    }
}

impl Catalog for Records {
    async fn get(&self, _call: &Call, key: RecordKey) -> Result<Option<Record>> {
        Ok(self.alive().0.get(&key).cloned())
    }

    async fn list(
        &self,
        _call: &Call,
        kind: String,
        project: String,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<Record>> {
        let records = self.alive();
        let wanted = records.0.values().filter(|record| record.key.kind == kind && record.key.project == project);
        let beyond = wanted.filter(|record| after.as_ref().is_none_or(|after| record.key.name > *after));
        Ok(beyond.take(limit as usize).cloned().collect())
    }

    async fn count(&self, call: &Call, kind: String, project: String) -> Result<u64> {
        self.list(call, kind, project, None, u32::MAX).await.map(|records| records.len() as u64)
    }

    async fn commit(&self, _call: &Call, changes: Vec<Change>) -> Result<Commit> {
        let now = self.time.now();
        let (records, last) = &mut *self.alive();
        for (index, change) in (0..).zip(&changes) {
            let revision = records.get(&change.key).map(|record| record.revision);
            let holds = match change.expect {
                Expect::Any => true,
                Expect::Absent => revision.is_none(),
                Expect::Revision(expected) => revision == Some(expected),
            };
            if !holds {
                return Ok(Commit::Failed(index));
            }
        }
        let revisions = changes.into_iter().map(|Change { key, write, .. }| match write {
            Write::Put { value, expires_in, extensions } => {
                *last += 1;
                let expires = expires_in.map(|life| now.after(life));
                records.insert(key.clone(), Record { key, revision: *last, value, expires, extensions });
                *last
            }
            Write::Delete => {
                records.remove(&key);
                0
            }
            Write::Check => 0,
        });
        Ok(Commit::Done(revisions.collect()))
    }

    async fn sweep(&self, _call: &Call, _limit: u32) -> Result<bool> {
        Ok(false)
    }

    async fn health(&self, _call: &Call) -> Result<Health> {
        Ok(Health::default())
    }
}

#[derive(Default)]
pub(super) struct Messages {
    queues: Mutex<BTreeMap<QueueId, Queue>>,
    stated: Capabilities,
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
    releases: usize,
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
        lock(&self.queues).retain(|id, known| *id != queue.id() || known.header.epoch > queue.epoch());
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
        Ok(Health::default())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
