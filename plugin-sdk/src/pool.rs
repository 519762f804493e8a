//! The contract of a message store.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;

use crate::{
    Batch, Call, Capabilities, Claim, ClaimId, Claimed, Deleted, Error, ErrorKind, Extensions, Guard, Header, Health,
    KnownQueue, Lane, Message, NewClaim, NewMessage, Place, QueueId, QueueRef, Release, Renewal, Result, Timestamp,
};

/// Where messages and claims live.
///
/// # Promises
///
/// 1. **Durable and whole.** `Ok` means stored with the durability that [`Pool::capabilities`]
///    states, all of a batch or none. An error says whether it may have taken effect.
/// 2. **Places.** The store gives a message its place when it commits: ascending within the queue
///    over all hosts, never reused. What becomes visible never has a place that a reader could
///    have passed; only delayed and claimed messages come back, in their old place.
/// 3. **Exclusive claims.** At most one live claim holds a message. Expired or released, its
///    messages are free at once, in their old place.
/// 4. **Expired is gone.** An expired message is never returned, counted or claimed; its space is
///    given back in bounded steps.
/// 5. **Dead letters.** A message whose last allowed claim has ended is neither claimed nor popped;
///    the next claim or [`Pool::sweep`] moves it, in one atomic step, also if its own end has come
///    by then (see [`DeadLetterRule`](crate::DeadLetterRule)).
/// 6. **Cost.** O(log n + k) amortised in the queue's depth and independent of the number of
///    queues: each message is settled (due, expired, freed) once, in bounded steps.
/// 7. **Hints.** [`Pool::hints`] may be spurious but never silently missing: register, then look.
/// 8. **Lanes.** Entries of `outbox` and `retry` are read and deleted under a lease with a fence,
///    on the store's clock; an older fence gets `Stale`.
///
/// Every call whose queue has an older epoch than the header gets `Stale`; one without a header
/// (or with one that is dropping) gets `Gone`, but for [`Pool::posted`]. Neither changes anything.
///
/// # Not promised
///
/// That a dropped future had no effect; an order between queues; an order among calls in flight.
pub trait Pool: Send + Sync + 'static {
    /// What the pool states of itself. Cheap, and constant but for durability and at-least-once: where these are a
    /// matter of the server's settings, they are stated as they were found at the last opening or [`Pool::health`].
    fn capabilities(&self) -> Capabilities;

    /// An opaque token for a queue that is about to be made; it goes into every later `QueueRef`.
    ///
    /// With `beside`, the queue must lie where an atomic move from that queue is possible.
    fn place(&self, queue: QueueId, beside: Option<QueueRef>) -> Bytes {
        let _ = queue;
        beside.map_or_else(Bytes::new, |queue| Bytes::copy_from_slice(queue.placement()))
    }

    /// Makes the header of a queue, or replaces it by one with the same or a higher epoch.
    ///
    /// # Errors
    /// `Stale`: the header there is newer.
    fn configure(&self, call: &Call, queue: &QueueRef, header: Header) -> impl Future<Output = Result<()>> + Send;

    /// Stores a batch: all of it, or nothing.
    ///
    /// Cost: O(k log n), k messages into a queue of n.
    ///
    /// # Errors
    /// `TooLarge`, `Full`: nothing is stored. `Conflict`: the key is there with another
    /// fingerprint. `Stale` also for an old fence.
    fn post(&self, call: &Call, queue: &QueueRef, post: Post) -> impl Future<Output = Result<Posted>> + Send;

    /// What a post under this key stored, if its window still runs.
    ///
    /// Also answered of a queue that is dropping, whatever the caller's epoch, until [`Pool::drop_queue`] has
    /// removed it: it may have moved to another pool, whose keys of before are looked up here. A pool that
    /// answers `Gone` there forgets them with the move.
    ///
    /// # Errors
    /// `Conflict`: the key is there with another fingerprint.
    fn posted(&self, call: &Call, queue: &QueueRef, key: Key) -> impl Future<Output = Result<Option<Posted>>> + Send;

    /// Reads on from a place, in queue order. Filters come before the limit: fewer than `limit`
    /// means that there are no more.
    fn list(&self, call: &Call, queue: &QueueRef, list: List) -> impl Future<Output = Result<Batch>> + Send;

    /// Reads messages of the main lane by place, in the order asked, each once, whatever their
    /// claim or delay. What is not there is left out.
    fn get(&self, call: &Call, queue: &QueueRef, places: Vec<Place>) -> impl Future<Output = Result<Batch>> + Send;

    /// Deletes messages by place. What is not there is no error.
    fn delete(&self, call: &Call, queue: &QueueRef, delete: Delete) -> impl Future<Output = Result<Deleted>> + Send;

    /// Takes the oldest available messages out of the queue in one step, without raising counts.
    fn pop(&self, call: &Call, queue: &QueueRef, limit: u32) -> impl Future<Output = Result<Batch>> + Send;

    /// Claims the oldest available messages, in one step.
    ///
    /// A live claim of this id is answered again as it is. The messages' `claims` include this one.
    fn claim(&self, call: &Call, queue: &QueueRef, claim: NewClaim) -> impl Future<Output = Result<Claimed>> + Send;

    /// Reads a live claim; `None` when there is none of this id in this queue.
    fn claim_get(
        &self,
        call: &Call,
        queue: &QueueRef,
        id: ClaimId,
    ) -> impl Future<Output = Result<Option<Claim>>> + Send;

    /// Renews a live claim; `false` when there is none of this id in this queue.
    fn claim_renew(
        &self,
        call: &Call,
        queue: &QueueRef,
        id: ClaimId,
        renewal: Renewal,
    ) -> impl Future<Output = Result<bool>> + Send;

    /// Ends a claim; its messages are free at once (or after the delay). No error when there is none.
    fn claim_release(
        &self,
        call: &Call,
        queue: &QueueRef,
        id: ClaimId,
        release: Release,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Counts a queue, without scanning it.
    fn stats(&self, call: &Call, queue: &QueueRef) -> impl Future<Output = Result<Stats>> + Send;

    /// Deletes all messages and claims of the main lane, in steps: called again until it is done.
    /// What is posted after the first step may be deleted as well.
    fn purge(&self, call: &Call, queue: &QueueRef, budget: Budget) -> impl Future<Output = Result<Progress>> + Send;

    /// Removes a queue whose header is dropping, with all lanes, in steps; last the header itself.
    /// Done at once where there is no header, or a newer one.
    fn drop_queue(
        &self,
        call: &Call,
        queue: &QueueRef,
        budget: Budget,
    ) -> impl Future<Output = Result<Progress>> + Send;

    /// Settles what has fallen due in any queue: expired messages and claims, dead letters, keys.
    /// Called every second or so by each host, again at once while there is more.
    fn sweep(&self, call: &Call, budget: Budget) -> impl Future<Output = Result<Swept>> + Send;

    /// Queues that have due entries in a lane, in an order of the pool's choice, `after` excluded.
    fn due(
        &self,
        call: &Call,
        lane: Lane,
        after: Option<QueueId>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<KnownQueue>>> + Send {
        let _ = (call, lane, after, limit);
        async { Err(unsupported("due")) }
    }

    /// Takes or renews the lease of a lane. `None`: somebody else holds it.
    fn lane_lease(
        &self,
        call: &Call,
        queue: &QueueRef,
        lease: Lease,
    ) -> impl Future<Output = Result<Option<Leased>>> + Send {
        let _ = (call, queue, lease);
        async { Err(unsupported("lane_lease")) }
    }

    /// Says for which queues [`Pool::hints`] is wanted. Counts from this call's return on; for a queue
    /// that the pool does not know yet, from when it does.
    fn watch(&self, call: &Call, change: WatchChange) -> impl Future<Output = Result<()>> + Send {
        let _ = (call, change);
        async { Ok(()) }
    }

    /// Waits until something may have become available in a watched queue: posted, released,
    /// expired or due; and once it is dropping. One caller a host. The default says `lost` every 250 ms.
    fn hints(&self, call: &Call) -> impl Future<Output = Result<Hints>> + Send {
        let _ = call;
        async {
            tokio::time::sleep(Duration::from_millis(250)).await;
            Ok(Hints { lost: true, ..Hints::default() })
        }
    }

    /// The queues that the pool has headers of, ordered by id, `after` excluded.
    fn queues(
        &self,
        call: &Call,
        after: Option<QueueId>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<KnownQueue>>> + Send;

    /// Everything of a queue, page by page, so that [`Pool::import`] makes the same queue elsewhere.
    fn export(&self, call: &Call, queue: &QueueRef, from: Cursor) -> impl Future<Output = Result<Export>> + Send {
        let _ = (call, queue, from);
        async { Err(unsupported("export")) }
    }

    /// Takes in one page of another pool's export, places and claims included. A page that is
    /// repeated changes nothing.
    fn import(&self, call: &Call, queue: &QueueRef, page: Export) -> impl Future<Output = Result<()>> + Send {
        let _ = (call, queue, page);
        async { Err(unsupported("import")) }
    }

    /// Whether the store answers and can write, and what its operator should be warned about.
    fn health(&self, call: &Call) -> impl Future<Output = Result<Health>> + Send;

    /// What the pool holds in all, for limits and metrics. Since SDK 1.1.
    fn usage(&self, call: &Call) -> impl Future<Output = Result<Usage>> + Send {
        let _ = call;
        async { Err(unsupported("usage")) }
    }

    /// The host is ending: called once, and awaited for a bounded time.
    fn shutdown(&self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

fn unsupported(method: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("this pool does not support {method}"))
}

/// What one post stores, in one step.
#[derive(Clone, Debug, Default)]
pub struct Post {
    /// Where to.
    pub lane: Lane,
    /// The client that posts.
    pub client: String,
    /// In order.
    pub messages: Vec<NewMessage>,
    /// True to store each to the outbox too, under the same place.
    pub outbox: bool,
    /// Makes the post safe to repeat.
    pub key: Option<Key>,
    /// Lane entries that this post replaces: they are deleted in the same step.
    pub settles: Vec<(Lane, Place)>,
    /// The lease under which `settles` are deleted; needed with them.
    pub fence: Option<u64>,
    /// See [`Extensions`].
    pub extensions: Extensions,
}

/// Makes a post safe to repeat: the same key within its window stores nothing again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Whose keys these are, for instance a client's or a host's.
    pub scope: String,
    /// The key within its scope.
    pub key: Bytes,
    /// Tells one post's content from another's; at most 64 bytes.
    pub fingerprint: Bytes,
    /// How long the key is remembered, from its first use.
    pub window: Duration,
}

/// What a post stored.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Posted {
    /// The places, in the order of the batch.
    pub places: Vec<Place>,
    /// True when the key was there: nothing was stored now, and the places are the first post's.
    pub repeated: bool,
    /// See [`Extensions`].
    pub extensions: Extensions,
}

/// What a listing asks for.
#[derive(Clone, Debug, Default)]
pub struct List {
    /// Which lane.
    pub lane: Lane,
    /// Only what sorts after this place; it need not exist.
    pub after: Option<Place>,
    /// At most so many; at least 1.
    pub limit: u32,
    /// Leaves out what this client posted.
    pub not_from: Option<String>,
    /// True to include what a live claim holds.
    pub claimed: bool,
    /// True to include what is still delayed.
    pub delayed: bool,
    /// The lease under which another lane than `Main` is read; needed there.
    pub fence: Option<u64>,
    /// See [`Extensions`].
    pub extensions: Extensions,
}

/// What a deletion asks for.
#[derive(Clone, Debug, Default)]
pub struct Delete {
    /// Which lane.
    pub lane: Lane,
    /// Which messages; doubles count once.
    pub places: Vec<Place>,
    /// Whose messages it may touch; all or none of them are deleted.
    pub guard: Guard,
    /// The lease under which another lane than `Main` is changed; needed there.
    pub fence: Option<u64>,
    /// See [`Extensions`].
    pub extensions: Extensions,
}

/// The counts of a queue's main lane.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    /// Not claimed: available, delayed or waiting to become dead letters.
    pub free: u64,
    /// Held by live claims.
    pub claimed: u64,
    /// Of the free ones: have used up their claims and wait for their dead letter queue.
    pub exhausted: u64,
    /// The first message of the queue, claimed or not.
    pub oldest: Option<Spot>,
    /// The last one.
    pub newest: Option<Spot>,
    /// The store's clock.
    pub now: Timestamp,
    /// See [`Extensions`].
    pub extensions: Extensions,
}

