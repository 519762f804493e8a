//! What all calls to a pool share: its queues, its bound, its clock, its agenda.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

use sukkal_plugin_sdk::store::refusal;
use sukkal_plugin_sdk::{Bytes, Header, Host, KnownQueue, Place, QueueId, QueueRef, Result, Swept, Timestamp, Usage};

use super::agenda::Agenda;
use super::dead_letter;
use super::queue::{Queue, Visit, header_size};
use super::settle::STEP;
use super::watch::Watch;
use crate::own;
use crate::pause::pause;
use crate::room::Room;

/// An open pool.
///
/// Locks are taken in this order, and each is held briefly: queues, in the order of their ids; then
/// one of the map of queues, the agenda and the watch.
pub struct Shared {
    pub host: Host,
    pub room: Room,
    pub agenda: Agenda,
    pub watch: Arc<Watch>,
    queues: RwLock<BTreeMap<QueueId, Arc<Queue>>>,
}

impl Shared {
    /// A pool without queues.
    pub fn new(host: Host, room: Room) -> Shared {
        let watch = Arc::new(Watch::new(host.clone()));
        Shared { host, room, agenda: Agenda::default(), watch, queues: RwLock::default() }
    }

    /// A queue that has a header.
    pub fn find(&self, id: QueueId) -> Option<Arc<Queue>> {
        self.queues.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// Works in a queue, alone, on behalf of a caller that names it.
    ///
    /// # Errors
    /// `Gone`, `Stale`; the work's own.
    pub fn visit<T>(&self, queue: &QueueRef, work: impl FnOnce(&mut Visit<'_>) -> Result<T>) -> Result<T> {
        self.visit_any(queue.id(), |visit| {
            visit.contents.admit(queue)?;
            work(visit)
        })
        .unwrap_or_else(|| Err(refusal::gone()))
    }

    /// The same, also on behalf of anybody where the queue is being dropped.
    ///
    /// # Errors
    /// `Gone`, `Stale`; the work's own.
    pub fn visit_or_dropping<T>(&self, queue: &QueueRef, work: impl FnOnce(&mut Visit<'_>) -> Result<T>) -> Result<T> {
        self.visit_any(queue.id(), |visit| {
            if !visit.contents.header.dropping {
                visit.contents.admit(queue)?;
            }
            work(visit)
        })
        .unwrap_or_else(|| Err(refusal::gone()))
    }

    /// Works in a queue, alone, whatever its header; none, if there is no such queue.
    pub fn visit_any<T>(&self, id: QueueId, work: impl FnOnce(&mut Visit<'_>) -> T) -> Option<T> {
        let queue = self.find(id)?;
        let mut contents = queue.lock();
        let mut visit = Visit { pool: self, id, contents: &mut contents, now: self.host.now(), stirred: false };
        let done = work(&mut visit);
        visit.end();
        Some(done)
    }

    /// Works in two queues at once, alone; none, if one is missing or they are the same.
    pub fn visit_two<T>(
        &self,
        one: QueueId,
        other: QueueId,
        work: impl FnOnce(&mut Visit<'_>, &mut Visit<'_>) -> T,
    ) -> Option<T> {
        if one == other {
            return None;
        }
        let (first, second) = (self.find(one)?, self.find(other)?);
        let swapped = one > other;
        let (low, high) = if swapped { (&second, &first) } else { (&first, &second) };
        let (mut low, mut high) = (low.lock(), high.lock());
        let (one_contents, other_contents) = if swapped { (&mut high, &mut low) } else { (&mut low, &mut high) };
        let now = self.host.now();
        let mut one = Visit { pool: self, id: one, contents: one_contents, now, stirred: false };
        let mut other = Visit { pool: self, id: other, contents: other_contents, now, stirred: false };
        let done = work(&mut one, &mut other);
        one.end();
        other.end();
        Some(done)
    }

    /// Works in a queue once nothing is left there that has fallen due, so that what it sees is
    /// exact. Settling goes in steps, between which others have their turn.
    ///
    /// # Errors
    /// `Gone`, `Stale`; the work's own.
    pub async fn settled<T>(&self, queue: &QueueRef, mut work: impl FnMut(&mut Visit<'_>) -> Result<T>) -> Result<T> {
        loop {
            let done = self.visit(queue, |visit| {
                let settled = visit.settle(STEP, &mut Swept::default()) < STEP;
                if settled && visit.contents.parting.is_empty() { work(visit).map(Some) } else { Ok(None) }
            })?;
            if let Some(done) = done {
                return Ok(done);
            }
            dead_letter::move_parting(self, queue.id());
            pause().await;
        }
    }

    /// Makes or replaces a header.
    ///
    /// # Errors
    /// `Stale`: the one there is newer. `Full`: no room for a further queue.
    pub fn configure(&self, queue: &QueueRef, header: Header) -> Result<()> {
        let header = compact(header);
        loop {
            match self.visit_any(queue.id(), |visit| visit.replace_header(&header)) {
                Some(Replaced::Yes) => return Ok(()),
                Some(Replaced::Older) => return Err(refusal::old_epoch()),
                // It went while we came: it is to be made anew.
                Some(Replaced::Removed) => {}
                None if self.make(queue, &header)? => return Ok(()),
                // Somebody else made it while we came.
                None => {}
            }
        }
    }

    /// Makes a queue; false if it is there already.
    fn make(&self, queue: &QueueRef, header: &Header) -> Result<bool> {
        let placement = Bytes::copy_from_slice(queue.placement());
        let size = header_size(header) + placement.len() as u64;
        let mut queues = self.queues.write().unwrap_or_else(PoisonError::into_inner);
        if queues.contains_key(&queue.id()) {
            return Ok(false);
        }
        if header.dropping {
            // Dropping must go on when the pool is full, and ends with the room given back.
            self.room.take(size, 0);
        } else {
            self.room.reserve(size, 0)?;
        }
        let made = Queue::new(queue.id(), placement, header.clone(), self.host.now());
        queues.insert(queue.id(), Arc::new(made));
        drop(queues);
        // It may have been watched before it was there.
        self.watch_if_wanted(queue.id());
        Ok(true)
    }

    /// Marks a queue as watched, if the host has asked for its hints.
    pub fn watch_if_wanted(&self, id: QueueId) {
        if self.watch.wants(id) {
            self.visit_any(id, |visit| visit.contents.watched = true);
        }
    }

    /// Takes a queue out of the map, whose room has been given back.
    pub fn forget(&self, id: QueueId) {
        self.queues.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    /// The queues that have a header, by id.
    pub fn known(&self, after: Option<QueueId>, limit: u32) -> Vec<KnownQueue> {
        // The map's lock is gone before a queue's is taken.
        self.some(after, limit).iter().map(|queue| queue.lock().known(queue.id)).collect()
    }

    fn some(&self, after: Option<QueueId>, limit: u32) -> Vec<Arc<Queue>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let queues = self.queues.read().unwrap_or_else(PoisonError::into_inner);
        queues.range((from, Bound::Unbounded)).take(limit as usize).map(|(_, queue)| queue.clone()).collect()
    }

    /// What the pool holds in all.
    pub fn usage(&self) -> Usage {
        let queues = self.queues.read().unwrap_or_else(PoisonError::into_inner).len() as u64;
        let (bytes, free_bytes) = (Some(self.room.bytes()), Some(self.room.free_bytes()));
        Usage { queues, messages: self.room.items(), bytes, free_bytes, ..Usage::default() }
    }
}

/// What came of replacing a header.
enum Replaced {
    Yes,
    Older,
    Removed,
}

impl Visit<'_> {
    fn replace_header(&mut self, header: &Header) -> Replaced {
        if self.contents.removed {
            return Replaced::Removed;
        }
        if header.epoch < self.contents.header.epoch {
            return Replaced::Older;
        }
        if header.dead_letter != self.contents.header.dead_letter {
            self.contents.recheck = Some(Place(0));
            self.contents.move_again = Timestamp(0);
        }
        self.pool.room.take(header_size(header), 0);
        self.pool.room.give_back(header_size(&self.contents.header), 0);
        self.contents.header = header.clone();
        // Who waits looks, and finds that it is gone.
        self.stirred |= header.dropping;
        Replaced::Yes
    }
}

/// A header that holds no memory but its own.
fn compact(mut header: Header) -> Header {
    header.label = own::bytes(&header.label);
    header.extensions = own::extensions(&header.extensions);
    header
}
