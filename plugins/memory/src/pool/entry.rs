//! One message, and what of it the indexes of its lane are made of.

use std::time::Duration;

use sukkal_plugin_sdk::{Bytes, ClaimId, Extensions, Lane, Message, NewMessage, Origin, Place, Timestamp, millis};

use super::clients::Client;
use crate::own;
use crate::room::{self, OVERHEAD};

/// What a message is, once everything that has fallen due is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Available.
    Ready,
    /// Hidden until [`Entry::due`].
    Delayed,
    /// Held by a claim until [`Entry::until`].
    Claimed,
    /// Has used up its claims and waits for its dead letter queue.
    Exhausted,
}

impl State {
    /// Every state.
    pub const ALL: [State; 4] = [State::Ready, State::Delayed, State::Claimed, State::Exhausted];
}

/// A message in memory.
pub struct Entry {
    pub body: Bytes,
    pub posted: Timestamp,
    /// In milliseconds, as readers see it.
    pub ttl: i64,
    pub expires: Timestamp,
    /// Until when a delay hides it.
    pub due: Timestamp,
    /// Until when the claim holds it.
    pub until: Timestamp,
    /// The claim that holds it, or held it last.
    pub claim: ClaimId,
    pub claims: u32,
    pub client: Client,
    pub state: State,
    pub extra: Option<Box<Extra>>,
    /// What it takes of the pool's room.
    pub bytes: u64,
}

/// What few messages have.
pub struct Extra {
    pub origin: Option<Origin>,
    pub extensions: Extensions,
}

/// What the indexes hold of an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    pub state: State,
    pub expires: Timestamp,
    /// When its delay or claim ends, if it lives to see that.
    pub wakes: Option<Timestamp>,
    /// Not held, and claimed before: a rule for dead letters may concern it.
    pub used: bool,
}

impl Entry {
    /// A message just posted.
    pub fn new(message: NewMessage, client: Client, bytes: u64, now: Timestamp) -> Entry {
        let delayed = millis(message.delay) > 0;
        Entry {
            body: message.body,
            posted: now,
            ttl: millis(message.ttl),
            expires: now.after(message.ttl),
            due: if delayed { now.after(message.delay) } else { now },
            until: Timestamp(0),
            claim: ClaimId(0),
            claims: 0,
            client,
            state: if delayed { State::Delayed } else { State::Ready },
            extra: Extra::of(None, message.extensions),
            bytes,
        }
    }

    /// A message of another pool, as it is there.
    pub fn imported(message: Message, client: Client, bytes: u64, now: Timestamp) -> Entry {
        let state = match message.claim {
            Some(_) => State::Claimed,
            None if message.due > now => State::Delayed,
            None => State::Ready,
        };
        Entry {
            body: own::bytes(&message.body),
            posted: message.posted,
            ttl: millis(message.ttl),
            expires: message.expires,
            due: message.due,
            until: message.claimed_until,
            claim: message.claim.unwrap_or(ClaimId(0)),
            claims: message.claims,
            client,
            state,
            extra: Extra::of(message.origin, own::extensions(&message.extensions)),
            bytes,
        }
    }

    /// The message as readers see it.
    pub fn message(&self, place: Place, lane: Lane, client: &str) -> Message {
        let extra = self.extra.as_deref();
        Message {
            place,
            lane,
            body: self.body.clone(),
            client: client.to_owned(),
            posted: self.posted,
            ttl: Duration::from_millis(u64::try_from(self.ttl).unwrap_or(0)),
            expires: self.expires,
            due: self.due,
            claim: (self.state == State::Claimed).then_some(self.claim),
            claimed_until: self.until,
            claims: self.claims,
            origin: extra.and_then(|extra| extra.origin.clone()),
            extensions: extra.map(|extra| extra.extensions.clone()).unwrap_or_default(),
        }
    }

    /// Whether this claim holds it.
    pub fn held_by(&self, claim: ClaimId) -> bool {
        self.state == State::Claimed && self.claim == claim
    }

    /// Takes it into a claim until an instant; one that would end before that lives for grace
    /// longer (spec: semantics, Claims).
    pub fn hold(&mut self, claim: ClaimId, until: Timestamp, ttl: Duration, grace: Duration) {
        self.state = State::Claimed;
        self.claim = claim;
        self.until = until;
        // Clients count whole seconds: one that ends less than a second earlier does not end earlier
        // to them, and lives as long as the claim, its ttl reading as it did.
        if self.expires.after(Duration::from_secs(1)) <= until {
            self.expires = until.after(grace);
            self.ttl = millis(ttl).saturating_add(millis(grace));
        } else {
            self.expires = self.expires.max(until);
        }
    }

    /// What the indexes hold of it.
    pub fn mark(&self) -> Mark {
        let wakes = match self.state {
            State::Delayed => Some(self.due),
            State::Claimed => Some(self.until),
            State::Ready | State::Exhausted => None,
        };
        Mark {
            state: self.state,
            expires: self.expires,
            wakes: wakes.filter(|wakes| *wakes < self.expires),
            used: self.claims > 0 && self.state != State::Claimed,
        }
    }
}

impl Extra {
    /// None, where there is nothing to keep.
    pub fn of(origin: Option<Origin>, extensions: Extensions) -> Option<Box<Extra>> {
        (origin.is_some() || !extensions.is_empty()).then(|| Box::new(Extra { origin, extensions }))
    }
}

/// What a message takes of the pool's room.
pub fn size(body: &Bytes, client: &str, extensions: &Extensions, origin: Option<&Origin>) -> u64 {
    let origin = origin.map_or(0, |origin| OVERHEAD + origin.label.len() as u64);
    OVERHEAD + (body.len() + client.len()) as u64 + room::extensions(extensions) + origin
}
