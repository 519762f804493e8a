//! What a history consists of, and how it is told.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One step: who does what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Which client, from 0. What nobody does in particular is client 0's.
    pub client: u8,
    /// What happens.
    pub event: Event,
}

/// What can happen to a queue. Times are seconds; claims are a client's, named by few numbers, so
/// that they meet again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// Posts so many messages.
    Post { count: u16, ttl: u32, delay: u32 },
    /// Claims up to so many messages; repeats the claim if it lives.
    Claim { claim: u8, limit: u16, ttl: u32 },
    /// Renews a claim.
    Renew { claim: u8, ttl: u32 },
    /// Ends a claim.
    Release { claim: u8, delay: u32 },
    /// Deletes the message at a position, counted from the head; nothing where there is none.
    Delete { position: u16 },
    /// Deletes all that a claim holds, under the claim.
    DeleteClaimed { claim: u8 },
    /// Pops up to so many messages.
    Pop { limit: u16 },
    /// Settles what is due.
    Sweep,
    /// Time passes.
    Pass { seconds: u32 },
    /// All clients are done with what they did, and what is there is looked at.
    Meet,
    /// The pool is closed and opened again, where something outlives that.
    Restart,
    /// The process that works on the pool is killed, and another goes on.
    Kill,
}

/// What shrinking makes of a claim's time: so long that it does not end by itself.
const LONG: u32 = 3_600;
/// And of a message's: it outlives every claim.
pub const DAY: u32 = 86_400;

impl Event {
    /// Whether it happens to all clients, so that none is at work meanwhile.
    pub fn to_all(self) -> bool {
        matches!(self, Event::Pass { .. } | Event::Meet | Event::Restart | Event::Kill)
    }

    /// The same with less in it, the simplest first.
    pub fn simpler(self) -> Vec<Event> {
        let mut simpler = match self {
            Event::Post { count, ttl, delay } => vec![
                Event::Post { count: 1, ttl: DAY, delay: 0 },
                Event::Post { count: 1, ttl, delay },
                Event::Post { count, ttl, delay: 0 },
                Event::Post { count, ttl: DAY, delay },
                Event::Post { count: count.div_ceil(2), ttl, delay },
                Event::Post { count: count.max(2) - 1, ttl, delay },
            ],
            Event::Claim { claim, limit, ttl } => vec![
                Event::Claim { claim, limit: 1, ttl: LONG },
                Event::Claim { claim, limit: 1, ttl },
                Event::Claim { claim, limit, ttl: LONG },
                Event::Claim { claim, limit: limit.div_ceil(2), ttl },
            ],
            Event::Renew { claim, .. } => vec![Event::Renew { claim, ttl: LONG }],
            Event::Release { claim, .. } => vec![Event::Release { claim, delay: 0 }],
            Event::Delete { position } => vec![Event::Delete { position: 0 }, Event::Delete { position: position / 2 }],
            Event::Pop { limit } => vec![Event::Pop { limit: 1 }, Event::Pop { limit: limit.div_ceil(2) }],
            Event::Pass { seconds } => {
                vec![Event::Pass { seconds: seconds.div_ceil(2) }, Event::Pass { seconds: seconds.max(2) - 1 }]
            }
            Event::DeleteClaimed { .. } | Event::Sweep | Event::Meet | Event::Restart | Event::Kill => Vec::new(),
        };
        simpler.retain(|event| *event != self);
        simpler
    }
}

/// Seconds, as the clock counts them.
pub const fn secs(seconds: u32) -> Duration {
    Duration::from_secs(seconds as u64)
}

fn delayed(delay: u32) -> String {
    if delay == 0 { String::new() } else { format!(", delayed by {delay} s") }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Event::Post { count, ttl, delay } => write!(f, "post {count}, to live {ttl} s{}", delayed(delay)),
            Event::Claim { claim, limit, ttl } => write!(f, "claim up to {limit} for {ttl} s, as claim {claim}"),
            Event::Renew { claim, ttl } => write!(f, "renew claim {claim} for {ttl} s"),
            Event::Release { claim, delay } => write!(f, "release claim {claim}{}", delayed(delay)),
            Event::Delete { position } => write!(f, "delete the message at position {position}"),
            Event::DeleteClaimed { claim } => write!(f, "delete what claim {claim} holds, under the claim"),
            Event::Pop { limit } => write!(f, "pop up to {limit}"),
            Event::Sweep => f.write_str("sweep"),
            Event::Pass { seconds } => write!(f, "{seconds} s pass"),
            Event::Meet => f.write_str("all are done"),
            Event::Restart => f.write_str("the pool is closed and opened again"),
            Event::Kill => f.write_str("the process is killed, and the pool opened again"),
        }
    }
}

/// A history as people read it: a line a step; who does it where several do something.
pub fn tell(steps: &[Step]) -> String {
    let several = steps.iter().any(|step| step.client > 0);
    let mut told = String::new();
    for (number, Step { client, event }) in steps.iter().enumerate() {
        let who = if several && !event.to_all() { format!("client {client}: ") } else { String::new() };
        told += &format!("\n  {}. {who}{event}", number + 1);
    }
    told
}
