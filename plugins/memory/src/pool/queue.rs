//! One queue: its header, its lanes, its claims and keys, and a visit to it under its lock.

use std::sync::{Mutex, MutexGuard, PoisonError};

use sukkal_plugin_sdk::store::refusal;
use sukkal_plugin_sdk::{Bytes, DeadLetterRule, Header, KnownQueue, Lane, Place, QueueId, QueueRef, Result, Timestamp};

use super::agenda::Entered;
use super::claims::Claims;
use super::dead_letter::Parting;
use super::entries::Entries;
use super::entry::{Entry, State};
use super::key::Keys;
use super::lane::Held;
use super::shared::Shared;
use crate::room::{self, OVERHEAD};

/// Bytes that a queue takes beside what is in it, the first nodes of its indexes included: about
/// 3,000, measured.
const QUEUE: u64 = 8 * OVERHEAD;

/// A queue of the pool.
pub struct Queue {
    /// Its id.
    pub id: QueueId,
    contents: Mutex<Contents>,
}

impl Queue {
    /// A queue without messages.
    pub fn new(id: QueueId, placement: Bytes, header: Header, now: Timestamp) -> Queue {
        Queue { id, contents: Mutex::new(Contents::new(placement, header, now)) }
    }

    /// Nobody else is in it while the guard lives. Two queues are locked in the order of their ids.
    pub fn lock(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is in a queue.
pub struct Contents {
    pub header: Header,
    placement: Bytes,
    /// The place of the next message.
    pub next_place: u64,
    pub lanes: [Entries; Lane::ALL.len()],
    pub leases: [Held; Lane::ALL.len()],
    pub claims: Claims,
    pub keys: Keys,
    /// Messages that had used up their claims when their end came, on their way to the dead letter queue:
    /// in no lane any more, but still in the pool's room.
    pub parting: Vec<Parting>,
    /// From where on messages are still to be held against a rule that has changed.
    pub recheck: Option<Place>,
    /// When what could not move to the dead letter queue is tried again.
    pub move_again: Timestamp,
    /// Whether the host wants hints.
    pub watched: bool,
    /// The queue is no longer in the pool's map.
    pub removed: bool,
    /// What the agenda says of it.
    pub entered: Entered,
}

impl Contents {
    fn new(placement: Bytes, header: Header, now: Timestamp) -> Contents {
        Contents {
            header,
            placement,
            next_place: first_place(now),
            lanes: Default::default(),
            leases: Default::default(),
            claims: Claims::default(),
            keys: Keys::default(),
            parting: Vec::new(),
            recheck: None,
            move_again: Timestamp(0),
            watched: false,
            removed: false,
            entered: Entered::default(),
        }
    }

    /// Refuses a caller that acts on another record than the header's.
    ///
    /// # Errors
    /// `Gone`, `Stale`.
    pub fn admit(&self, caller: &QueueRef) -> Result<()> {
        refusal::admit(caller, self.header.epoch, self.removed || self.header.dropping)
    }

    /// The messages of a lane.
    pub fn lane(&self, lane: Lane) -> &Entries {
        &self.lanes[lane as usize]
    }

    /// The messages of a lane, to change.
    pub fn lane_mut(&mut self, lane: Lane) -> &mut Entries {
        &mut self.lanes[lane as usize]
    }

    /// The rule for dead letters.
    pub fn rule(&self) -> Option<&DeadLetterRule> {
        self.header.dead_letter.as_ref()
    }

    /// Whether a message that was claimed so often has used up its claims.
    pub fn is_worn(&self, claims: u32) -> bool {
        self.rule().is_some_and(|rule| claims >= rule.max_claims)
    }

    /// Whether messages wait for their dead letter queue.
    pub fn has_dead_letters(&self) -> bool {
        self.rule().is_some() && !self.header.dropping && !self.lane(Lane::Main).in_state(State::Exhausted).is_empty()
    }

    /// The queue, as the pool knows it.
    pub fn known(&self, id: QueueId) -> KnownQueue {
        let queue = QueueRef::new(id, self.header.epoch, self.placement.clone());
        KnownQueue { queue, label: self.header.label.clone(), extensions: Default::default() }
    }

    /// Bytes that queue and header take.
    pub fn size(&self) -> u64 {
        header_size(&self.header) + self.placement.len() as u64
    }
}

/// Bytes that a queue with this header takes.
pub fn header_size(header: &Header) -> u64 {
    QUEUE + header.label.len() as u64 + room::extensions(&header.extensions)
}

/// Somebody at work in a queue, alone.
pub struct Visit<'v> {
    pub pool: &'v Shared,
    pub id: QueueId,
    pub contents: &'v mut Contents,
    pub now: Timestamp,
    /// Whether something has become available.
    pub stirred: bool,
}

impl Visit<'_> {
    /// Removes a message, and gives its room back.
    pub fn remove(&mut self, lane: Lane, place: Place) -> Option<Box<Entry>> {
        let entry = self.contents.lane_mut(lane).remove(place)?;
        self.pool.room.give_back(entry.bytes, 1);
        Some(entry)
    }

    /// Changes a message, and notes it if it becomes available by that.
    pub fn change(&mut self, lane: Lane, place: Place, change: impl FnOnce(&mut Entry)) {
        let mut ready = false;
        self.contents.lane_mut(lane).change(place, |entry| {
            let before = entry.state;
            change(entry);
            ready = before != State::Ready && entry.state == State::Ready;
        });
        self.stirred |= ready;
    }
}

/// The first place of a queue that is made now: the milliseconds since 2025 began. So ids are not given twice, and
/// markers go on, where a catalog has a queue that a pool before this one has forgotten; unless that one gave more than a
/// thousand places a second on the average.
fn first_place(now: Timestamp) -> u64 {
    const BEGIN: i64 = 1_735_689_600_000;
    u64::try_from(now.0.saturating_sub(BEGIN)).unwrap_or_default().max(1)
}
