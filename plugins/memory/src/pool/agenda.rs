//! When something in which queue falls due: what the sweep and `due` go by.
//!
//! These are the only structures that all queues share beside the map of queues. A queue touches
//! them only if what they say of it is too late, never because it is too early: whoever comes too
//! early looks, and says when to come again.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sukkal_plugin_sdk::{Lane, QueueId, Timestamp};

/// Queues by the instant at which something in them falls due.
#[derive(Default)]
pub struct Dates(BTreeSet<(Timestamp, QueueId)>);

impl Dates {
    /// Puts a queue's date forward or back; [`Timestamp::MAX`] for none.
    pub fn set(&mut self, queue: QueueId, before: Timestamp, after: Timestamp) {
        if before < Timestamp::MAX {
            self.0.remove(&(before, queue));
        }
        if after < Timestamp::MAX {
            self.0.insert((after, queue));
        }
    }

    /// The first date.
    pub fn first(&self) -> Option<Timestamp> {
        self.0.first().map(|date| date.0)
    }

    /// Takes out the first queue, if its date has come. The queue must strike its own record of
    /// the date then, so that it enters itself again.
    pub fn take_due(&mut self, now: Timestamp) -> Option<QueueId> {
        self.0.first().filter(|date| date.0 <= now)?;
        self.0.pop_first().map(|date| date.1)
    }
}

/// What all queues share.
#[derive(Default)]
pub struct Agenda {
    sweeps: Mutex<Dates>,
    lanes: [Mutex<LaneDates>; Lane::ALL.len()],
}

/// Which queues have entries in a lane.
#[derive(Default)]
pub struct LaneDates {
    /// With available ones.
    pub ready: BTreeSet<QueueId>,
    /// With delayed or claimed ones, by when that ends.
    pub waking: Dates,
}

impl LaneDates {
    /// Some that have available entries, by id.
    pub fn ready_after(&self, after: Option<QueueId>, limit: usize) -> Vec<QueueId> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.ready.range((from, Bound::Unbounded)).take(limit).copied().collect()
    }
}

impl Agenda {
    /// When each queue is to be settled.
    pub fn sweeps(&self) -> MutexGuard<'_, Dates> {
        self.sweeps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which queues have entries in a lane.
    pub fn lane(&self, lane: Lane) -> MutexGuard<'_, LaneDates> {
        self.lanes[lane as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the agenda says of one queue; kept by the queue, under its lock.
pub struct Entered {
    /// When it is to be settled.
    pub sweep: Timestamp,
    /// When something in it becomes available, if it is watched.
    pub alarm: Timestamp,
    /// For each lane: whether it has available entries, and when delayed or claimed ones become so.
    pub lanes: [(bool, Timestamp); Lane::ALL.len()],
}

impl Default for Entered {
    fn default() -> Self {
        let never = Timestamp::MAX;
        Entered { sweep: never, alarm: never, lanes: [(false, never); Lane::ALL.len()] }
    }
}
