//! Counting a queue. What has fallen due must be settled before; the counts are exact then.

use sukkal_plugin_sdk::{Lane, Place, Spot, Stats};

use super::entry::{Entry, State};
use super::queue::Visit;

impl Visit<'_> {
    /// The counts of the main lane.
    pub fn stats(&self) -> Stats {
        let entries = self.contents.lane(Lane::Main);
        let claimed = entries.in_state(State::Claimed).len();
        let spot = |(place, entry): (Place, &Entry)| Spot { place, posted: entry.posted };
        Stats {
            free: entries.len() as u64 - claimed,
            claimed,
            exhausted: entries.in_state(State::Exhausted).len(),
            oldest: entries.first().map(spot),
            newest: entries.last().map(spot),
            now: self.now,
            ..Stats::default()
        }
    }
}
