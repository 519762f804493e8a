//! How messages and claims lie in the server.
//!
//! A message is two values: its record never changes, its state is there once it has been claimed. The
//! scripts read the same bytes (`scripts/common.lua`, `scripts/bury.lua`); numbers are big endian.
//!
//! | record | bytes |
//! |---|---|
//! | posted, ttl, delay | 8 each, in milliseconds |
//! | length of the client, client | 2, n |
//! | length of the origin, origin | 4, n |
//! | length of the extensions, extensions, body | 4, n, the rest |

use std::time::Duration;

use sukkal_plugin_sdk::{
    Bytes, Claim, ClaimId, Error, Extensions, Lane, Message, MessageId, NewMessage, Origin, Place, QueueId, Reason,
    Result, Timestamp, millis,
};

use crate::error;

/// Later than every instant that is kept, and beyond every place: scores tell no larger numbers apart.
pub const NEVER: u64 = (1 << 53) - 1;
/// No ttl, delay or window is longer: sums of them stay below [`NEVER`].
const LONGEST: u64 = 1 << 51;

/// A duration as the scripts take it.
pub fn ms(duration: Duration) -> u64 {
    u64::try_from(millis(duration)).unwrap_or(0).min(LONGEST)
}

/// An instant of the scripts.
pub fn instant(ms: i64) -> Timestamp {
    if ms as u64 >= NEVER { Timestamp::MAX } else { Timestamp(ms) }
}

/// A client's name as records have it.
///
/// # Errors
/// `Invalid`: it is too long.
pub fn client(name: &str) -> Result<Vec<u8>> {
    let length = u16::try_from(name.len()).map_err(|_| Error::invalid("the client's name is too long"))?;
    Ok([&length.to_be_bytes(), name.as_bytes()].concat())
}

/// The record of a new message, but for the instant with which it begins.
pub fn of_new(message: &NewMessage, client: &[u8]) -> Vec<u8> {
    let extensions = message.extensions.to_bytes();
    let mut record = Vec::with_capacity(24 + client.len() + extensions.len() + message.body.len());
    record.extend_from_slice(&ms(message.ttl).to_be_bytes());
    record.extend_from_slice(&ms(message.delay).to_be_bytes());
    finish(&mut record, client, &[], &extensions, &message.body);
    record
}

/// The record and the state of a message of another pool.
///
/// # Errors
/// `Invalid`: its client's name is too long.
pub fn of_message(message: &Message, now: Timestamp) -> Result<(Vec<u8>, Vec<u8>)> {
    let at = |instant: Timestamp| (instant.0.max(0) as u64).min(NEVER).to_be_bytes();
    let delay = ms(message.due.since(message.posted));
    let origin = message.origin.as_ref().map(origin_bytes).unwrap_or_default();
    let mut record = Vec::new();
    record.extend_from_slice(&at(message.posted));
    record.extend_from_slice(&ms(message.ttl).to_be_bytes());
    record.extend_from_slice(&delay.to_be_bytes());
    finish(&mut record, &client(&message.client)?, &origin, &message.extensions.to_bytes(), &message.body);
    let letter = match message.claim {
        Some(_) => b'c',
        None if message.due > now => b'd',
        None => b'r',
    };
    let mut state = Vec::with_capacity(State::SIZE);
    for instant in [message.expires, Timestamp(ms(message.ttl) as i64), message.due, message.claimed_until] {
        state.extend_from_slice(&at(instant));
    }
    state.extend_from_slice(&message.claims.to_be_bytes());
    state.push(letter);
    state.extend_from_slice(&message.claim.unwrap_or(ClaimId(0)).0.to_be_bytes());
    Ok((record, state))
}

fn finish(record: &mut Vec<u8>, client: &[u8], origin: &[u8], extensions: &[u8], body: &[u8]) {
    record.extend_from_slice(client);
    for part in [origin, extensions] {
        record.extend_from_slice(&(part.len() as u32).to_be_bytes());
        record.extend_from_slice(part);
    }
    record.extend_from_slice(body);
}

fn origin_bytes(origin: &Origin) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&origin.claims.to_be_bytes());
    bytes.extend_from_slice(&origin.reason.code().to_be_bytes());
    bytes.extend_from_slice(origin.id.queue.text().as_bytes());
    bytes.extend_from_slice(&origin.id.place.0.to_be_bytes());
    bytes.extend_from_slice(&origin.label);
    bytes
}

/// What changes of a message.
struct State {
    expires: i64,
    ttl: u64,
    due: i64,
    until: i64,
    claims: u32,
    claimed: bool,
    claim: ClaimId,
}

impl State {
    const SIZE: usize = 53;

    fn read(bytes: &Bytes) -> Option<State> {
        let mut from = Reader(bytes.clone());
        Some(State {
            expires: from.u64()? as i64,
            ttl: from.u64()?,
            due: from.u64()? as i64,
            until: from.u64()? as i64,
            claims: from.u32()?,
            claimed: from.take(1)?[0] == b'c',
            claim: from.claim()?,
        })
    }
}

