//! Keeping a queue's counts in step with the states of its messages.

use std::sync::atomic::{AtomicI64, Ordering};

use rusqlite::Connection;
use sukkal_plugin_sdk::{Lane, Timestamp};

use super::block::State;
use super::due::Due;
use super::ledger::Ledger;
use super::queue::Queue;

// Walks over all queues, some millions a second: kept in the file, what comes of it would be some pages
// more to write for each commit.
pub const ALL: &str = "SELECT slot, total + beside, wakes FROM tally";

/// What the file holds in all, as of the last commit.
#[derive(Debug, Default)]
pub struct Totals {
    queues: AtomicI64,
    messages: AtomicI64,
}

impl Totals {
    /// Adds to queues and messages.
    pub fn add(&self, change: (i64, i64)) {
        self.queues.fetch_add(change.0, Ordering::Relaxed);
        self.messages.fetch_add(change.1, Ordering::Relaxed);
    }

    /// Queues and messages.
    pub fn get(&self) -> (u64, u64) {
        let of = |count: &AtomicI64| u64::try_from(count.load(Ordering::Relaxed)).unwrap_or(0);
        (of(&self.queues), of(&self.messages))
    }
}

/// Counts all, and says when which queues fall due, when the file is opened.
///
/// # Errors
/// The driver's.
pub fn load(connection: &Connection, totals: &Totals) -> rusqlite::Result<Due> {
    let mut due = Vec::new();
    let mut all = (0, 0);
    let mut statement = connection.prepare(ALL)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        all = (all.0 + 1, all.1 + row.get::<_, i64>(1)?);
        due.push((Timestamp(row.get(2)?), row.get(0)?));
    }
    totals.add(all);
    Ok(Due::new(due))
}

/// A message has come into a lane in this state.
pub fn added(ledger: &mut Ledger, queue: &mut Queue, lane: Lane, state: State) {
    ledger.total(0, 1);
    queue.changed = true;
    if lane == Lane::Main {
        queue.tally.total += 1;
        shift(queue, state, 1);
    } else {
        queue.tally.beside += 1;
    }
}

/// A message has gone from a lane, in which it was in this state.
pub fn removed(ledger: &mut Ledger, queue: &mut Queue, lane: Lane, state: State) {
    ledger.total(0, -1);
    queue.changed = true;
    if lane == Lane::Main {
        queue.tally.total -= 1;
        shift(queue, state, -1);
    } else {
        queue.tally.beside -= 1;
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
