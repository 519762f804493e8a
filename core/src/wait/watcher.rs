//! Hearing from one pool where something may have become available, and telling those who wait.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sukkal_plugin_sdk::{Call, Hints, QueueId, QueueRef, RequestId, Result, WatchChange};
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, RwLock, watch};

use crate::pools::{Member, Opened};
use crate::service::{self, Clock, PATIENCE};

/// How often queues that nobody waits for any more are looked for. Each stays watched for at least
/// so long after its last wait, since who waited once mostly waits again.
const TIDY: Duration = Duration::from_secs(15);
/// How long a pool may take to watch queues no more.
const TIDY_PATIENCE: Duration = Duration::from_secs(1);
/// The pause after a pool has failed to give hints.
const PAUSE: Duration = Duration::from_secs(1);

/// A watcher's queues are in so many parts, each behind a lock of its own: a post takes that of its queue.
const PARTS: usize = 64;

/// Some of a watcher's queues.
type Part = HashMap<QueueId, Watched>;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Something to claim: one gets it.
    Claim,
    /// Something to read: all get it.
    Listing,
    /// Something to read, be it delayed: a pool does not tell of what cannot be claimed yet, so it is also looked for.
    DelayedListing,
}

/// One pool's watched queues.
pub(super) struct Watcher {
    member: Arc<Member>,
    clock: Clock,
    queues: [Mutex<Part>; PARTS],
    /// Held for reading by those who add queues, for writing by the one who removes some.
    change: RwLock<()>,
}

/// A watched queue.
struct Watched {
    reference: QueueRef,
    spot: Arc<Spot>,
}

/// Where those wait who wait for one queue.
#[derive(Default)]
struct Spot {
    claims: Notify,
    listings: Notify,
    seats: AtomicUsize,
    /// Nobody was here when it was looked at last.
    idle: AtomicBool,
}

/// A place among those who wait for a queue, for as long as it is held.
pub(super) struct Seat(Arc<Spot>);

impl Watcher {
    pub(super) fn new(member: Arc<Member>, clock: Clock) -> Self {
        Watcher { member, clock, queues: [(); PARTS].map(|()| Mutex::default()), change: RwLock::default() }
    }

    /// Takes a seat. When it is taken the queue is watched: what becomes available from then on is told.
    pub(super) async fn seat(&self, call: &Call, queue: &QueueRef) -> Result<Seat> {
        let is_there = |watched: &&Watched| watched.reference.placement() == queue.placement();
        if let Some(watched) = self.part(queue.id()).get(&queue.id()).filter(is_there) {
            return Ok(watched.spot.seat());
        }
        let _stays = self.change.read().await;
        self.member.pool()?.watch(call, WatchChange { add: vec![queue.clone()], ..WatchChange::default() }).await?;
        let mut queues = self.part(queue.id());
        let watched = queues.entry(queue.id());
        let watched = watched.or_insert_with(|| Watched { reference: queue.clone(), spot: Arc::default() });
        // It may have moved within the pool.
        watched.reference = queue.clone();
        Ok(watched.spot.seat())
    }

    /// Hears and tells until the service ends.
    pub(super) async fn run(self: Arc<Self>, ending: watch::Receiver<bool>) {
        tokio::select! {
            () = self.hear(ending) => {}
            () = self.keep_tidy() => {}
        }
    }

    async fn hear(&self, mut ending: watch::Receiver<bool>) {
        let mut told = false;
        while !*ending.borrow_and_update() {
            let Some(pool) = self.pool(&mut ending).await else { return };
            let call = self.call();
            let heard = tokio::select! {
                biased;
                heard = pool.hints(&call) => heard,
                _ = ending.changed() => return,
                () = self.member.retired() => return self.tell(&Hints { lost: true, ..Hints::default() }),
            };
            match heard {
                Ok(hints) => {
                    told = false;
                    self.tell(&hints);
                }
                Err(error) => {
                    // Once for as long as it lasts.
                    if !std::mem::replace(&mut told, true) {
                        let pool = self.member.title();
                        tracing::warn!(%error, pool, "a pool does not say what becomes available; asked every second");
                    }
                    tokio::select! {
                        () = tokio::time::sleep(PAUSE) => self.again().await,
                        _ = ending.changed() => return,
                    }
                }
            }
        }
    }

