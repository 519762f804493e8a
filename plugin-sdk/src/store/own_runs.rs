//! Runs of one client's messages, remembered: who lists what others posted walks past its own once.
//!
//! Places are given out in order, so nobody's new message comes to lie in a run. What a claim or a
//! delay held comes back in its old place; the queue counts how often that happened (its version), and
//! a listing skips a run only if it has not happened since.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::QueueId;

/// Runs that are remembered at once; beyond that all are forgotten, and found again.
const KEPT: usize = 4096;

/// For each queue and client, places between which all that is listed is the client's own. Bounded: when
/// there are too many, all are forgotten, and found again.
#[derive(Debug, Default)]
pub struct OwnRuns(Mutex<HashMap<(QueueId, String), Run>>);

/// A run: what is after one place and not after another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// The place that it begins after; -1 for the queue's beginning.
    pub from: i64,
    /// Its last place.
    pub to: i64,
    /// The queue's version when it was found.
    pub version: i64,
    /// When its last message was posted, on the store's clock: after a failover that has lost the last places they
    /// are given out again, to later messages. 0 in a store that loses none.
    pub newest: i64,
}

impl OwnRuns {
    /// A client's run in a queue.
    pub fn get(&self, queue: QueueId, client: &str) -> Option<Run> {
        self.lock().get(&(queue, client.to_owned())).copied()
    }

    /// Remembers a run, joined with the one before where they touch.
    pub fn keep(&self, queue: QueueId, client: &str, run: Run) {
        let mut known = self.lock();
        if known.len() >= KEPT {
            known.clear();
        }
        let known = known.entry((queue, client.to_owned())).or_insert(run);
        let touch = known.version == run.version && run.from <= known.to && known.from <= run.to;
        *known = match touch {
            true => Run {
                from: known.from.min(run.from),
                to: known.to.max(run.to),
                newest: known.newest.max(run.newest),
                ..run
            },
            false => run,
        };
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(QueueId, String), Run>> {
        // Nothing under this lock can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_touch_are_joined_unless_something_came_back_meanwhile() {
        let runs = OwnRuns::default();
        let run = |from, to, version| Run { from, to, version, newest: to };
        runs.keep(QueueId(1), "c", run(-1, 10, 0));
        runs.keep(QueueId(1), "c", run(10, 20, 0));
        assert_eq!(runs.get(QueueId(1), "c"), Some(run(-1, 20, 0)));
        assert_eq!(runs.get(QueueId(2), "c"), None);
        runs.keep(QueueId(1), "c", run(20, 30, 1));
        assert_eq!(runs.get(QueueId(1), "c"), Some(run(20, 30, 1)));
    }
}
