//! When queues fall due, in memory: an index in the file was a page or two of each commit.
//!
//! A queue's row says when it falls due, and is written whenever that changes; so this is made anew from
//! the rows when the file is opened.

use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Unbounded};

use sukkal_plugin_sdk::Timestamp;

/// The slots of queues in which something falls due, in the order of that, as of the last commit: some 20
/// bytes each.
#[derive(Debug, Default)]
pub struct Due {
    order: BTreeSet<(Timestamp, u32)>,
    /// The last one that has had its turn.
    last: Option<(Timestamp, u32)>,
    /// To be taken out once the transaction is committed.
    dropped: Vec<(Timestamp, u32)>,
}

impl Due {
    /// What the rows say: when each queue falls due, and its slot; [`Timestamp::MAX`] is never.
    pub fn new(rows: Vec<(Timestamp, u32)>) -> Due {
        Due { order: rows.into_iter().filter(|(due, _)| *due < Timestamp::MAX).collect(), ..Due::default() }
    }

    /// Says that a queue, which fell due at one instant, does so at another.
    pub fn put(&mut self, slot: u32, before: Timestamp, after: Timestamp) {
        if before == after {
            return;
        }
        self.order.remove(&(before, slot));
        if after < Timestamp::MAX {
            self.order.insert((after, slot));
        }
    }

    /// Says that a queue is removed by this transaction.
    pub fn drop(&mut self, slot: u32, before: Timestamp) {
        self.dropped.push((before, slot));
    }

    /// The transaction is committed.
    pub fn committed(&mut self) {
        for dropped in self.dropped.drain(..) {
            self.order.remove(&dropped);
        }
    }

    /// The transaction is rolled back.
    pub fn forget(&mut self) {
        self.dropped.clear();
    }

    /// The next queues of those that fall due by an instant: they take turns, so that one in which much is
    /// to be done holds up no others.
    pub fn next(&self, until: Timestamp, limit: usize) -> Vec<(Timestamp, u32)> {
        let is_due = |(due, _): &&(Timestamp, u32)| *due <= until;
        let behind = self.last.map(|last| self.order.range((Excluded(last), Unbounded)).take_while(is_due));
        let before = self.order.iter().take_while(|at| is_due(at) && self.last.is_none_or(|last| **at <= last));
        behind.into_iter().flatten().chain(before).take(limit).copied().collect()
    }

    /// Says that one of these has had its turn.
    pub fn had_its_turn(&mut self, queue: (Timestamp, u32)) {
        self.last = Some(queue);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(queues: Vec<(Timestamp, u32)>) -> Vec<u32> {
        queues.into_iter().map(|(_, slot)| slot).collect()
    }

    #[test]
    fn queues_come_in_the_order_in_which_they_fall_due() {
        let (mut due, never) = (Due::default(), Timestamp::MAX);
        due.put(1, never, Timestamp(30));
        due.put(2, never, Timestamp(20));
        due.put(3, never, Timestamp(10));
        assert_eq!(slots(due.next(Timestamp(20), 9)), [3, 2]);
        let read = Due::new(vec![(Timestamp(30), 1), (never, 4), (Timestamp(20), 2), (Timestamp(10), 3)]);
        assert_eq!(read.order, due.order);
        due.put(3, Timestamp(10), Timestamp(40));
        due.put(2, Timestamp(20), never);
        assert_eq!(slots(due.next(Timestamp(40), 9)), [1, 3]);
        assert_eq!(slots(due.next(never, 1)), [1]);
    }

    #[test]
    fn queues_take_turns() {
        let mut due = Due::new((1..=4).map(|slot| (Timestamp(10), slot)).collect());
        due.put(5, Timestamp::MAX, Timestamp(30));
        due.had_its_turn((Timestamp(10), 3));
        assert_eq!(slots(due.next(Timestamp(20), 3)), [4, 1, 2]);
        assert_eq!(slots(due.next(Timestamp(30), 9)), [4, 5, 1, 2, 3]);
        // It need not be there any more.
        due.put(3, Timestamp(10), Timestamp::MAX);
        assert_eq!(slots(due.next(Timestamp(20), 9)), [4, 1, 2]);
        due.had_its_turn((Timestamp(30), 5));
        assert_eq!(slots(due.next(Timestamp(20), 9)), [1, 2, 4]);
    }

    #[test]
    fn a_queue_that_is_removed_is_out_once_that_is_committed() {
        let mut due = Due::default();
        due.put(1, Timestamp::MAX, Timestamp(10));
        due.drop(1, Timestamp(10));
        due.forget();
        due.committed();
        assert_eq!(slots(due.next(Timestamp(10), 9)), [1]);
        due.drop(1, Timestamp(10));
        due.committed();
        assert!(due.next(Timestamp::MAX, 9).is_empty());
    }
}
