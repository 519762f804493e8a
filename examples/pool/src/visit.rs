//! A call's stay in a queue: nobody else is in the store meanwhile, and no time passes.

use sukkal_plugin_sdk::store::refusal;
use sukkal_plugin_sdk::{Batch, Lane, Message, Place, Result, Timestamp};

use crate::entries::Entries;
use crate::queue::Queue;

/// A queue, as a call finds it.
pub struct Visit<'q> {
    pub queue: &'q mut Queue,
    pub now: Timestamp,
    /// Bytes that are left to the pool.
    pub room: u64,
}

impl Visit<'_> {
    /// The main lane.
    pub fn main(&self) -> &Entries {
        self.queue.lane(Lane::Main)
    }

    /// Changes a message of the main lane, and gives it as it is then.
    pub fn change(&mut self, place: Place, change: impl FnOnce(&mut Message)) -> Option<Message> {
        let now = self.now;
        self.queue.lane_mut(Lane::Main).change(place, now, change)
    }

    /// Messages, as they were read now.
    pub fn batch(&self, messages: Vec<Message>) -> Batch {
        Batch {
            now: self.now,
            messages,
            ..Batch::default()
        }
    }

    /// Refuses who works a lane under a lease that is no longer theirs. One that has merely run
    /// out, and that nobody has taken since, still holds. The main lane needs none.
    ///
    /// # Errors
    /// `Invalid`: no fence. `Stale`: an older one, or one that was given up.
    pub fn check_fence(&self, lane: Lane, fence: Option<u64>) -> Result<()> {
        let held = &self.queue.leases[lane as usize];
        match fence {
            _ if lane == Lane::Main => Ok(()),
            None => Err(refusal::no_fence()),
            Some(fence) if fence == held.fence && !held.holder.is_empty() => Ok(()),
            Some(_) => Err(refusal::old_fence()),
        }
    }
}
