//! One queue: its header, its lanes, its claims and keys.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use sukkal_plugin_sdk::{
    Bytes, ClaimId, Extensions, Header, KnownQueue, Lane, Place, QueueId, QueueRef, Swept,
    Timestamp,
};

use crate::entries::{Entries, State};
use crate::timed::Timed;

/// Bytes that a queue, a claim or a key takes: an estimate, for the pool's bound.
pub const OVERHEAD: u64 = 1024;

/// A queue of the pool.
pub struct Queue {
    pub id: QueueId,
    pub placement: Bytes,
    pub header: Header,
    /// The place of the next message; none is ever given twice.
    pub next_place: u64,
    lanes: [Entries; 3],
    pub leases: [Held; 3],
    pub claims: Timed<ClaimId, Kept>,
    /// Claims that hold nothing any more, the first emptied first.
    pub emptied: VecDeque<ClaimId>,
    pub keys: Timed<(String, Bytes), Used>,
    /// When what could not move to its dead letter queue is tried again.
    pub move_again: Timestamp,
}

/// The lease of a lane.
#[derive(Default)]
pub struct Held {
    /// Empty when it was given up.
    pub holder: String,
    pub fence: u64,
    pub until: Timestamp,
}

/// A claim. What it holds its messages say; here is the rest.
pub struct Kept {
    /// When it was made or last renewed.
    pub renewed: Timestamp,
    pub ttl: Duration,
    /// What it held once: some may be gone, or free.
    pub places: Vec<Place>,
    pub extensions: Extensions,
}

/// What a key was used for.
pub struct Used {
    pub fingerprint: Bytes,
    pub places: Range<u64>,
}

impl Queue {
    /// A queue without messages. Its header comes with [`Queue::set_header`].
    pub fn new(id: QueueId) -> Self {
        Queue {
            id,
            placement: Bytes::new(),
            header: Header::default(),
            next_place: 1,
            lanes: Default::default(),
            leases: Default::default(),
            claims: Timed::default(),
            emptied: VecDeque::new(),
            keys: Timed::default(),
            move_again: Timestamp(0),
        }
    }

    /// Makes or replaces the header. No message is touched, but a new rule concerns them.
    pub fn set_header(&mut self, placement: &[u8], header: Header, now: Timestamp) {
        self.placement = Bytes::copy_from_slice(placement);
        self.header = header;
        self.move_again = Timestamp(0);
        let max_claims = self.header.dead_letter.as_ref().map(|rule| rule.max_claims);
        self.lane_mut(Lane::Main).set_max_claims(max_claims, now);
    }

    /// The messages of a lane.
    pub fn lane(&self, lane: Lane) -> &Entries {
        &self.lanes[lane as usize]
    }

    /// The messages of a lane, to change.
    pub fn lane_mut(&mut self, lane: Lane) -> &mut Entries {
        &mut self.lanes[lane as usize]
    }

    /// Settles what has fallen due, at most so much; how much it was.
    pub fn settle(&mut self, now: Timestamp, limit: usize, swept: &mut Swept) -> usize {
        let mut done = 0;
        for entries in &mut self.lanes {
            done += entries.settle(now, limit - done, swept);
        }
        while done < limit && (self.claims.take_ended(now) || self.keys.take_ended(now)) {
            done += 1;
        }
        done
    }

    /// When the next thing falls due.
    pub fn next_due(&self) -> Option<Timestamp> {
        let exhausted = self.lane(Lane::Main).count(State::Exhausted) > 0;
        let moves = exhausted.then_some(self.move_again);
        let lanes = self.lanes.iter().filter_map(Entries::next_due);
        lanes
            .chain(self.claims.first_end())
            .chain(self.keys.first_end())
            .chain(moves)
            .min()
    }

    /// How the service knows it.
    pub fn known(&self) -> KnownQueue {
        let queue = QueueRef::new(self.id, self.header.epoch, self.placement.clone());
        KnownQueue {
            queue,
            label: self.header.label.clone(),
            extensions: Extensions::new(),
        }
    }

    /// How many messages there are, in all lanes.
    pub fn len(&self) -> usize {
        self.lanes.iter().map(Entries::len).sum()
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> u64 {
        let places: u64 = self.lanes.iter().map(Entries::bytes).sum();
        places + OVERHEAD * (1 + self.claims.len() + self.keys.len()) as u64
    }
}
