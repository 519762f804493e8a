//! What never changes of a message: its body, when it was posted, what was stored with it.

use rusqlite::Connection;
use sukkal_plugin_sdk::{Bytes, Extensions, Message, MessageId, Origin, Place, QueueId, Reason, Timestamp};

use super::block::{Block, Entry, State, View};
use super::id::{block_of, id_in, lane_of, place_of};
use super::run::{Location, Run};
use super::runs::{MISSING, Runs};
use crate::error::Outcome;

/// A message whose state is known and whose body is still to be read.
#[derive(Clone, Debug)]
pub struct Pick {
    id: i64,
    entry: Entry,
    client: String,
}

impl Pick {
    /// A message of a block, as it is now.
    pub fn new(key: i64, block: &Block, entry: &Entry) -> Pick {
        Pick { id: id_in(key, entry.offset), entry: entry.clone(), client: block.client(entry).to_owned() }
    }

    /// Where its body lies.
    pub fn location(&self) -> Location {
        self.entry.body
    }
}

/// Reads the bodies of messages, in their order.
///
/// # Errors
/// The driver's; `Corrupt` when a body is missing.
pub fn read(connection: &Connection, runs: &Runs, picks: Vec<Pick>, now: Timestamp) -> Outcome<Vec<Message>> {
    let mut messages = Vec::with_capacity(picks.len());
    let mut picks = picks.into_iter().peekable();
    while let Some(number) = picks.peek().map(|pick| pick.location().run) {
        let run = runs.get(connection, number)?;
        // Neighbours are read in one go.
        while let Some(pick) = picks.next_if(|next| next.location().run == number) {
            messages.push(message(pick, &run, now)?);
        }
    }
    Ok(messages)
}

/// When a message was posted.
///
/// # Errors
/// The driver's; `Corrupt` when its body is missing.
pub fn posted(connection: &Connection, runs: &Runs, body: Location) -> Outcome<Timestamp> {
    Ok(runs.get(connection, body.run)?.get(body.index).ok_or(MISSING)?.posted)
}

fn message(pick: Pick, run: &Run, now: Timestamp) -> Outcome<Message> {
    let Pick { id, entry, client } = pick;
    let part = run.get(entry.body.index).ok_or(MISSING)?;
    let posted = part.posted;
    let (origin, extensions) = read_extra(part.extra);
    let claimed = entry.view(now) == View::Claimed;
    let ttl = entry.ttl.unwrap_or_else(|| entry.expires.0.saturating_sub(posted.0));
    Ok(Message {
        place: place_of(id),
        lane: lane_of(block_of(id)),
        body: run.body(entry.body.index).ok_or(MISSING)?,
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

/// The form of what is stored with a message: null for nothing; else the length of the
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

/// Reads what [`write_extra`] wrote.
pub fn read_extra(extra: Option<&[u8]>) -> (Option<Origin>, Extensions) {
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
