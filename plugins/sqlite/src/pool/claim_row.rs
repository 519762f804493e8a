//! The claims' table. Which of its places a claim still holds, the blocks say.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};
use sukkal_plugin_sdk::{ClaimId, Extensions, Place, QueueId, Timestamp};

use super::id::{queue_id, queue_key};
use super::queue::{self, Queue};
use super::varint;
use crate::error::Outcome;

pub const GET: &str = "SELECT queue, generation, renewed, ttl, ends, places, extensions FROM claim WHERE id = ?1";
pub const PUT: &str = "INSERT OR REPLACE INTO claim (id, queue, generation, renewed, ttl, ends, places, extensions) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
pub const RENEW: &str = "UPDATE claim SET renewed = ?2, ttl = ?3, ends = ?4 WHERE id = ?1";
pub const PROLONG: &str = "UPDATE claim SET ends = max(ends, ?2) WHERE id = ?1";
pub const DELETE: &str = "DELETE FROM claim WHERE id = ?1";
pub const DELETE_ENDED: &str =
    "DELETE FROM claim WHERE id IN (SELECT id FROM claim WHERE ends <= ?1 ORDER BY ends LIMIT ?2)";

/// What the table says of a claim.
#[derive(Clone, Debug)]
pub struct Kept {
    pub queue: QueueId,
    pub generation: i64,
    pub renewed: Timestamp,
    pub ttl: i64,
    pub ends: Timestamp,
    pub places: Vec<Place>,
    pub extensions: Extensions,
}

/// The writer's side: what a transaction claims is written at its end. While nothing is written yet,
/// SQLite reads the bodies that are claimed straight from the file, past its page cache.
#[derive(Default)]
pub struct Claims(BTreeMap<ClaimId, Kept>);

impl Claims {
    /// A claim, alive or not.
    ///
    /// # Errors
    /// The driver's.
    pub fn get(&self, connection: &Connection, id: ClaimId) -> Outcome<Option<Kept>> {
        match self.0.get(&id) {
            Some(kept) => Ok(Some(kept.clone())),
            None => get(connection, id),
        }
    }

    /// A claim of this queue, if it lives.
    ///
    /// # Errors
    /// The driver's.
    pub fn live(&self, connection: &Connection, queue: &Queue, id: ClaimId, now: Timestamp) -> Outcome<Option<Kept>> {
        let kept = self.get(connection, id)?;
        Ok(kept.filter(|kept| kept.is_live(queue.id, queue.tally.generation, now)))
    }

    /// Makes or replaces a claim.
    pub fn put(&mut self, id: ClaimId, kept: Kept) {
        self.0.insert(id, kept);
    }

    /// Writes all.
    ///
    /// # Errors
    /// The driver's.
    pub fn write(&mut self, connection: &Connection) -> Outcome<()> {
        while let Some((id, kept)) = self.0.pop_first() {
            put(connection, id, &kept)?;
        }
        Ok(())
    }

    /// Drops all that is in memory.
    pub fn forget(&mut self) {
        self.0.clear();
    }
}

impl Kept {
    fn is_live(&self, queue: QueueId, generation: i64, now: Timestamp) -> bool {
        self.queue == queue && self.generation == generation && self.ends > now
    }
}

/// A claim of this queue, if it lives.
///
/// # Errors
/// The driver's.
pub fn live(
    connection: &Connection,
    queue: QueueId,
    generation: i64,
    id: ClaimId,
    now: Timestamp,
) -> Outcome<Option<Kept>> {
    Ok(get(connection, id)?.filter(|kept| kept.is_live(queue, generation, now)))
}

fn get(connection: &Connection, id: ClaimId) -> Outcome<Option<Kept>> {
    let mut statement = connection.prepare_cached(GET)?;
    Ok(statement.query_row([&id.0.to_be_bytes()[..]], kept).optional()?)
}

fn kept(row: &Row<'_>) -> rusqlite::Result<Kept> {
    Ok(Kept {
        queue: queue_id(row.get(0)?),
        generation: row.get(1)?,
        renewed: Timestamp(row.get(2)?),
        ttl: row.get(3)?,
        ends: Timestamp(row.get(4)?),
        places: read_places(row.get_ref(5)?.as_blob()?),
        extensions: row.get_ref(6)?.as_blob_or_null()?.map(Extensions::from_bytes).unwrap_or_default(),
    })
}

fn put(connection: &Connection, id: ClaimId, claim: &Kept) -> Outcome<()> {
    let places = write_places(&claim.places);
    connection.prepare_cached(PUT)?.execute(params![
        &id.0.to_be_bytes()[..],
        queue_key(claim.queue),
        claim.generation,
        claim.renewed.0,
        claim.ttl,
        claim.ends.0,
        places,
        queue::extensions(&claim.extensions),
    ])?;
    Ok(())
}

/// The form of places in the table: each by how far it is from the one before.
fn write_places(places: &[Place]) -> Vec<u8> {
    let mut out = Vec::with_capacity(places.len() + 8);
    let mut last = 0;
    for place in places {
        varint::write_signed(&mut out, place.0.wrapping_sub(last).cast_signed());
        last = place.0;
    }
    out
}

fn read_places(mut data: &[u8]) -> Vec<Place> {
    let mut last = 0_u64;
    let next = || {
        last = last.wrapping_add(varint::read_signed(&mut data)?.cast_unsigned());
        Some(Place(last))
    };
    std::iter::from_fn(next).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_were_written_and_neighbours_take_a_byte_each() {
        let far = [7, 8, 9, 64, 2, u64::MAX].map(Place);
        assert_eq!(read_places(&write_places(&far)), far);
        let near: Vec<_> = (1_000_000..1_000_010).map(Place).collect();
        assert_eq!(write_places(&near).len(), 12);
        assert_eq!(read_places(&[]), []);
    }
}
