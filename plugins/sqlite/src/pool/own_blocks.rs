//! Runs of one client's messages, remembered: who lists what others posted walks past its own once.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sukkal_plugin_sdk::QueueId;

use super::block::Block;

/// Runs that are remembered at once; beyond that all are forgotten, and found again.
const KEPT: usize = 4096;

/// For each queue and client, blocks in a row all of whose messages are the client's own.
///
/// What is true of such a run stays true: places are given out in order, so nobody's message comes
/// to lie in it. Only an import fills places of the past.
#[derive(Default)]
pub struct OwnBlocks(Mutex<Known>);

#[derive(Default)]
struct Known {
    runs: HashMap<(QueueId, String), Run>,
    /// Rises when all is forgotten: what a reader found before that is not remembered.
    age: u64,
}

/// Keys of blocks, the last one excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    pub from: i64,
    pub to: i64,
}

impl OwnBlocks {
    /// Where a listing that begins at a block may begin instead.
    pub fn skip(&self, queue: QueueId, client: &str, block: i64) -> i64 {
        let known = self.lock();
        let run = known.runs.get(&(queue, client.to_owned())).filter(|run| (run.from..run.to).contains(&block));
        run.map_or(block, |run| run.to)
    }

    /// How often all was forgotten; see [`OwnBlocks::keep`].
    pub fn age(&self) -> u64 {
        self.lock().age
    }

    /// Remembers a run, joined with the one before where they touch; unless all was forgotten since
    /// the age at which the reader began.
    pub fn keep(&self, queue: QueueId, client: &str, run: Run, age: u64) {
        let mut known = self.lock();
        if run.from >= run.to || known.age != age {
            return;
        }
        if known.runs.len() >= KEPT {
            known.runs.clear();
        }
        let known = known.runs.entry((queue, client.to_owned())).or_insert(run);
        let touch = run.from <= known.to && known.from <= run.to;
        *known = if touch { Run { from: known.from.min(run.from), to: known.to.max(run.to) } } else { run };
    }

    /// Forgets everything.
    pub fn clear(&self) {
        let mut known = self.lock();
        known.runs.clear();
        known.age += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Nothing under this lock can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Follows a walk over blocks, and tells how far from its beginning all is one client's own.
pub struct Walk<'a> {
    client: &'a str,
    run: Run,
    /// The block that must be met next, while the run is unbroken.
    next: Option<i64>,
}

impl<'a> Walk<'a> {
    /// A walk that begins at a block.
    pub fn begin(client: &'a str, block: i64) -> Self {
        Walk { client, run: Run { from: block, to: block }, next: Some(block) }
    }

    /// The walk comes to a block. One that it passed over may hold what is hidden and not the
    /// client's, and the last block of a queue is not full yet: so a run goes from block to very
    /// next block, and a block belongs to it once the one behind it is met.
    pub fn meet(&mut self, key: i64, block: &Block) {
        self.next = self.next.filter(|next| *next == key).and_then(|_| {
            self.run.to = key;
            let own = block.entries().iter().all(|entry| block.client(entry) == self.client);
            own.then_some(key + 1)
        });
    }

    /// The run.
    pub fn end(self) -> Run {
        self.run
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_touch_are_one_and_are_skipped() {
        let (runs, queue) = (OwnBlocks::default(), QueueId(1));
        runs.keep(queue, "c", Run { from: 3, to: 7 }, 0);
        runs.keep(queue, "c", Run { from: 7, to: 9 }, 0);
        let skipped = [2, 3, 8, 9].map(|block| runs.skip(queue, "c", block));
        assert_eq!(skipped, [2, 9, 9, 9]);
        assert_eq!(runs.skip(queue, "d", 3), 3, "another client's");
        assert_eq!(runs.skip(QueueId(2), "c", 3), 3, "another queue's");
        runs.keep(queue, "c", Run { from: 20, to: 21 }, 0);
        assert_eq!(runs.skip(queue, "c", 3), 3, "the latest of those that lie apart is kept");
        runs.keep(queue, "c", Run { from: 5, to: 5 }, 0);
        assert_eq!(runs.skip(queue, "c", 20), 21, "an empty one is none");
        runs.clear();
        runs.keep(queue, "c", Run { from: 20, to: 21 }, 0);
        assert_eq!(runs.skip(queue, "c", 20), 20, "what was found before all was forgotten");
    }
}