/// A message's place and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The place.
    pub place: Place,
    /// When it was posted.
    pub posted: Timestamp,
}

/// How much one step may do.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// At most so many messages.
    pub items: u32,
    /// About so long.
    pub time: Duration,
}

/// How far a stepwise operation is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// True when nothing is left to do.
    pub done: bool,
    /// How many messages this step removed.
    pub count: u64,
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// True when there is more to do at once.
    pub more: bool,
    /// Expired messages removed.
    pub expired: u64,
    /// Messages freed from expired claims.
    pub freed: u64,
    /// Messages moved to dead letter queues.
    pub moved: u64,
    /// Messages that cannot move since their dead letter queue is gone.
    pub stuck: u64,
}

/// Asks for the right to work a lane.
#[derive(Clone, Debug)]
pub struct Lease {
    /// Which lane.
    pub lane: Lane,
    /// Who asks; the holder renews by asking again.
    pub holder: String,
    /// For how long; zero gives the lease up.
    pub ttl: Duration,
    /// See [`Extensions`].
    pub extensions: Extensions,
}

/// The right to work a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leased {
    /// Rises whenever the lease changes hands.
    pub fence: u64,
    /// When it ends, on the store's clock.
    pub until: Timestamp,
}

/// Which queues to watch from now on, and which no more.
#[derive(Clone, Debug, Default)]
pub struct WatchChange {
    /// To watch.
    pub add: Vec<QueueRef>,
    /// No more.
    pub remove: Vec<QueueId>,
    /// See [`Extensions`].
    pub extensions: Extensions,
}

/// Where something may have become available.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hints {
    /// These queues.
    pub queues: Vec<QueueId>,
    /// Hints may have been missed: look at every watched queue.
    pub lost: bool,
    /// See [`Extensions`].
    pub extensions: Extensions,
}

/// Where an export goes on: empty to start, then as the last page gave it.
pub type Cursor = Bytes;

/// One page of a queue.
#[derive(Clone, Debug, Default)]
pub struct Export {
    /// Messages of all lanes.
    pub messages: Vec<Message>,
    /// Claims that the messages name, without messages.
    pub claims: Vec<Claim>,
    /// The first place that the queue has not given out yet.
    pub next_place: Place,
    /// Where to go on; none: this was the last page.
    pub next: Option<Cursor>,
    /// See [`Extensions`].
    pub extensions: Extensions,
}

/// What a pool holds in all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// Queues with a header.
    pub queues: u64,
    /// Messages in all lanes.
    pub messages: u64,
    /// Bytes that the store takes, where it knows.
    pub bytes: Option<u64>,
    /// Bytes that are left to it, where it knows.
    pub free_bytes: Option<u64>,
    /// See [`Extensions`].
    pub extensions: Extensions,
}
