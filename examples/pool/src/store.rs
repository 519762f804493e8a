//! All queues, and what is known of them together: which has something due, which has work in a
//! lane, how much they take. So nothing here costs more where there are more queues.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Duration;

use sukkal_plugin_sdk::store::refusal;
use sukkal_plugin_sdk::{
    Budget, Header, KnownQueue, Lane, Message, MessageId, Origin, Place, Progress, QueueId,
    QueueRef, Reason, Result, Swept, Timestamp, Usage,
};

use crate::entries::State;
use crate::error;
use crate::queue::Queue;
use crate::visit::Visit;

/// How long after messages could not move to their dead letter queue it is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(5);
/// A dead letter lives at least so long: its own end may have come.
const LEAST_LIFE: Duration = Duration::from_secs(60);

/// All queues.
pub struct Store {
    queues: BTreeMap<QueueId, Queue>,
    /// When something falls due in each queue in which something will.
    agenda: BTreeSet<(Timestamp, QueueId)>,
    /// For each lane, the queues that have available entries in it.
    ready: [BTreeSet<QueueId>; 3],
    messages: u64,
    bytes: u64,
    max_bytes: u64,
}

impl Store {
    /// No queues, and room for so many bytes.
    pub fn new(max_bytes: u64) -> Self {
        Store {
            queues: BTreeMap::new(),
            agenda: BTreeSet::new(),
            ready: Default::default(),
            messages: 0,
            bytes: 0,
            max_bytes,
        }
    }

    /// Whether the caller's record of a queue is that of the header.
    ///
    /// # Errors
    /// `Gone`, `Stale`.
    pub fn check(&self, queue: &QueueRef) -> Result<()> {
        let known = self.queues.get(&queue.id()).ok_or_else(refusal::gone)?;
        refusal::admit(queue, known.header.epoch, known.header.dropping)
    }

    /// Whether a queue is being dropped.
    pub fn is_dropping(&self, id: QueueId) -> bool {
        let queue = self.queues.get(&id);
        queue.is_some_and(|queue| queue.header.dropping)
    }

