//! The model: what is in a queue, as a list that is looked through each time.

use serde::{Deserialize, Serialize};

use crate::conformance::Failure;
use crate::conformance::bench::{MINUTE, Queue};
use crate::conformance::case::{ensure, ensure_eq};
use crate::conformance::history::step::secs;
use crate::{ClaimId, List, Message, Place, QueueId, Timestamp};

/// A client's name for a claim of its.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimName {
    /// Which client.
    pub client: u8,
    /// Which of its claims.
    pub claim: u8,
}

impl ClaimName {
    /// The claim's id in a queue: claims of different histories are never the same.
    pub fn id(self, queue: QueueId) -> ClaimId {
        ClaimId(u128::from(queue.0) << 64 | u128::from(self.client) << 8 | u128::from(self.claim))
    }

    /// The claim that is meant, where several clients have claims.
    pub fn told(self) -> String {
        format!("claim {} of client {}", self.claim, self.client)
    }
}

/// An instant, known to some milliseconds until the store has told it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Instant {
    /// It is this one, or earlier by no more than the slack.
    pub at: Timestamp,
    slack: i64,
}

impl Instant {
    /// So many seconds after something that happened between two readings of the clock.
    pub fn after(between: [Timestamp; 2], seconds: u32) -> Instant {
        Instant { at: between[1].after(secs(seconds)), slack: between[1].0 - between[0].0 }
    }

    /// Exactly this one.
    pub fn exact(at: Timestamp) -> Instant {
        Instant { at, slack: 0 }
    }

    fn learn(&mut self, told: Timestamp, what: &str, place: Place) -> Result<(), Failure> {
        let earlier = self.at.0 - told.0;
        ensure!(
            (0..=self.slack).contains(&earlier),
            "the message at place {} {what} {} ms {} than it must",
            place.0,
            earlier.abs(),
            if earlier > 0 { "earlier" } else { "later" }
        );
        *self = Instant::exact(told);
        Ok(())
    }
}

/// A message that is there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Known {
    pub place: Place,
    pub expires: Instant,
    pub due: Instant,
    /// What holds it, and until when.
    pub held: Option<(ClaimName, Timestamp)>,
    pub claims: u32,
}

impl Known {
    /// A message that was posted between two readings of the clock, to live and be delayed so long.
    pub fn posted(place: Place, between: [Timestamp; 2], ttl: u32, delay: u32) -> Known {
        let due = if delay == 0 { Instant::exact(Timestamp(0)) } else { Instant::after(between, delay) };
        Known { place, expires: Instant::after(between, ttl), due, held: None, claims: 0 }
    }

    /// A message as the store tells it, never claimed before nor hidden by a delay.
    pub fn told(message: &Message) -> Known {
        let [expires, due] = [message.expires, Timestamp(0)].map(Instant::exact);
        Known { place: message.place, expires, due, held: None, claims: 0 }
    }

    /// Takes over the instants that the store tells, if they can be right.
    pub fn learn(&mut self, message: &Message, now: Timestamp) -> Result<(), Failure> {
        self.expires.learn(message.expires, "ends", self.place)?;
        // Of what is hidden by no delay a store may tell any instant that has passed.
        if self.held.is_none() && self.due.at > now {
            self.due.learn(message.due, "falls due", self.place)?;
        }
        Ok(())
    }
}

/// A queue.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Model {
    /// In the order of the queue.
    pub messages: Vec<Known>,
    /// Live claims, and when they end.
    pub claims: Vec<(ClaimName, Timestamp)>,
}

impl Model {
    /// Time passes until an instant.
    pub fn pass(&mut self, now: Timestamp) {
        self.messages.retain(|message| message.expires.at > now);
        self.claims.retain(|(_, ends)| *ends > now);
        for message in &mut self.messages {
            message.held = message.held.filter(|(_, ends)| *ends > now);
        }
    }

    /// The next instant at which something ends or falls due.
    pub fn next_instant(&self, now: Timestamp) -> Option<Timestamp> {
        let messages = self.messages.iter().flat_map(|message| [message.expires.at, message.due.at]);
        messages.chain(self.claims.iter().map(|(_, ends)| *ends)).filter(|instant| *instant > now).min()
    }

    /// What can be claimed, up to a number.
    pub fn free(&self, now: Timestamp, limit: u16) -> Vec<Place> {
        let free = self.messages.iter().filter(|message| message.held.is_none() && message.due.at <= now);
        free.map(|message| message.place).take(limit.into()).collect()
    }

