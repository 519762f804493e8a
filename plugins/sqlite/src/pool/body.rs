//! What never changes of a message: its body, when it was posted, what was stored with it.

use rusqlite::{Connection, OptionalExtension, Row, params};
use sukkal_plugin_sdk::{Bytes, Extensions, Message, MessageId, Origin, Place, QueueId, Reason, Timestamp};

use super::block::{Block, Entry, State, View};
use super::id::{block_of, id_in, lane_of, place_of};
use crate::error::{Fail, Outcome};

pub const INSERT: &str = "INSERT INTO body (id, posted, extra, body) VALUES (?1, ?2, ?3, ?4)";
pub const REPLACE: &str = "INSERT OR REPLACE INTO body (id, posted, extra, body) VALUES (?1, ?2, ?3, ?4)";
pub const GET: &str = "SELECT id, posted, extra, body FROM body WHERE id = ?1";
pub const GET_RANGE: &str = "SELECT id, posted, extra, body FROM body WHERE id >= ?1 AND id <= ?2 ORDER BY id";
pub const GET_POSTED: &str = "SELECT posted FROM body WHERE id = ?1";
pub const GET_EXTRA: &str = "SELECT extra FROM body WHERE id = ?1";
pub const COPY: &str = "INSERT INTO body (id, posted, extra, body) SELECT ?2, ?3, ?4, body FROM body WHERE id = ?1";
pub const DELETE_RANGE: &str = "DELETE FROM body WHERE id >= ?1 AND id <= ?2";

/// A message whose state is known and whose body is still to be read.
#[derive(Clone, Debug)]
pub struct Pick {
    /// Its key.
    pub id: i64,
    entry: Entry,
    client: String,
}

impl Pick {
    /// A message of a block, as it is now.
    pub fn new(key: i64, block: &Block, entry: &Entry) -> Pick {
        Pick { id: id_in(key, entry.offset), entry: entry.clone(), client: block.client(entry).to_owned() }
    }
}

/// Reads the bodies of messages, in their order.
///
/// # Errors
/// The driver's; `Corrupt` when a body is missing.
pub fn read(connection: &Connection, picks: Vec<Pick>, now: Timestamp) -> Outcome<Vec<Message>> {
    let mut messages = Vec::with_capacity(picks.len());
    let mut picks = picks.into_iter().peekable();
    let mut one = connection.prepare_cached(GET)?;
    let mut range = connection.prepare_cached(GET_RANGE)?;
    while let Some(first) = picks.next() {
        // Neighbours are read in one go.
        let start = first.id;
        let mut run = vec![first];
        while let Some(next) = picks.next_if(|next| next.id == start + run.len() as i64) {
            run.push(next);
        }
        let mut rows = match run.as_slice() {
            [single] => one.query([single.id])?,
            run => range.query([start, start + run.len() as i64 - 1])?,
        };
        for pick in run {
            let row = rows.next()?.ok_or(Fail::Corrupt("a message has no body"))?;
            if row.get::<_, i64>(0)? != pick.id {
                return Err(Fail::Corrupt("a message has no body"));
            }
            messages.push(message(pick, row, now)?);
        }
    }
    Ok(messages)
}

/// Deletes the bodies of messages.
///
/// # Errors
/// The driver's.
pub fn delete(connection: &Connection, ids: &mut [i64]) -> Outcome<()> {
    ids.sort_unstable();
    let mut statement = connection.prepare_cached(DELETE_RANGE)?;
    for run in ids.chunk_by(|one, next| one + 1 == *next) {
        if let (Some(first), Some(last)) = (run.first(), run.last()) {
            statement.execute([first, last])?;
        }
    }
    Ok(())
}

/// When a message was posted.
///
/// # Errors
/// The driver's; `Corrupt` when its body is missing.
pub fn posted(connection: &Connection, id: i64) -> Outcome<Timestamp> {
    let posted = connection.prepare_cached(GET_POSTED)?.query_row([id], |row| row.get(0)).optional()?;
    posted.map(Timestamp).ok_or(Fail::Corrupt("a message has no body"))
}