/// A message as readers see it; none, if it has expired.
///
/// # Errors
/// The server holds what this version never wrote.
pub fn message(
    place: Place,
    lane: Lane,
    record: Bytes,
    state: Option<&Bytes>,
    now: Timestamp,
) -> Result<Option<Message>> {
    read(place, lane, record, state, now).ok_or_else(|| error::unexpected("a spoilt record"))
}

fn read(place: Place, lane: Lane, record: Bytes, state: Option<&Bytes>, now: Timestamp) -> Option<Option<Message>> {
    let mut from = Reader(record);
    let (posted, ttl, delay) = (from.u64()?, from.u64()?, from.u64()?);
    let state = match state {
        Some(state) => State::read(state)?,
        None => State {
            expires: posted.saturating_add(ttl).min(NEVER) as i64,
            ttl,
            due: posted.saturating_add(delay).min(NEVER) as i64,
            until: 0,
            claims: 0,
            claimed: false,
            claim: ClaimId(0),
        },
    };
    if state.expires <= now.0 {
        return Some(None);
    }
    let length = usize::from(from.u16()?);
    let client = String::from_utf8_lossy(&from.take(length)?).into_owned();
    let length = from.u32()? as usize;
    let origin = from.take(length)?;
    let length = from.u32()? as usize;
    let extensions = Extensions::from_bytes(&from.take(length)?);
    Some(Some(Message {
        place,
        lane,
        body: from.0,
        client,
        posted: Timestamp(posted as i64),
        ttl: Duration::from_millis(state.ttl),
        expires: instant(state.expires),
        due: instant(state.due),
        claim: (state.claimed && state.until > now.0).then_some(state.claim),
        claimed_until: instant(state.until),
        claims: state.claims,
        origin: if origin.is_empty() { None } else { Some(read_origin(origin)?) },
        extensions,
    }))
}

fn read_origin(bytes: Bytes) -> Option<Origin> {
    let mut from = Reader(bytes);
    let (claims, reason) = (from.u32()?, from.u32()?);
    let queue: QueueId = std::str::from_utf8(&from.take(13)?).ok()?.parse().ok()?;
    let place = Place(from.u64()?);
    Some(Origin { claims, reason: Reason::from_code(reason), id: MessageId { queue, place }, label: from.0 })
}

/// A claim as the server has it, but for its messages.
///
/// # Errors
/// The server holds what this version never wrote.
pub fn claim(id: ClaimId, record: Bytes, now: Timestamp) -> Result<Claim> {
    read_claim(id, record, now).ok_or_else(|| error::unexpected("a spoilt claim"))
}

fn read_claim(id: ClaimId, record: Bytes, now: Timestamp) -> Option<Claim> {
    let mut from = Reader(record);
    let (renewed, ttl, places) = (from.u64()?, from.u64()?, from.u32()? as usize);
    from.take(places.checked_mul(8)?)?;
    Some(Claim {
        id,
        renewed: Timestamp(renewed as i64),
        ttl: Duration::from_millis(ttl),
        now,
        messages: Vec::new(),
        extensions: Extensions::from_bytes(&from.0),
    })
}

/// A claim's id as keys and records have it.
pub fn claim_key(id: ClaimId) -> [u8; 16] {
    id.0.to_be_bytes()
}

/// The id of such a key.
pub fn claim_id(key: &Bytes) -> Option<ClaimId> {
    Reader(key.clone()).claim()
}

/// Takes bytes from the front.
struct Reader(Bytes);

impl Reader {
    fn take(&mut self, length: usize) -> Option<Bytes> {
        (length <= self.0.len()).then(|| self.0.split_to(length))
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.as_ref().try_into().ok()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.as_ref().try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.take(8)?.as_ref().try_into().ok()?))
    }

    fn claim(&mut self) -> Option<ClaimId> {
        Some(ClaimId(u128::from_be_bytes(self.take(16)?.as_ref().try_into().ok()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_another_pool_is_read_as_it_was() {
        let mut extensions = Extensions::new();
        extensions.set(2000, "kept");
        let origin = Origin {
            label: Bytes::from_static(b"p\0q"),
            id: MessageId { queue: QueueId(7), place: Place(9) },
            claims: 3,
            reason: Reason::ClaimsExhausted,
        };
        let message = Message {
            place: Place(5),
            lane: Lane::Main,
            body: Bytes::from_static(b"{\"\xc3\xa9\":1}"),
            client: "c".to_owned(),
            posted: Timestamp(1_000),
            ttl: Duration::from_secs(60),
            expires: Timestamp(90_000),
            due: Timestamp(1_000),
            claim: Some(ClaimId(u128::MAX)),
            claimed_until: Timestamp(50_000),
            claims: 2,
            origin: Some(origin),
            extensions,
        };
        let (record, state) = of_message(&message, Timestamp(2_000)).unwrap_or_default();
        let (record, state) = (Bytes::from(record), Bytes::from(state));
        let at = |now| super::message(Place(5), Lane::Main, record.clone(), Some(&state), Timestamp(now));
        assert_eq!(at(2_000).ok().flatten(), Some(message.clone()));
        let free = at(50_000).ok().flatten().map(|message| message.claim);
        assert_eq!((free, at(90_000).ok()), (Some(None), Some(None)));
        assert!(super::message(Place(5), Lane::Main, record.slice(..30), None, Timestamp(0)).is_err());
    }
}
