//! Holding the messages of a queue against a rule for dead letters that has changed.

use std::collections::HashMap;

use rusqlite::{Connection, params};
use sukkal_plugin_sdk::{Lane, QueueId, Swept, Timestamp};

use super::block::{Entry, State};
use super::id::{LaneKey, queue_id};
use super::ledger::Ledger;
use super::queue::Queue;
use super::{claim, settle};
use crate::error::Outcome;

// A queue that is being rechecked is due all the while.
pub const OVERDUE: &str = "SELECT id FROM queue JOIN tally USING (slot) WHERE dead_queue IS NOT NULL AND wakes <= ?1";
pub const BLOCKS: &str = "SELECT key FROM block WHERE key >= ?1 AND key <= ?2 ORDER BY key LIMIT ?3";

/// It is done, as soon as the transaction is committed.
const DONE: i64 = i64::MAX;

/// The queues whose messages are to be held against their rules, and from which block on.
#[derive(Debug, Default)]
pub struct Rechecks(HashMap<QueueId, i64>);

impl Rechecks {
    /// Those that may not have come to their end when the file was closed.
    ///
    /// # Errors
    /// The driver's.
    pub fn load(connection: &Connection, now: Timestamp) -> rusqlite::Result<Rechecks> {
        let mut statement = connection.prepare(OVERDUE)?;
        let queues = statement.query_map([now.0], |row| Ok((queue_id(row.get(0)?), 0)))?;
        Ok(Rechecks(queues.collect::<Result<_, _>>()?))
    }

    /// From the first block on.
    pub fn begin(&mut self, queue: QueueId) {
        self.0.insert(queue, 0);
    }

    /// There is nothing to hold against anything any more.
    pub fn end(&mut self, queue: QueueId) {
        if let Some(from) = self.0.get_mut(&queue) {
            *from = DONE;
        }
    }

    /// The transaction is committed.
    pub fn committed(&mut self) {
        if !self.0.is_empty() {
            self.0.retain(|_, from| *from < DONE);
        }
    }

    /// The transaction is rolled back: what it has done is to be done again.
    pub fn forget(&mut self) {
        self.0.values_mut().for_each(|from| *from = 0);
    }
}

/// Holds messages against the rule as it is now, in so many blocks at the most, if that is to be done;
/// false, if there is more.
pub fn step(ledger: &mut Ledger, queue: &mut Queue, limit: usize, swept: &mut Swept) -> Outcome<bool> {
    let Some(from) = ledger.rechecks.0.get(&queue.id).copied().filter(|from| *from < DONE) else { return Ok(true) };
    let lane = LaneKey::new(queue.slot, Lane::Main);
    ledger.blocks.write(&ledger.connection)?;
    let mut keys = closed(&ledger.connection, lane, from, limit)?;
    let more = keys.len() >= limit;
    if !more {
        keys.push(queue.open_block());
    }
    for key in &keys {
        let block = ledger.blocks.get(&ledger.connection, *key)?;
        if block.is_some_and(|block| block.entries().iter().any(|entry| is_concerned(queue, entry))) {
            settle::settle_block(ledger, queue, Lane::Main, *key, swept)?;
        }
    }
    match keys.last().filter(|_| more) {
        Some(last) => drop(ledger.rechecks.0.insert(queue.id, last + 1)),
        None => ledger.rechecks.end(queue.id),
    }
    Ok(!more)
}

/// Whether the rule makes something else of a message: also one that could not move may do so now.
fn is_concerned(queue: &Queue, entry: &Entry) -> bool {
    match entry.state {
        State::Ready | State::Delayed => claim::exhausted(queue, entry),
        State::Exhausted => true,
        State::Claimed => false,
    }
}

fn closed(connection: &Connection, lane: LaneKey, from: i64, limit: usize) -> Outcome<Vec<i64>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let from = from.max(lane.first_block());
    let mut statement = connection.prepare_cached(BLOCKS)?;
    let keys = statement.query_map(params![from, lane.last_block(), limit], |row| row.get(0))?;
    Ok(keys.collect::<Result<_, _>>()?)
}