    /// The pool, once it is open. `None`: the service ends, or the pool is closed for good; then those
    /// who wait look for the one that has taken its place.
    async fn pool(&self, ending: &mut watch::Receiver<bool>) -> Option<Arc<Opened>> {
        tokio::select! {
            _ = self.member.usable() => {}
            _ = ending.changed() => return None,
        }
        let pool = self.member.pool().ok();
        if pool.is_none() {
            self.tell(&Hints { lost: true, ..Hints::default() });
        }
        pool
    }

    /// Whether it watches a pool.
    pub(super) fn is_of(&self, member: &Arc<Member>) -> bool {
        Arc::ptr_eq(&self.member, member)
    }

    /// Whether its pool is closed for good.
    pub(super) fn is_over(&self) -> bool {
        self.member.is_retired()
    }

    /// Has one of those look who wait to claim from a queue.
    pub(super) fn one_claims(&self, queue: QueueId) {
        if let Some(watched) = self.part(queue).get(&queue) {
            watched.spot.one_claims();
        }
    }

    fn tell(&self, hints: &Hints) {
        if hints.lost {
            self.parts().for_each(|queues| queues.values().for_each(|watched| watched.spot.tell()));
            return;
        }
        for id in &hints.queues {
            if let Some(watched) = self.part(*id).get(id) {
                watched.spot.tell();
            }
        }
    }

    /// The pool may have forgotten what is watched, and hints were missed.
    async fn again(&self) {
        let references =
            |queues: MutexGuard<'_, Part>| queues.values().map(|watched| watched.reference.clone()).collect::<Vec<_>>();
        let add = self.parts().flat_map(references).collect();
        // Where this fails, so do the next hints.
        if let Ok(pool) = self.member.pool() {
            let change = WatchChange { add, ..WatchChange::default() };
            let watched = async |call: Call| pool.watch(&call, change).await;
            let _ = service::own(&self.clock, "", PATIENCE, watched).await;
        }
        self.tell(&Hints { lost: true, ..Hints::default() });
    }

    /// Tidies again and again. Hints are heard meanwhile.
    async fn keep_tidy(&self) {
        let mut turns = tokio::time::interval(TIDY);
        loop {
            turns.tick().await;
            self.tidy().await;
        }
    }

    /// Watches no more what nobody has waited for since the last time.
    async fn tidy(&self) {
        // While seats are taken, which may take long where a server hangs, it has time until the next turn.
        let Ok(_alone) = self.change.try_write() else { return };
        let left = |mut queues: MutexGuard<'_, Part>| {
            queues.extract_if(|_, watched| watched.spot.is_left()).map(|(id, _)| id).collect::<Vec<_>>()
        };
        let remove: Vec<QueueId> = self.parts().flat_map(left).collect();
        if !remove.is_empty() {
            // Hints of queues that nobody waits for are only superfluous, and seats cannot be taken meanwhile.
            if let Ok(pool) = self.member.pool() {
                let change = WatchChange { remove, ..WatchChange::default() };
                let watched = async |call: Call| pool.watch(&call, change).await;
                let _ = service::own(&self.clock, "", TIDY_PATIENCE, watched).await;
            }
        }
    }

    /// Hints are waited for without end, piece by piece.
    fn call(&self) -> Call {
        Call::new(RequestId(rand::random()), "", (self.clock)().after(PATIENCE))
    }

    /// The part that a queue is in.
    fn part(&self, queue: QueueId) -> MutexGuard<'_, Part> {
        // Ids are random.
        lock(&self.queues[queue.0 as usize % PARTS])
    }

    fn parts(&self) -> impl Iterator<Item = MutexGuard<'_, Part>> {
        self.queues.iter().map(lock)
    }
}

impl Spot {
    fn seat(self: &Arc<Self>) -> Seat {
        self.seats.fetch_add(1, Ordering::Relaxed);
        self.idle.store(false, Ordering::Relaxed);
        Seat(self.clone())
    }

    fn tell(&self) {
        self.claims.notify_one();
        self.listings.notify_waiters();
    }

