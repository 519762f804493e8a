//! Messages, as they are posted and as they are read.

use std::time::Duration;

use bytes::Bytes;

use crate::{ClaimId, Extensions, MessageId, Place, Timestamp};

/// One of the queues that a queue consists of: what clients post, and two for the service itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Lane {
    /// What clients post and read.
    #[default]
    Main,
    /// Copies of posts that are still to be handed to the queue's subscribers.
    Outbox,
    /// Deliveries that failed and wait for their next attempt.
    Retry,
}

impl Lane {
    /// Every lane.
    pub const ALL: [Lane; 3] = [Lane::Main, Lane::Outbox, Lane::Retry];

    /// The number under which the lane crosses the boundary; stores may keep it.
    pub fn code(self) -> u32 {
        match self {
            Lane::Main => 0,
            Lane::Outbox => 1,
            Lane::Retry => 2,
        }
    }

    /// The lane of a number; `Main` for one that this SDK does not know.
    pub fn from_code(code: u32) -> Lane {
        match code {
            1 => Lane::Outbox,
            2 => Lane::Retry,
            _ => Lane::Main,
        }
    }
}

/// A message about to be stored.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewMessage {
    /// The body: one JSON value, its bytes as the client sent them.
    pub body: Bytes,
    /// How long it lives, counted from the post, delay included.
    pub ttl: Duration,
    /// How long it is hidden from listings, claims and pops; zero for none.
    pub delay: Duration,
    /// Stored with the message and given back with it.
    pub extensions: Extensions,
}

/// A message as a store holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Its place in the queue.
    pub place: Place,
    /// The lane in which it lies.
    pub lane: Lane,
    /// The body: one JSON value, its bytes as they were stored.
    pub body: Bytes,
    /// The client that posted it.
    pub client: String,
    /// When it was posted, on the store's clock.
    pub posted: Timestamp,
    /// How long it lives. A claim that would outlast it by a second or more (clients count whole
    /// seconds) moves its end to the claim's end plus grace, and this is then the claim's ttl plus
    /// grace (spec: semantics, Claims). A claim that would outlast it by less moves its end to its
    /// own, and this stays the same in whole seconds.
    pub ttl: Duration,
    /// When it ends. Not always `posted + ttl`: see [`Message::ttl`].
    pub expires: Timestamp,
    /// Until when it is hidden by a delay; not after `posted` if it never was.
    pub due: Timestamp,
    /// The live claim that holds it.
    pub claim: Option<ClaimId>,
    /// Until when that claim holds it; meaningless without one.
    pub claimed_until: Timestamp,
    /// How often it was claimed, the present claim included. Pops do not count.
    pub claims: u32,
    /// Where a dead letter came from.
    pub origin: Option<Origin>,
    /// What was stored with it.
    pub extensions: Extensions,
}

/// Where a dead letter came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// The label of the queue that it was moved from ([`crate::Header::label`]).
    pub label: Bytes,
    /// Its id there.
    pub id: MessageId,
    /// How often it had been claimed there.
    pub claims: u32,
    /// Why it was moved.
    pub reason: Reason,
}

/// Why a message became a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// It was claimed as often as its queue allows, and not deleted.
    ClaimsExhausted,
    /// A delivery to a subscriber used up its retries.
    DeliveryExhausted,
    /// A reason of a newer SDK.
    Other(u32),
}

impl Reason {
    /// The number under which the reason crosses the boundary; stores may keep it.
    pub fn code(self) -> u32 {
        match self {
            Reason::ClaimsExhausted => 1,
            Reason::DeliveryExhausted => 2,
            Reason::Other(code) => code,
        }
    }

    /// The reason of a number.
    pub fn from_code(code: u32) -> Reason {
        match code {
            1 => Reason::ClaimsExhausted,
            2 => Reason::DeliveryExhausted,
            other => Reason::Other(other),
        }
    }
}

/// Messages that a store read in one step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// The store's clock at that moment: ages are counted to it.
    pub now: Timestamp,
    /// The messages, in the order that the operation promises.
    pub messages: Vec<Message>,
    /// See [`Extensions`].
    pub extensions: Extensions,
}
