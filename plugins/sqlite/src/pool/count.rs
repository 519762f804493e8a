//! Keeping a queue's counts in step with the states of its messages.

use sukkal_plugin_sdk::Lane;

use super::block::State;
use super::ledger::Ledger;
use super::queue::Queue;

/// A message has come into a lane in this state.
pub fn added(ledger: &mut Ledger, queue: &mut Queue, lane: Lane, state: State) {
    ledger.total(0, 1);
    queue.changed = true;
    if lane == Lane::Main {
        queue.tally.total += 1;
        shift(queue, state, 1);
    }
}

/// A message has gone from a lane, in which it was in this state.
pub fn removed(ledger: &mut Ledger, queue: &mut Queue, lane: Lane, state: State) {
    ledger.total(0, -1);
    queue.changed = true;
    if lane == Lane::Main {
        queue.tally.total -= 1;
        shift(queue, state, -1);
    }
}

/// A message has gone from one state to another.
pub fn turned(queue: &mut Queue, lane: Lane, from: State, to: State) {
    if from != to && lane == Lane::Main {
        shift(queue, from, -1);
        shift(queue, to, 1);
        queue.changed = true;
    }
}

fn shift(queue: &mut Queue, state: State, by: i64) {
    match state {
        State::Claimed => queue.tally.claimed += by,
        State::Exhausted => queue.tally.exhausted += by,
        State::Ready | State::Delayed => {}
    }
}
