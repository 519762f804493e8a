//! A message as a document.
//!
//! | field | holds |
//! |---|---|
//! | `_id`, `q`, `p` | name, queue, place |
//! | `s` | lane and state |
//! | `t` | when something is to be done with it: the earliest of its ends |
//! | `x`, `u`, `w` | when it expires, its delay ends, its claim ends |
//! | `k`, `n` | the claim that holds it, or held it last; how often it was claimed |
//! | `a`, `y`, `c`, `b`, `o` | when it was posted, its ttl, its client, body and extensions |
//! | `r` | where a dead letter came from |
//!
//! Instants and durations are milliseconds.

use std::time::Duration;

use mongodb::bson::{Bson, Document, doc};
use sukkal_plugin_sdk::{
    Bytes, ClaimId, Extensions, Lane, Message, MessageId, NewMessage, Origin, Place, QueueId, Reason, Result,
    Timestamp, millis,
};

use super::id;
use super::state::{State, code, of_code};
use crate::error::unexpected;
use crate::server::{binary, take_bytes};

/// A message that is new.
pub fn of_new(queue: QueueId, lane: Lane, place: Place, new: &NewMessage, client: &str, now: i64) -> Document {
    let now = Timestamp(now);
    let state = if millis(new.delay) > 0 { State::Delayed } else { State::Ready };
    let message = Message {
        place,
        lane,
        body: new.body.clone(),
        client: client.to_owned(),
        posted: now,
        ttl: new.ttl,
        expires: now.after(new.ttl),
        due: now.after(new.delay),
        claim: None,
        claimed_until: Timestamp(0),
        claims: 0,
        origin: None,
        extensions: new.extensions.clone(),
    };
    document(queue, &message, state)
}

/// A message as a document.
pub fn document(queue: QueueId, message: &Message, state: State) -> Document {
    let wakes = match state {
        State::Delayed => message.due,
        State::Claimed => message.claimed_until,
        State::Ready | State::Exhausted => message.expires,
    };
    let mut document = doc! {
        "_id": id::message(queue, message.lane, message.place),
        "q": queue.text(),
        "s": code(message.lane, state),
        "p": message.place.0.cast_signed(),
        "t": message.expires.min(wakes).0,
        "x": message.expires.0,
        "u": message.due.0,
        "a": message.posted.0,
        "y": millis(message.ttl),
        "n": i64::from(message.claims),
        "c": &message.client,
        "b": binary(message.body.to_vec()),
    };
    if let Some(claim) = message.claim {
        document.insert("k", claim.to_string());
        document.insert("w", message.claimed_until.0);
    }
    if !message.extensions.is_empty() {
        document.insert("o", binary(message.extensions.to_bytes()));
    }
    if let Some(origin) = &message.origin {
        document.insert("r", of_origin(origin));
    }
    document
}

fn of_origin(origin: &Origin) -> Document {
    doc! {
        "q": origin.id.queue.text(),
        "p": origin.id.place.0.cast_signed(),
        "n": i64::from(origin.claims),
        "c": i64::from(origin.reason.code()),
        "l": binary(origin.label.to_vec()),
    }
}

/// What a document says of a message; none if it has expired.
///
/// # Errors
/// It is none that this plugin wrote.
pub fn message(mut document: Document, now: i64) -> Result<Option<Message>> {
    let (lane, state) = state(&document)?;
    let number = |key| number(&document, key);
    let (expires, until) = (number("x")?, document.get_i64("w").unwrap_or(0));
    if expires <= now {
        return Ok(None);
    }
    let held = state == State::Claimed && until > now;
    let mut message = Message {
        place: place(&document)?,
        lane,
        body: Bytes::new(),
        client: document.get_str("c").map_err(unexpected)?.to_owned(),
        posted: Timestamp(number("a")?),
        ttl: Duration::from_millis(number("y")?.max(0).cast_unsigned()),
        expires: Timestamp(expires),
        due: Timestamp(number("u")?),
        claim: if held { claim(&document) } else { None },
        claimed_until: Timestamp(until),
        claims: u32::try_from(number("n")?).unwrap_or(u32::MAX),
        origin: None,
        extensions: Extensions::new(),
    };
    message.body = take_bytes(&mut document, "b")?.into();
    message.extensions = Extensions::from_bytes(&take_bytes(&mut document, "o")?);
    if let Some(Bson::Document(origin)) = document.remove("r") {
        message.origin = Some(read_origin(origin)?);
    }
    Ok(Some(message))
}

fn read_origin(mut origin: Document) -> Result<Origin> {
    let queue = origin.get_str("q").map_err(unexpected)?.parse::<QueueId>().map_err(unexpected)?;
    let code = u32::try_from(number(&origin, "c")?).map_err(unexpected)?;
    Ok(Origin {
        id: MessageId { queue, place: place(&origin)? },
        claims: u32::try_from(number(&origin, "n")?).unwrap_or(u32::MAX),
        reason: Reason::from_code(code),
        label: take_bytes(&mut origin, "l")?.into(),
    })
}

/// The messages of documents that have not expired.
///
/// # Errors
/// One is none that this plugin wrote.
pub fn messages(documents: Vec<Document>, now: i64) -> Result<Vec<Message>> {
    documents.into_iter().filter_map(|document| message(document, now).transpose()).collect()
}

/// A number of a document.
///
/// # Errors
/// There is none.
pub fn number(document: &Document, key: &str) -> Result<i64> {
    document.get_i64(key).map_err(unexpected)
}

/// The place of a message.
///
/// # Errors
/// There is none.
pub fn place(document: &Document) -> Result<Place> {
    Ok(Place(number(document, "p")?.cast_unsigned()))
}

/// Its lane and state.
///
/// # Errors
/// There is none.
pub fn state(document: &Document) -> Result<(Lane, State)> {
    of_code(document.get_str("s").map_err(unexpected)?).ok_or_else(|| unexpected("a state of no message"))
}

/// The claim that holds it, or held it last.
pub fn claim(document: &Document) -> Option<ClaimId> {
    document.get_str("k").ok()?.parse().ok()
}

/// A message's name.
///
/// # Errors
/// There is none.
pub fn name(document: &Document) -> Result<&str> {
    document.get_str("_id").map_err(unexpected)
}