    /// What a claim holds.
    pub fn held(&self, claim: ClaimName) -> Vec<Place> {
        let held = self.messages.iter().filter(|message| message.held.is_some_and(|(holder, _)| holder == claim));
        let mut held: Vec<_> = held.map(|message| message.place).collect();
        // While several are at work messages are known in the order in which they were met.
        held.sort_unstable();
        held
    }

    /// Whether a claim lives.
    pub fn lives(&self, claim: ClaimName) -> bool {
        self.claims.iter().any(|(known, _)| *known == claim)
    }

    /// When the next hidden message falls due; of those alone that are still alive then, or of all.
    pub fn next_due(&self, alive: bool) -> Option<Timestamp> {
        let dates = self.messages.iter().map(|message| {
            let due = message.held.map_or(message.due.at, |(_, ends)| ends);
            (due, message.expires.at)
        });
        dates.filter(|(due, expires)| !alive || due < expires).map(|(due, _)| due).min()
    }

    /// The message at a place.
    pub fn at(&mut self, place: Place) -> Option<&mut Known> {
        self.messages.iter_mut().find(|message| message.place == place)
    }

    /// A claim takes messages until an instant; what would end before that by a second or more lives
    /// on for a minute's grace.
    pub fn hold(&mut self, places: &[Place], claim: ClaimName, until: Timestamp) {
        self.claims.retain(|(known, _)| *known != claim);
        self.claims.push((claim, until));
        for message in self.messages.iter_mut().filter(|message| places.contains(&message.place)) {
            message.held = Some((claim, until));
            match until.0 - message.expires.at.0 {
                ..=0 => {}
                1..1000 => message.expires = Instant::exact(until),
                _ => message.expires = Instant::exact(until.after(MINUTE)),
            }
        }
    }

    /// A claim ends.
    pub fn release(&mut self, claim: ClaimName) {
        self.claims.retain(|(known, _)| *known != claim);
        for message in &mut self.messages {
            message.held = message.held.filter(|(holder, _)| *holder != claim);
        }
    }

    /// Messages are gone.
    pub fn remove(&mut self, places: &[Place]) {
        self.messages.retain(|message| !places.contains(&message.place));
    }

    /// What readers see is what is known; instants that were not known to the millisecond are now.
    pub async fn compare(&mut self, queue: &Queue) -> Result<(), Failure> {
        let whole = |claimed_and_delayed| List {
            limit: 100_000,
            claimed: claimed_and_delayed,
            delayed: claimed_and_delayed,
            ..List::default()
        };
        let all = queue.list(whole(true)).await?;
        self.pass(all.now);
        let known: Vec<_> = self.messages.iter().map(|message| message.place).collect();
        ensure_eq!(numbers(&all.messages), plain(&known), "the places of all messages, claimed and delayed ones too");
        for (known, message) in self.messages.iter_mut().zip(&all.messages) {
            known.learn(message, all.now)?;
            let holder = known.held.map(|(claim, _)| claim.id(queue.reference.id()));
            ensure_eq!(message.claim, holder, "what holds the message at place {}", known.place.0);
            ensure_eq!(message.claims, known.claims, "how often the message at place {} was claimed", known.place.0);
        }
        let listed = queue.list(whole(false)).await?;
        self.pass(listed.now);
        ensure_eq!(numbers(&listed.messages), plain(&self.free(listed.now, u16::MAX)), "the places that are listed");
        let stats = queue.pool().stats(&queue.call(), &queue.reference).await?;
        self.pass(stats.now);
        let held = self.messages.iter().filter(|message| message.held.is_some()).count() as u64;
        let free = self.messages.len() as u64 - held;
        ensure_eq!((stats.claimed, stats.free), (held, free), "how many are claimed and free");
        let ends = [stats.oldest, stats.newest].map(|spot| spot.map(|spot| spot.place.0));
        let known = [self.messages.first(), self.messages.last()].map(|known| known.map(|known| known.place.0));
        ensure_eq!(ends, known, "the places of the oldest and of the newest message");
        Ok(())
    }
}

/// The places of messages, as they are told.
pub fn numbers(messages: &[Message]) -> Vec<u64> {
    messages.iter().map(|message| message.place.0).collect()
}

/// Places, as they are told.
pub fn plain(places: &[Place]) -> Vec<u64> {
    places.iter().map(|place| place.0).collect()
}
