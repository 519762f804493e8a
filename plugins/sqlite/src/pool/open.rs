//! The open block: the last one of a main lane, into which the next message comes.
//!
//! It lies in the row of its queue's counts, which change with it: so a post writes one row of its
//! queue, and the rows of many queues share a page. Once its places are given out it is closed: it
//! becomes a row of the table of blocks, and the indexes name it.

use rusqlite::Connection;
use sukkal_plugin_sdk::{Lane, Place};

use super::block::Block;
use super::id::LaneKey;
use crate::error::Outcome;

pub const GET: &str = "SELECT next_place, open FROM tally WHERE slot = ?1";
pub const PUT: &str = "UPDATE tally SET open = ?2 WHERE slot = ?1";

/// The key of a queue's open block: that in which the last place lies that was given out.
pub fn key(slot: u32, next_place: u64) -> i64 {
    LaneKey::new(slot, Lane::Main).block(Place(next_place.saturating_sub(1)))
}

/// What a new queue's row says of it: a row is made as long as the first message makes it, so that
/// its page is full from the beginning, and not taken apart as one queue after the other is used.
pub fn empty() -> Vec<u8> {
    let mut data = Vec::new();
    Block::default().encode(&mut data);
    data
}

/// Reads a queue's open block, which may be empty, with its key. `None`: there is no such queue.
///
/// # Errors
/// The driver's; `Corrupt`.
pub fn get(connection: &Connection, slot: u32) -> Outcome<Option<(i64, Block)>> {
    let mut statement = connection.prepare_cached(GET)?;
    let mut rows = statement.query([slot])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let key = key(slot, row.get::<_, i64>(0)?.cast_unsigned());
    let block = Block::decode(row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?)?;
    Ok(Some((key, block)))
}
