//! What the crash loop ([`crate::crash`]) and the chaos run ([`crate::chaos`]) hold hosts to: clients that
//! write down what they ask and what they are told, and an audit of it.
//!
//! What may be lost: a request that was not answered, or answered with 503; it took effect as a whole, or
//! not at all, and may still do so later if its host only stood still. What may not: anything else. The
//! promises are those of docs/clients.md, "What is promised", and docs/operating/many-hosts.md, "What is kept".

pub mod audit;
mod claims;
mod dead_letters;
pub mod follower;
mod incarnations;
pub mod ledger;
mod readings;
pub mod workers;

use std::sync::{Mutex, MutexGuard};

use serde_json::Value;

use self::ledger::{Ledger, Number};

/// What hosts are set up with, so that one page and one claim can be long.
pub const LIMITS: &str = "[limits]\nmax_messages_per_page = 1000\nmax_messages_per_claim_or_pop = 100";
/// So many broken promises are told one by one: one fault of a host shows in many messages.
pub const SHOWN: usize = 20;

/// The ledger, for a moment.
pub fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().expect("no worker panics")
}

/// The number in a message's body, and the message's id.
fn numbered(message: &Value) -> (Number, String) {
    let number = message["body"]["n"].as_u64().unwrap_or(Number::MAX);
    (number, message["id"].as_str().unwrap_or_default().to_owned())
}
