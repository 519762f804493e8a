//! What can be the case with a document of a queue.

use std::ops::{Index, IndexMut};

use mongodb::bson::{Bson, Document, doc};
use sukkal_plugin_sdk::Lane;

/// What is the case with a message: one of these, in its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Can be listed, claimed and popped.
    Ready,
    /// Hidden until its delay ends.
    Delayed,
    /// Held by a claim.
    Claimed,
    /// Has used up its claims, and waits for its dead letter queue.
    Exhausted,
}

/// The states that messages of the main lane can be in.
pub const MAIN: [State; 4] = [State::Ready, State::Delayed, State::Claimed, State::Exhausted];
/// A claim.
pub const CLAIM: &str = "C";
/// A claim that holds nothing any more.
pub const EMPTIED: &str = "E";
/// A post's key.
pub const KEY: &str = "K";
/// A queue's header.
pub const HEADER: &str = "H";

/// Every lane with every state, as documents have it.
const CODES: [(&str, Lane, State); 8] = [
    ("0r", Lane::Main, State::Ready),
    ("0d", Lane::Main, State::Delayed),
    ("0c", Lane::Main, State::Claimed),
    ("0e", Lane::Main, State::Exhausted),
    ("1r", Lane::Outbox, State::Ready),
    ("1d", Lane::Outbox, State::Delayed),
    ("2r", Lane::Retry, State::Ready),
    ("2d", Lane::Retry, State::Delayed),
];

/// As documents have it. In the lanes beside the main one a message is ready or delayed.
pub fn code(lane: Lane, state: State) -> &'static str {
    CODES[position(lane, state)].0
}

/// What a document says.
pub fn of_code(code: &str) -> Option<(Lane, State)> {
    CODES.iter().find(|known| known.0 == code).map(|known| (known.1, known.2))
}

/// All that falls due by itself: messages and claims. (Keys are removed by the server.)
pub fn timed() -> Vec<&'static str> {
    CODES.iter().map(|known| known.0).chain([CLAIM, EMPTIED]).collect()
}

/// Whether a document is of a kind.
pub fn is(document: &Document, kind: &str) -> bool {
    document.get_str("s").is_ok_and(|its| its == kind)
}

fn position(lane: Lane, state: State) -> usize {
    match (lane, state) {
        (Lane::Main, state) => state as usize,
        (Lane::Outbox, State::Delayed) => 5,
        (Lane::Outbox, _) => 4,
        (Lane::Retry, State::Delayed) => 7,
        (Lane::Retry, _) => 6,
    }
}

/// How many messages there are in each state, so that nobody need count them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts([i64; CODES.len()]);

impl Counts {
    /// As the header has them.
    pub fn read(document: &Document) -> Counts {
        Counts(CODES.map(|known| document.get_i64(known.0).unwrap_or(0)))
    }

    /// For the header.
    pub fn document(&self) -> Bson {
        let mut document = doc! {};
        for (known, count) in CODES.iter().zip(self.0).filter(|(_, count)| *count != 0) {
            document.insert(known.0, count);
        }
        document.into()
    }

    /// In all lanes.
    pub fn all(&self) -> i64 {
        self.0.iter().sum()
    }
}

impl Index<(Lane, State)> for Counts {
    type Output = i64;

    fn index(&self, (lane, state): (Lane, State)) -> &i64 {
        &self.0[position(lane, state)]
    }
}

impl IndexMut<(Lane, State)> for Counts {
    fn index_mut(&mut self, (lane, state): (Lane, State)) -> &mut i64 {
        &mut self.0[position(lane, state)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_read_as_they_are_written() {
        for (text, lane, state) in CODES {
            assert_eq!((code(lane, state), of_code(text)), (text, Some((lane, state))));
        }
    }
}
