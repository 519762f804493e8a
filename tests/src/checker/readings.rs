//! What readers who follow the queue by a marker were shown: each message once, none passed over.

use std::collections::HashSet;
use std::ops::Bound;
use std::time::Instant;

use super::ledger::{Ledger, Number};

/// How far one reader has come.
#[derive(Debug, Default)]
pub struct Reading {
    /// The last id that it was shown.
    pub marker: Option<String>,
    /// Each number that it was shown.
    pub seen: HashSet<Number>,
}

/// A page that a reader asks for.
#[derive(Debug)]
pub struct Ask {
    reader: usize,
    incarnation: u64,
    asked: Instant,
    /// After what.
    pub marker: Option<String>,
}

impl Ledger {
    /// A reader who begins at the front.
    pub fn reader(&mut self) -> usize {
        self.readings.push(Reading::default());
        self.readings.len() - 1
    }

    /// A reader is about to read on.
    pub fn asking(&self, reader: usize) -> Ask {
        let marker = self.readings[reader].marker.clone();
        Ask { reader, incarnation: self.incarnation, asked: Instant::now(), marker }
    }

    /// The page came; whether the reader has come any further. One of a queue that is deleted meanwhile, or
    /// already another, tells nothing.
    pub fn page(&mut self, ask: &Ask, messages: &[(Number, String)]) -> bool {
        if ask.incarnation != self.incarnation || self.is_being_deleted() {
            return false;
        }
        let mut last = ask.marker.clone();
        for (number, id) in messages {
            self.shown(*number, id);
            if last.as_ref().is_some_and(|last| last >= id) {
                self.broken(format!("reader {} is shown {id} after {last:?}", ask.reader));
            }
            last = Some(id.clone());
            let Some(message) = self.messages.get(number) else { continue };
            let (expected, deleted) = (!message.forfeit, message.deleted.is_some_and(|deleted| deleted < ask.asked));
            if !self.readings[ask.reader].seen.insert(*number) && expected {
                self.broken(format!("message {number} ({id}) was shown twice to reader {}", ask.reader));
            }
            if deleted {
                self.broken(format!("message {number} ({id}) was shown to reader {} after its deletion", ask.reader));
            }
        }
        self.check_passed(ask.reader, ask.marker.as_deref(), last.as_deref());
        let further = last > ask.marker;
        self.readings[ask.reader].marker = last;
        further
    }

    /// Whatever lies on the way of a page must have been on it.
    fn check_passed(&mut self, reader: usize, from: Option<&str>, to: Option<&str>) {
        let Some(to) = to.filter(|to| from.is_none_or(|from| from < *to)) else { return };
        let from = from.map_or(Bound::Unbounded, Bound::Excluded);
        let on_the_way = self.ids.range::<str, _>((from, Bound::Included(to)));
        let passed = on_the_way.filter(|(_, number)| self.is_missed_by(reader, **number));
        let passed: Vec<_> = passed.map(|(id, number)| (id.clone(), *number)).collect();
        for (id, number) in passed {
            self.broken(format!("message {number} ({id}) was passed over by reader {reader}"));
        }
    }

    /// What a post stored must not lie behind anybody's marker.
    pub(super) fn check_readers_of(&mut self, number: Number, id: &str) {
        for reader in 0..self.readings.len() {
            let passed = self.readings[reader].marker.as_deref().is_some_and(|marker| marker >= id);
            if passed && self.is_missed_by(reader, number) {
                self.broken(format!("message {number} ({id}) came behind the marker of reader {reader}"));
            }
        }
    }

    fn is_missed_by(&self, reader: usize, number: Number) -> bool {
        let there = self.messages.get(&number).is_some_and(|message| !self.may_be_absent(message));
        there && !self.readings[reader].seen.contains(&number)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        ledger.reader();
        let numbers = ledger.posting(3, Duration::ZERO);
        ledger.posted(numbers, vec!["a".into(), "b".into(), "c".into()]);
        ledger
    }

    fn read(ledger: &mut Ledger, shown: &[(Number, &str)]) -> usize {
        let ask = ledger.asking(0);
        let shown: Vec<_> = shown.iter().map(|(number, id)| (*number, (*id).to_owned())).collect();
        ledger.page(&ask, &shown);
        ledger.violations.len()
    }

    #[test]
    fn who_is_shown_everything_once_has_no_complaint() {
        let mut ledger = ledger();
        assert_eq!(read(&mut ledger, &[(0, "a"), (1, "b")]), 0);
        assert_eq!(read(&mut ledger, &[(2, "c")]), 0);
        assert_eq!(read(&mut ledger, &[]), 0);
    }

    #[test]
    fn what_is_passed_over_is_noticed_at_once() {
        let mut ledger = ledger();
        assert_eq!(read(&mut ledger, &[(0, "a"), (2, "c")]), 1);
        let numbers = ledger.posting(1, Duration::ZERO);
        ledger.posted(numbers, vec!["bb".into()]);
        assert!(ledger.violations.iter().any(|what| what.contains("behind the marker")), "{:?}", ledger.violations);
    }

    #[test]
    fn what_a_consumer_deletes_may_be_missing() {
        let mut ledger = ledger();
        ledger.deleting(1);
        assert_eq!(read(&mut ledger, &[(0, "a"), (2, "c")]), 0);
    }

    #[test]
    fn what_is_repeated_or_out_of_order_is_noticed() {
        let mut again = ledger();
        assert_eq!(read(&mut again, &[(0, "a"), (1, "b")]), 0);
        assert_eq!(read(&mut again, &[(1, "b"), (2, "c")]), 2, "it is shown twice, and not after the marker");
        let mut mixed = ledger();
        assert_eq!(read(&mut mixed, &[(1, "b"), (0, "a"), (2, "c")]), 1);
    }

    #[test]
    fn a_message_that_is_deleted_is_not_shown() {
        let mut ledger = ledger();
        ledger.deleting(0);
        ledger.deleted(0, true);
        assert_eq!(read(&mut ledger, &[(0, "a"), (1, "b"), (2, "c")]), 1);
    }
}
