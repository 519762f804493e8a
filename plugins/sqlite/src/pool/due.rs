//! When queues fall due, in memory: an index in the file was a page or two of each commit.
//!
//! A queue's row says when it falls due, and is written whenever that changes; so this is made anew from
//! the rows when the file is opened.

use std::collections::BTreeSet;

use sukkal_plugin_sdk::Timestamp;

/// The slots of queues in which something falls due, in the order of that, as of the last commit: some 20
/// bytes each.
#[derive(Debug, Default)]
pub struct Due {
    order: BTreeSet<(Timestamp, u32)>,
    /// To be taken out once the transaction is committed.
    dropped: Vec<(Timestamp, u32)>,
}

impl Due {
    /// What the rows say: when each queue falls due, and its slot; [`Timestamp::MAX`] is never.
    pub fn new(rows: Vec<(Timestamp, u32)>) -> Due {
        Due { order: rows.into_iter().filter(|(due, _)| *due < Timestamp::MAX).collect(), dropped: Vec::new() }
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

    /// The first queues that fall due by an instant.
    pub fn by(&self, until: Timestamp, limit: usize) -> Vec<u32> {
        self.order.iter().take_while(|(due, _)| *due <= until).map(|(_, slot)| *slot).take(limit).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_come_in_the_order_in_which_they_fall_due() {
        let (mut due, never) = (Due::default(), Timestamp::MAX);
        due.put(1, never, Timestamp(30));
        due.put(2, never, Timestamp(20));
        due.put(3, never, Timestamp(10));
        assert_eq!(due.by(Timestamp(20), 9), [3, 2]);
        let read = Due::new(vec![(Timestamp(30), 1), (never, 4), (Timestamp(20), 2), (Timestamp(10), 3)]);
        assert_eq!(read.order, due.order);
        due.put(3, Timestamp(10), Timestamp(40));
        due.put(2, Timestamp(20), never);
        assert_eq!((due.by(Timestamp(40), 9), due.by(never, 1)), (vec![1, 3], vec![1]));
    }

    #[test]
    fn a_queue_that_is_removed_is_out_once_that_is_committed() {
        let mut due = Due::default();
        due.put(1, Timestamp::MAX, Timestamp(10));
        due.drop(1, Timestamp(10));
        due.forget();
        due.committed();
        assert_eq!(due.by(Timestamp(10), 9), [1]);
        due.drop(1, Timestamp(10));
        due.committed();
        assert!(due.by(Timestamp::MAX, 9).is_empty());
    }
}