    /// Does something in a queue, and brings what is known of it up to date. None without the queue.
    pub fn visit<T>(
        &mut self,
        id: QueueId,
        now: Timestamp,
        work: impl FnOnce(&mut Visit<'_>) -> T,
    ) -> Option<T> {
        let room = self.max_bytes.saturating_sub(self.bytes);
        let queue = self.queues.get_mut(&id)?;
        let before = (queue.next_due(), queue.len() as u64, queue.bytes());
        let done = work(&mut Visit {
            queue: &mut *queue,
            now,
            room,
        });
        let after = (queue.next_due(), queue.len() as u64, queue.bytes());
        self.messages = self.messages - before.1 + after.1;
        self.bytes = self.bytes - before.2 + after.2;
        for lane in Lane::ALL {
            let ready = &mut self.ready[lane as usize];
            match queue.lane(lane).count(State::Ready) {
                0 => ready.remove(&id),
                _ => ready.insert(id),
            };
        }
        if before.0 != after.0 {
            before.0.map(|at| self.agenda.remove(&(at, id)));
            after.0.map(|at| self.agenda.insert((at, id)));
        }
        Some(done)
    }

    /// Makes a header, or replaces it.
    ///
    /// # Errors
    /// `Stale`: the header there is newer. `Full`: no room for a new queue.
    pub fn configure(&mut self, queue: &QueueRef, header: Header, now: Timestamp) -> Result<()> {
        match self.queues.get(&queue.id()) {
            Some(there) if there.header.epoch > header.epoch => return Err(refusal::old_epoch()),
            Some(_) => {}
            None => {
                let new = Queue::new(queue.id());
                // One that is dropping must be told also by a full pool.
                if self.bytes + new.bytes() > self.max_bytes && !header.dropping {
                    return Err(error::full());
                }
                self.bytes += new.bytes();
                self.queues.insert(queue.id(), new);
            }
        }
        self.visit(queue.id(), now, |visit| {
            visit.queue.set_header(queue.placement(), header, now)
        });
        Ok(())
    }

    /// Removes a queue that is dropping, in a bounded step.
    pub fn drop_queue(&mut self, queue: &QueueRef, budget: Budget, now: Timestamp) -> Progress {
        let header = self.queues.get(&queue.id()).map(|queue| &queue.header);
        if !header.is_some_and(|header| header.dropping && header.epoch <= queue.epoch()) {
            return Progress {
                done: true,
                count: 0,
            };
        }
        let progress = self
            .visit(queue.id(), now, |visit| visit.empty(budget))
            .unwrap_or_default();
        if progress.done
            && let Some(gone) = self.queues.remove(&queue.id())
        {
            gone.next_due().map(|at| self.agenda.remove(&(at, gone.id)));
            self.bytes -= gone.bytes();
        }
        progress
    }

    /// Settles what has fallen due in a queue, at most so much; how much it was.
    pub fn settle(
        &mut self,
        id: QueueId,
        now: Timestamp,
        limit: usize,
        swept: &mut Swept,
    ) -> usize {
        let done = self
            .visit(id, now, |visit| visit.queue.settle(now, limit, swept))
            .unwrap_or(0);
        self.move_parting(id, now, swept);
        done + self.move_dead_letters(id, now, limit - done, swept)
    }

    /// Settles what has fallen due in any queue, at most so much, what fell due first before others.
    pub fn sweep(&mut self, now: Timestamp, limit: usize, swept: &mut Swept) {
        let mut left = limit;
        while left > 0
            && let Some(id) = self.first_due(now)
        {
            // Even a queue in which nothing was to be done counts, so that this comes to an end.
            left -= self.settle(id, now, left, swept).max(1);
        }
        swept.more = self.first_due(now).is_some();
    }

    fn first_due(&self, now: Timestamp) -> Option<QueueId> {
        self.agenda
            .first()
            .filter(|(at, _)| *at <= now)
            .map(|(_, id)| *id)
    }

    /// Moves messages whose end came when they had used up their claims. Where that cannot be, they
    /// expire as any other.
    fn move_parting(&mut self, id: QueueId, now: Timestamp, swept: &mut Swept) {
        let Some(queue) = self.queues.get_mut(&id) else {
            return;
        };
        let parting = queue.lane_mut(Lane::Main).take_parting();
        let rule = queue.header.dead_letter.clone();
        let rule = rule.filter(|rule| !parting.is_empty() && self.takes_letters(rule.queue.id()));
        let Some(rule) = rule else {
            swept.expired += parting.len() as u64;
            return;
        };
        swept.moved += parting.len() as u64;
        for message in parting {
            let letter = self.visit(id, now, |visit| letter(visit, message, rule.ttl));
            let Some(letter) = letter else { return };
            self.visit(rule.queue.id(), now, |visit| put_letter(visit, letter));
        }
    }

    fn takes_letters(&self, target: QueueId) -> bool {
        let target = self.queues.get(&target);
        target.is_some_and(|target| !target.header.dropping && target.next_place < u64::MAX / 2)
    }

    /// Moves messages that have used up their claims, at most so many. Both queues are in this store
    /// and under its lock, so that each is in one of them, and never in both or in none.
    fn move_dead_letters(
        &mut self,
        id: QueueId,
        now: Timestamp,
        limit: usize,
        swept: &mut Swept,
    ) -> usize {
        let Some(queue) = self.queues.get(&id).filter(|queue| queue.move_again <= now) else {
            return 0;
        };
        let Some(rule) = queue.header.dead_letter.clone() else {
            return 0;
        };
        let places: Vec<Place> = queue
            .lane(Lane::Main)
            .places(&[State::Exhausted], Place(0), None)
            .take(limit)
            .collect();
        if places.is_empty() {
            return 0;
        }
        let target = rule.queue.id();
        if !self.takes_letters(target) {
            swept.stuck += queue.lane(Lane::Main).count(State::Exhausted) as u64;
            self.visit(id, now, |visit| {
                visit.queue.move_again = now.after(TRY_AGAIN)
            });
            return 0;
        }
        let mut moved = 0;
        for place in &places {
            let letter = self.visit(id, now, |visit| {
                let message = visit.queue.lane_mut(Lane::Main).take(*place)?;
                Some(letter(visit, message, rule.ttl))
            });
            if let Some(letter) = letter.flatten() {
                self.visit(target, now, |visit| put_letter(visit, letter));
                moved += 1;
            }
        }
        swept.moved += moved;
        places.len()
    }

    /// The queues that have available entries in a lane, by id.
    pub fn due(&self, lane: Lane, after: Option<QueueId>, limit: usize) -> Vec<KnownQueue> {
        let ids = self.ready[lane as usize].range((
            after.map_or(Bound::Unbounded, Bound::Excluded),
            Bound::Unbounded,
        ));
        let queues = ids
            .filter_map(|id| self.queues.get(id))
            .filter(|queue| !queue.header.dropping);
        queues.take(limit).map(Queue::known).collect()
    }

    /// All queues, by id.
    pub fn queues(&self, after: Option<QueueId>, limit: usize) -> Vec<KnownQueue> {
        let queues = self.queues.range((
            after.map_or(Bound::Unbounded, Bound::Excluded),
            Bound::Unbounded,
        ));
        queues.take(limit).map(|(_, queue)| queue.known()).collect()
    }

    /// What it holds in all.
    pub fn usage(&self) -> Usage {
        Usage {
            queues: self.queues.len() as u64,
            messages: self.messages,
            bytes: Some(self.bytes),
            free_bytes: Some(self.max_bytes.saturating_sub(self.bytes)),
            ..Usage::default()
        }
    }
}

/// The letter that a message becomes which was taken out of its queue.
fn letter(source: &Visit<'_>, message: Message, ttl: Option<Duration>) -> Message {
    let origin = Origin {
        label: source.queue.header.label.clone(),
        id: MessageId {
            queue: source.queue.id,
            place: message.place,
        },
        claims: message.claims,
        reason: Reason::ClaimsExhausted,
    };
    let now = source.now;
    let expires = match ttl {
        Some(ttl) => now.after(ttl),
        None => message.expires.max(now.after(LEAST_LIFE)),
    };
    let ttl = expires.since(now);
    Message {
        posted: now,
        due: now,
        ttl,
        expires,
        claim: None,
        claimed_until: Timestamp(0),
        claims: 0,
        origin: Some(origin),
        ..message
    }
}

/// Puts a letter at the end of its dead letter queue, also where the pool is full: it was there before.
fn put_letter(target: &mut Visit<'_>, letter: Message) {
    let place = Place(target.queue.next_place);
    target.queue.next_place += 1;
    target
        .queue
        .lane_mut(Lane::Main)
        .put(Message { place, ..letter }, target.now);
}
