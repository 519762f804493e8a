//! What used up its claims: moved once, no sooner than that, and never given out again.

use std::collections::HashSet;

use serde_json::Value;

use super::ledger::{Ledger, Number, Rule};
use super::numbered;
use crate::rest::Client;

/// Both queues, page by page.
#[derive(Debug, Default)]
pub struct Shown {
    /// The queue that everybody works on.
    pub main: Vec<Value>,
    /// Its dead letters, with their origin.
    pub dead: Vec<Value>,
}

/// How often a listing is repeated that a move went through.
const TRIES: u32 = 5;

impl Shown {
    /// Reads both. What moves meanwhile can be in both listings; then they are read again.
    pub async fn read(client: &Client, queue: &str, rule: Option<&Rule>) -> Shown {
        let mut shown = Shown::default();
        for _ in 0..TRIES {
            shown.main = list(client, queue, "&include_claimed=true&include_delayed=true").await;
            let Some(rule) = rule else { break };
            shown.dead = list(client, &rule.dead, "&origin=true").await;
            if shown.numbers(&shown.main).is_disjoint(&shown.numbers(&shown.dead)) {
                break;
            }
        }
        shown
    }

    /// All messages, wherever they are.
    pub fn all(&self) -> impl Iterator<Item = &Value> {
        self.main.iter().chain(&self.dead)
    }

    fn numbers(&self, messages: &[Value]) -> HashSet<Number> {
        messages.iter().map(|message| numbered(message).0).collect()
    }

    /// How many still wait to be moved.
    pub fn waiting(&self, ledger: &Ledger) -> usize {
        let Some(rule) = &ledger.rule else { return 0 };
        let claims = |message: &Value| ledger.messages.get(&numbered(message).0).map(|message| message.claims_ended);
        self.main.iter().filter(|message| claims(message) >= Some(rule.max_claims)).count()
    }
}

/// A whole queue.
pub async fn list(client: &Client, queue: &str, which: &str) -> Vec<Value> {
    let mut messages = Vec::new();
    let mut path = format!("/v2/queues/{queue}/messages?echo=true&limit=1000{which}");
    loop {
        let page = client.get(&path).await.expect(200).json();
        let items = page["messages"].as_array().cloned().unwrap_or_default();
        let next = page["links"][0]["href"].as_str().map(str::to_owned);
        match next {
            Some(next) if !items.is_empty() => path = next,
            _ => return messages,
        }
        messages.extend(items);
    }
}

/// Each dead letter must have used up its claims, and know where it came from.
pub fn check(ledger: &Ledger, dead: &[Value], found: &mut Vec<String>) {
    let Some(rule) = &ledger.rule else { return };
    for letter in dead {
        let (number, id) = numbered(letter);
        let Some(message) = ledger.messages.get(&number) else { continue };
        let origin = &letter["origin"];
        if message.releases_asked < rule.max_claims {
            found.push(format!("message {number} is a dead letter after {} claim(s) ended", message.releases_asked));
        }
        if message.deleted.is_some() {
            found.push(format!("message {number} is a dead letter after its deletion"));
        }
        if message.id.as_ref() == Some(&id) {
            found.push(format!("the dead letter of message {number} has its id"));
        }
        let known = message.id.as_deref().is_none_or(|id| origin["id"] == id);
        if !known || origin["queue"] != ledger.queue.as_str() || origin["claim_count"] != rule.max_claims {
            found.push(format!("the dead letter of message {number} has the origin {origin}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use serde_json::json;

    use super::*;

    const MAX_CLAIMS: u32 = 2;

    /// A ledger with one message that was claimed and released so often, and its dead letter.
    fn released(n_claims: u32) -> (Ledger, Value) {
        let mut ledger = Ledger::of("queue", Some(Rule { max_claims: MAX_CLAIMS, dead: "dead".to_owned() }));
        let numbers = ledger.posting(1, Duration::ZERO);
        ledger.posted(numbers, vec!["id0".to_owned()]);
        for claim in 0..n_claims {
            let id = format!("c{claim}");
            ledger.claimed(&id, &[(0, "id0".to_owned())], Instant::now(), Duration::from_secs(600));
            ledger.releasing(&id);
            ledger.released(&id);
        }
        let origin = json!({ "queue": "queue", "id": "id0", "claim_count": MAX_CLAIMS });
        (ledger, json!({ "id": "new", "body": { "n": 0, "by": 0 }, "origin": origin }))
    }

    fn faults(ledger: &Ledger, letter: &Value) -> usize {
        let mut found = Vec::new();
        check(ledger, std::slice::from_ref(letter), &mut found);
        found.len()
    }

    #[test]
    fn what_used_up_its_claims_is_a_sound_dead_letter() {
        let (ledger, letter) = released(MAX_CLAIMS);
        assert_eq!(faults(&ledger, &letter), 0);
        assert!(ledger.violations.is_empty());
    }

    #[test]
    fn each_fault_of_a_dead_letter_is_found() {
        let (ledger, letter) = released(MAX_CLAIMS - 1);
        assert_eq!(faults(&ledger, &letter), 1, "it had a claim left");
        let (mut ledger, mut letter) = released(MAX_CLAIMS);
        letter["origin"]["id"] = json!("another");
        assert_eq!(faults(&ledger, &letter), 1, "its origin is another");
        letter["id"] = json!("id0");
        assert_eq!(faults(&ledger, &letter), 2, "its id is the old one");
        ledger.deleting(0);
        ledger.deleted(0, true);
        assert_eq!(faults(&ledger, &letter), 3, "it was deleted");
    }

    #[test]
    fn what_used_up_its_claims_is_not_given_out_again() {
        let (ledger, _) = released(MAX_CLAIMS + 1);
        assert_eq!(ledger.violations.len(), 1);
    }

    #[test]
    fn what_waits_to_be_moved_is_counted() {
        let (ledger, letter) = released(MAX_CLAIMS);
        let shown = Shown { main: vec![letter.clone()], dead: Vec::new() };
        assert_eq!(shown.waiting(&ledger), 1);
        assert_eq!(Shown { main: Vec::new(), dead: vec![letter] }.waiting(&ledger), 0);
    }
}
