//! Claims: messages held by one client for a while.

use std::time::Duration;

use crate::{Batch, ClaimId, Extensions, Message, Place, Timestamp};

/// What a new claim asks for.
#[derive(Clone, Debug)]
pub struct NewClaim {
    /// Drawn by the host. A claim that exists under it already is answered again as it is.
    pub id: ClaimId,
    /// How many messages at the most; at least 1.
    pub limit: u32,
    /// How long the claim lives.
    pub ttl: Duration,
    /// How much longer than the claim its messages live, at least.
    pub grace: Duration,
    /// True for a claim that does not raise the messages' claim counts (a pop in two steps).
    pub uncounted: bool,
    /// Stored with the claim.
    pub extensions: Extensions,
}

/// What a new claim got.
#[derive(Clone, Debug, Default)]
pub struct Claimed {
    /// The messages, in queue order. With none there is no claim.
    pub batch: Batch,
    /// Without messages: when the next one falls due (its delay or its claim ends), if one will.
    pub next_due: Option<Timestamp>,
    /// See [`Extensions`].
    pub extensions: Extensions,
}

/// A live claim, as it is read.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Its id.
    pub id: ClaimId,
    /// When it was made or last renewed.
    pub renewed: Timestamp,
    /// How long it lives from then on.
    pub ttl: Duration,
    /// The store's clock at the reading.
    pub now: Timestamp,
    /// The messages that it still holds, in queue order.
    pub messages: Vec<Message>,
    /// See [`Extensions`]; kept.
    pub extensions: Extensions,
}

/// How a claim goes on.
#[derive(Clone, Debug)]
pub struct Renewal {
    /// How long it lives from now on.
    pub ttl: Duration,
    /// How much longer its messages live, at least.
    pub grace: Duration,
    /// These of its messages alone; none: the whole claim.
    pub places: Option<Vec<Place>>,
    /// See [`Extensions`].
    pub extensions: Extensions,
}

/// How a claim ends.
#[derive(Clone, Debug, Default)]
pub struct Release {
    /// These of its messages alone; none: the whole claim.
    pub places: Option<Vec<Place>>,
    /// How long the messages stay hidden.
    pub delay: Duration,
    /// True to take back the claim's count: the messages were never handed to anybody.
    pub uncounted: bool,
    /// See [`Extensions`].
    pub extensions: Extensions,
}

/// Whose messages a deletion may touch.
#[derive(Clone, Debug, Default)]
pub enum Guard {
    /// Claimed or not.
    #[default]
    Any,
    /// Only what no live claim holds.
    Unclaimed,
    /// Only what this live claim holds.
    Claim(ClaimId),
    /// Only if each message that is there is held by one of these live claims; else none is deleted.
    EachClaimedBy(Vec<ClaimId>),
}

/// Why a deletion deleted nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A live claim holds the message, and none was named.
    Claimed,
    /// A claim was named, and no live claim holds the message.
    NotClaimed,
    /// Another live claim holds the message; the one that was named is not alive.
    ClaimGone,
    /// Another live claim holds the message than the one that was named, which is alive too.
    OtherClaim,
}

/// What a deletion did.
#[derive(Clone, Debug, Default)]
pub struct Deleted {
    /// How many messages were there and are gone.
    pub count: u32,
    /// Why nothing was deleted.
    pub refused: Option<Refused>,
    /// See [`Extensions`].
    pub extensions: Extensions,
}