/// Copies a body to another message, as one posted now with an origin.
///
/// # Errors
/// The driver's.
pub fn copy(connection: &Connection, from: i64, to: i64, now: Timestamp, origin: &Origin) -> Outcome<()> {
    let extra: Option<Vec<u8>> =
        connection.prepare_cached(GET_EXTRA)?.query_row([from], |row| row.get(0)).optional()?.flatten();
    let (_, extensions) = read_extra(extra.as_deref());
    let extra = write_extra(Some(origin), &extensions);
    connection.prepare_cached(COPY)?.execute(params![from, to, now.0, extra])?;
    Ok(())
}

fn message(pick: Pick, row: &Row<'_>, now: Timestamp) -> Outcome<Message> {
    let Pick { id, entry, client } = pick;
    let posted = Timestamp(row.get(1)?);
    let extra = row.get_ref(2)?.as_blob_or_null().map_err(rusqlite::Error::from)?;
    let body = row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?;
    let (origin, extensions) = read_extra(extra);
    let claimed = entry.view(now) == View::Claimed;
    let ttl = entry.ttl.unwrap_or_else(|| entry.expires.0.saturating_sub(posted.0));
    Ok(Message {
        place: place_of(id),
        lane: lane_of(block_of(id)),
        body: Bytes::copy_from_slice(body),
        client,
        posted,
        ttl: std::time::Duration::from_millis(u64::try_from(ttl).unwrap_or(0)),
        expires: entry.expires,
        due: if matches!(entry.state, State::Delayed | State::Ready) { entry.until } else { Timestamp(0) },
        claim: claimed.then_some(entry.claim),
        claimed_until: if claimed { entry.until } else { Timestamp(0) },
        claims: entry.claims,
        origin,
        extensions,
    })
}

/// The column form of what is stored with a message: null for nothing; else the length of the
/// origin's part (`u32`, little endian), that part, the extensions.
pub fn write_extra(origin: Option<&Origin>, extensions: &Extensions) -> Option<Vec<u8>> {
    if origin.is_none() && extensions.is_empty() {
        return None;
    }
    let mut part = Vec::new();
    if let Some(origin) = origin {
        part.extend_from_slice(&origin.id.queue.0.to_le_bytes());
        part.extend_from_slice(&origin.id.place.0.to_le_bytes());
        part.extend_from_slice(&origin.claims.to_le_bytes());
        part.extend_from_slice(&origin.reason.code().to_le_bytes());
        part.extend_from_slice(&origin.label);
    }
    let mut extra = u32::try_from(part.len()).unwrap_or(0).to_le_bytes().to_vec();
    extra.append(&mut part);
    extra.append(&mut extensions.to_bytes());
    Some(extra)
}

fn read_extra(extra: Option<&[u8]>) -> (Option<Origin>, Extensions) {
    let parts = extra.and_then(|extra| {
        let (length, rest) = extra.split_first_chunk::<4>()?;
        rest.split_at_checked(u32::from_le_bytes(*length) as usize)
    });
    let Some((origin, extensions)) = parts else { return (None, Extensions::new()) };
    (read_origin(origin), Extensions::from_bytes(extensions))
}

fn read_origin(part: &[u8]) -> Option<Origin> {
    let (queue, part) = part.split_first_chunk::<8>()?;
    let (place, part) = part.split_first_chunk::<8>()?;
    let (claims, part) = part.split_first_chunk::<4>()?;
    let (reason, label) = part.split_first_chunk::<4>()?;
    Some(Origin {
        label: Bytes::copy_from_slice(label),
        id: MessageId { queue: QueueId(u64::from_le_bytes(*queue)), place: Place(u64::from_le_bytes(*place)) },
        claims: u32::from_le_bytes(*claims),
        reason: Reason::from_code(u32::from_le_bytes(*reason)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_with_a_message_is_read_again() {
        let mut extensions = Extensions::new();
        extensions.set(7, Bytes::from_static(b"seven"));
        let origin = Origin {
            label: Bytes::from_static(b"p/q"),
            id: MessageId { queue: QueueId(u64::MAX), place: Place(3) },
            claims: 5,
            reason: Reason::Other(9),
        };
        for origin in [None, Some(&origin)] {
            for extensions in [&Extensions::new(), &extensions] {
                let extra = write_extra(origin, extensions);
                assert_eq!(read_extra(extra.as_deref()), (origin.cloned(), extensions.clone()));
            }
        }
        assert_eq!(read_extra(Some(&[255, 255, 255, 255, 0])), (None, Extensions::new()));
    }
}
