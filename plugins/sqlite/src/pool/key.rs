//! Keys that make a post safe to repeat.

use rusqlite::{Connection, OptionalExtension, Row, params};
use sukkal_plugin_sdk::store::refusal;
use sukkal_plugin_sdk::{Key, Place, Posted, QueueId, QueueRef, Timestamp};

use super::id::queue_key;
use super::queue;
use super::snapshot::Snapshot;
use crate::error::{Fail, Outcome};

pub const GET: &str = "SELECT fingerprint, expires, first_place, places FROM post_key \
    WHERE queue = ?1 AND scope = ?2 AND key = ?3";
pub const PUT: &str = "INSERT OR REPLACE INTO post_key (queue, scope, key, fingerprint, expires, first_place, places) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
pub const DELETE_EXPIRED: &str = "DELETE FROM post_key WHERE (queue, scope, key) IN \
    (SELECT queue, scope, key FROM post_key WHERE expires <= ?1 ORDER BY expires LIMIT ?2)";

struct Kept {
    fingerprint: Vec<u8>,
    expires: i64,
    first: i64,
    places: i64,
}

/// What a post under this key stored, if its window still runs.
///
/// # Errors
/// `Conflict`: it was another post. The driver's.
pub fn find(connection: &Connection, queue: QueueId, key: &Key, now: Timestamp) -> Outcome<Option<Vec<Place>>> {
    let kept = |row: &Row<'_>| {
        Ok(Kept { fingerprint: row.get(0)?, expires: row.get(1)?, first: row.get(2)?, places: row.get(3)? })
    };
    let mut statement = connection.prepare_cached(GET)?;
    let found = statement.query_row(params![queue_key(queue), key.scope.as_bytes(), &key.key[..]], kept).optional()?;
    let Some(kept) = found.filter(|kept| kept.expires > now.0) else { return Ok(None) };
    if kept.fingerprint != key.fingerprint {
        return Err(Fail::Refused(refusal::other_fingerprint()));
    }
    let places = kept.first..kept.first.saturating_add(kept.places);
    Ok(Some(places.map(|place| Place(place.cast_unsigned())).collect()))
}

/// Remembers what a post stored.
///
/// # Errors
/// The driver's.
pub fn keep(connection: &Connection, queue: QueueId, key: &Key, places: &[Place], now: Timestamp) -> Outcome<()> {
    let first = places.first().map_or(0, |place| place.0.cast_signed());
    connection.prepare_cached(PUT)?.execute(params![
        queue_key(queue),
        key.scope.as_bytes(),
        &key.key[..],
        &key.fingerprint[..],
        now.after(key.window).0,
        first,
        places.len() as i64,
    ])?;
    Ok(())
}

/// What a post under this key stored in a queue, if its window still runs.
///
/// # Errors
/// `Gone`, `Stale`, `Conflict`; the driver's.
pub fn posted(snapshot: &Snapshot<'_>, queue: &QueueRef, key: &Key) -> Outcome<Option<Posted>> {
    let Snapshot { connection, now, .. } = *snapshot;
    queue::check_or_dropping(connection, queue)?;
    let places = find(connection, queue.id(), key, now)?;
    Ok(places.map(|places| Posted { places, repeated: true, ..Posted::default() }))
}