    fn one_claims(&self) {
        if self.seats.load(Ordering::Relaxed) > 0 {
            self.claims.notify_one();
        }
    }

    /// Whether nobody is here, now and when this was asked last. Asked under the map's lock, as
    /// seats are taken.
    fn is_left(&self) -> bool {
        self.seats.load(Ordering::Relaxed) == 0 && self.idle.swap(true, Ordering::Relaxed)
    }
}

impl Seat {
    /// Waits for the next word. One who was told and does not look hands it on.
    pub(super) fn told(&self, what: What) -> Notified<'_> {
        match what {
            What::Claim => self.0.claims.notified(),
            What::Listing | What::DelayedListing => self.0.listings.notified(),
        }
    }

    /// What one was told here: that somebody should look.
    pub(super) fn word(&self, what: What) -> Word {
        Word((what == What::Claim).then(|| self.0.clone()))
    }

    /// There was something, so there may be more: the next one looks.
    pub(super) fn found(&self, what: What) {
        drop(self.word(what));
    }

    /// One has looked: a word that was told here is heard, and one that was told elsewhere handed on there.
    pub(super) fn has_looked(&self, word: &mut Option<Word>) {
        if let Some(mut word) = word.take()
            && word.0.as_ref().is_some_and(|spot| Arc::ptr_eq(spot, &self.0))
        {
            word.0 = None;
        }
    }

    /// The queue is not what it was when this seat was taken: all look.
    pub(super) fn leave_all(&self) {
        self.0.claims.notify_waiters();
        self.0.listings.notify_waiters();
    }
}

/// That somebody should look. Who drops it has not: then the next one does.
pub(super) struct Word(Option<Arc<Spot>>);

impl Drop for Word {
    fn drop(&mut self) {
        if let Some(spot) = &self.0 {
            spot.claims.notify_one();
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.seats.fetch_sub(1, Ordering::Relaxed);
    }
}

fn lock(part: &Mutex<Part>) -> MutexGuard<'_, Part> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A word that reached the first of two in line, and whether the second is told once it is `dealt` with.
    async fn second_is_told(what: What, dealt: impl FnOnce(&Seat, Option<Word>)) -> bool {
        let spot = Arc::new(Spot::default());
        let (first, second) = (spot.seat(), spot.seat());
        let mut told = [&first, &second].map(|seat| Box::pin(seat.told(what)));
        told.iter_mut().for_each(|told| assert!(!told.as_mut().enable()));
        spot.tell();
        told[0].as_mut().await;
        dealt(&first, Some(first.word(what)));
        tokio::time::timeout(Duration::ZERO, told[1].as_mut()).await.is_ok()
    }

    #[tokio::test]
    async fn a_word_is_handed_on_by_who_does_not_look_for_it() {
        let elsewhere = Arc::new(Spot::default()).seat();
        assert!(!second_is_told(What::Claim, |seat, mut word| seat.has_looked(&mut word)).await, "it was heard");
        assert!(second_is_told(What::Claim, |_, word| drop(word)).await, "the first has left");
        assert!(second_is_told(What::Claim, |_, mut word| elsewhere.has_looked(&mut word)).await, "it has moved on");
        assert!(second_is_told(What::Claim, |seat, _| seat.found(What::Claim)).await, "there may be more");
        assert!(second_is_told(What::Claim, |seat, _| seat.leave_all()).await, "the queue is gone");
        assert!(second_is_told(What::Listing, |_, _| ()).await, "all are told");
    }

    #[tokio::test]
    async fn a_post_on_its_way_is_told_to_one_who_claims() {
        let spot = Arc::new(Spot::default());
        spot.one_claims();
        let seats = [What::Claim, What::Claim, What::Listing].map(|what| (spot.seat(), what));
        let mut told: Vec<_> = seats.iter().map(|(seat, what)| Box::pin(seat.told(*what))).collect();
        let mut are_told = async || {
            let mut are = Vec::new();
            for told in &mut told {
                are.push(tokio::time::timeout(Duration::ZERO, told.as_mut()).await.is_ok());
            }
            are
        };
        assert_eq!(are_told().await, [false; 3], "nobody was there");
        spot.one_claims();
        assert_eq!(are_told().await, [true, false, false]);
    }
}
