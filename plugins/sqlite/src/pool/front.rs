//! The front of a queue: the blocks of its main lane that are claimed from.
//!
//! Each claim changes their states, and so does each deletion after it. Among the other blocks, every queue would have
//! pages of its own to write for that. So while a block is at the front, its states lie in a table in which those of
//! many queues share a page. Its row among the blocks stays as it was and stands for
//! it in the indexes: it says that there are ready messages, though there may be none by now, and it may say of
//! the next wake too late an instant. So whoever looks for what is due looks into the front, too.

use rusqlite::{Connection, params};

use super::id::LaneKey;
use super::ledger::Ledger;
use super::queue::Queue;
use crate::error::Outcome;
use crate::reserve::Leaves;

pub const PUT: &str = "INSERT OR REPLACE INTO front (key, data) VALUES (?1, ?2)";
pub const DELETE: &str = "DELETE FROM front WHERE key = ?1";
pub const KEYS: &str = "SELECT key FROM front WHERE key >= ?1 AND key <= ?2";

/// Blocks of one queue: that which is claimed from, and that before, of which messages are still held.
const MOST: usize = 2;

/// Notes that messages of a block were just claimed.
///
/// # Errors
/// The driver's; `Corrupt`.
pub fn claimed_from(ledger: &mut Ledger, queue: &mut Queue, key: i64) -> Outcome<()> {
    // It has its row: a second place for it can be put off until the file has room.
    if ledger.sparing || !ledger.blocks.bring_to_front(key) {
        return Ok(());
    }
    ledger.leave(Leaves::Half);
    queue.front.retain(|known| *known != key);
    queue.front.push(key);
    if queue.front.len() > MOST {
        ledger.blocks.take_from_front(&ledger.connection, queue.front.remove(0))?;
    }
    Ok(())
}

/// The blocks of a main lane that are at the front.
///
/// # Errors
/// The driver's.
pub fn keys(connection: &Connection, lane: LaneKey) -> Outcome<Vec<i64>> {
    let mut statement = connection.prepare_cached(KEYS)?;
    let keys = statement.query_map([lane.first_block(), lane.last_block()], |row| row.get(0))?;
    Ok(keys.collect::<Result<_, _>>()?)
}

/// Writes the states of a block that is at the front.
///
/// # Errors
/// The driver's.
pub fn put(connection: &Connection, key: i64, data: &[u8]) -> Outcome<()> {
    connection.prepare_cached(PUT)?.execute(params![key, data])?;
    Ok(())
}

/// Forgets a block that is no longer there.
///
/// # Errors
/// The driver's.
pub fn delete(connection: &Connection, key: i64) -> Outcome<()> {
    connection.prepare_cached(DELETE)?.execute([key])?;
    Ok(())
}
