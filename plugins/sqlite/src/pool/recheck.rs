//! Holding the messages of a queue against its rule for dead letters: when that has changed, and where they
//! could not move, now and then.

use std::collections::HashMap;
use std::time::Duration;

use rusqlite::{Connection, params};
use sukkal_plugin_sdk::{Lane, QueueId, Swept, Timestamp};

use super::block::{Entry, State};
use super::id::{LaneKey, queue_id};
use super::ledger::Ledger;
use super::queue::Queue;
use super::{claim, dead_letter, settle};
use crate::error::Outcome;

// A queue that is being rechecked is due all the while. One whose rule was taken away still has what that had hidden.
pub const OVERDUE: &str = "SELECT id FROM queue JOIN tally USING (slot) \
    WHERE dead_queue IS NOT NULL AND wakes <= ?1 OR dead_queue IS NULL AND exhausted > 0";
pub const STUCK: &str = "SELECT id FROM queue JOIN tally USING (slot) WHERE dead_queue IS NOT NULL AND exhausted > 0";
pub const BLOCKS: &str = "SELECT key FROM block WHERE key >= ?1 AND key <= ?2 ORDER BY key LIMIT ?3";

/// It is done, as soon as the transaction is committed.
const DONE: i64 = i64::MAX;

/// How long after messages could not move it is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// What is to be rechecked.
#[derive(Debug, Default)]
pub struct Rechecks {
    /// The queues whose messages are to be held against their rules, and from which block on.
    under_way: HashMap<QueueId, i64>,
    /// Queues with messages that could not move, and when it is seen whether they can.
    stuck: HashMap<QueueId, Timestamp>,
    /// What this transaction has taken out of them: it is put back if that is rolled back.
    taken: HashMap<QueueId, Timestamp>,
}

impl Rechecks {
    /// Those that may not have come to their end when the file was closed.
    ///
    /// # Errors
    /// The driver's.
    pub fn load(connection: &Connection, now: Timestamp) -> rusqlite::Result<Rechecks> {
        let mut statement = connection.prepare(OVERDUE)?;
        let under_way = statement.query_map([now.0], |row| Ok((queue_id(row.get(0)?), 0)))?;
        let under_way = under_way.collect::<Result<_, _>>()?;
        let mut statement = connection.prepare(STUCK)?;
        let stuck = statement.query_map([], |row| Ok((queue_id(row.get(0)?), now)))?;
        Ok(Rechecks { under_way, stuck: stuck.collect::<Result<_, _>>()?, taken: HashMap::new() })
    }

    /// From the first block on.
    pub fn begin(&mut self, queue: QueueId) {
        self.under_way.insert(queue, 0);
    }

    /// Messages of a queue cannot move now.
    pub fn try_again(&mut self, queue: QueueId, now: Timestamp) {
        self.stuck.insert(queue, now.after(TRY_AGAIN));
    }

    /// When it is to be seen whether what is stuck in a queue can move.
    pub fn falls_due(&self, queue: QueueId) -> Timestamp {
        self.stuck.get(&queue).copied().unwrap_or(Timestamp::MAX)
    }

    /// There is nothing to hold against anything any more.
    pub fn end(&mut self, queue: QueueId) {
        self.take(queue);
        self.done(queue);
    }

    fn take(&mut self, queue: QueueId) {
        if let Some(due) = self.stuck.remove(&queue) {
            self.taken.entry(queue).or_insert(due);
        }
    }

    fn done(&mut self, queue: QueueId) {
        if let Some(from) = self.under_way.get_mut(&queue) {
            *from = DONE;
        }
    }

    /// The transaction is committed.
    pub fn committed(&mut self) {
        self.taken.clear();
        if !self.under_way.is_empty() {
            self.under_way.retain(|_, from| *from < DONE);
        }
    }

    /// The transaction is rolled back: what it has done is to be done again.
    pub fn forget(&mut self) {
        self.under_way.values_mut().for_each(|from| *from = 0);
        self.stuck.extend(self.taken.drain());
    }
}

/// Once in a while, whether what is stuck in a queue can move by now: one look for all of it.
///
/// # Errors
/// The driver's; `Corrupt`.
pub fn look(ledger: &mut Ledger, queue: &mut Queue, swept: &mut Swept) -> Outcome<()> {
    if ledger.rechecks.falls_due(queue.id) > ledger.now {
        return Ok(());
    }
    ledger.rechecks.take(queue.id);
    if queue.tally.exhausted == 0 {
        return Ok(());
    }
    if dead_letter::can_move(ledger, queue, 1)? {
        ledger.rechecks.begin(queue.id);
    } else {
        swept.stuck += queue.tally.exhausted.cast_unsigned();
        ledger.rechecks.try_again(queue.id, ledger.now);
    }
    Ok(())
}

/// Holds messages against the rule as it is now, in as many blocks as are left at the most, if that is to
/// be done; false, if there is more.
pub fn step(ledger: &mut Ledger, queue: &mut Queue, left: &mut usize, swept: &mut Swept) -> Outcome<bool> {
    let Some(from) = ledger.rechecks.under_way.get(&queue.id).copied().filter(|from| *from < DONE) else {
        return Ok(true);
    };
    let lane = LaneKey::new(queue.slot, Lane::Main);
    ledger.blocks.write(&ledger.connection)?;
    let mut keys = closed(&ledger.connection, lane, from, *left)?;
    let more = keys.len() >= *left;
    *left -= keys.len().min(*left);
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
        Some(last) => drop(ledger.rechecks.under_way.insert(queue.id, last + 1)),
        None => ledger.rechecks.done(queue.id),
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
