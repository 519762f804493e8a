//! Reading and counting. What has fallen due must be settled before.

use std::collections::HashSet;

use sukkal_plugin_sdk::{Batch, List, Message, Place, Result, Spot, Stats};

use crate::entries::State;
use crate::visit::Visit;

impl Visit<'_> {
    /// Reads on from a place.
    ///
    /// # Errors
    /// `Stale`, `Invalid`: another lane than the main one, without its lease.
    pub fn list(&self, list: &List) -> Result<Batch> {
        self.check_fence(list.lane, list.fence)?;
        let Some(from) = list.after.map_or(Some(0), |after| after.0.checked_add(1)) else {
            return Ok(self.batch(Vec::new()));
        };
        let mut states = vec![State::Ready, State::Exhausted];
        states.extend(list.claimed.then_some(State::Claimed));
        states.extend(list.delayed.then_some(State::Delayed));
        let entries = self.queue.lane(list.lane);
        let own = list.not_from.as_deref();
        let messages = entries
            .places(&states, Place(from), own)
            .filter_map(|place| entries.get(place));
        let others = messages.filter(|message| own != Some(&message.client));
        Ok(self.batch(others.take(list.limit as usize).cloned().collect()))
    }

    /// Reads messages of the main lane by place, each once, whatever their claim or delay.
    pub fn get(&self, places: &[Place]) -> Batch {
        let mut seen = HashSet::new();
        let once = places.iter().filter(|place| seen.insert(**place));
        self.batch(
            once.filter_map(|place| self.main().get(*place).cloned())
                .collect(),
        )
    }

    /// Counts the main lane.
    pub fn stats(&self) -> Stats {
        let entries = self.main();
        let claimed = entries.count(State::Claimed);
        let spot = |message: &Message| Spot {
            place: message.place,
            posted: message.posted,
        };
        Stats {
            free: (entries.len() - claimed) as u64,
            claimed: claimed as u64,
            exhausted: entries.count(State::Exhausted) as u64,
            oldest: entries.first().map(spot),
            newest: entries.last().map(spot),
            now: self.now,
            ..Stats::default()
        }
    }
}
