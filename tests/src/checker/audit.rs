//! When all is quiet: is all there that was acknowledged, and nothing else?

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::time::sleep;

use super::claims::Claim;
use super::dead_letters::{self, Shown, list};
use super::ledger::{Ledger, Number, Rule};
use super::{follower, lock, numbered};
use crate::eventually;
use crate::eventually::SOON;
use crate::rest::Client;

/// Compares the ledger with what the host shows. Nobody else must be at work.
pub async fn audit(client: &Client, ledger: &Mutex<Ledger>) -> Vec<String> {
    let n_readers = lock(ledger).readings.len();
    for reader in 0..n_readers {
        while follower::read(client, ledger, reader).await == Some(true) {}
    }
    let (queue, rule) = watched(ledger);
    let shown = Shown::read(client, &queue, rule.as_ref()).await;
    let free = list(client, &queue, "").await;
    let free_at = Instant::now();
    let mut found = Vec::new();
    {
        let mut ledger = lock(ledger);
        for (number, id) in shown.main.iter().map(numbered) {
            ledger.shown(number, &id);
        }
        for (number, _) in shown.dead.iter().map(numbered) {
            ledger.seen(number);
        }
        ledger.dead_letters = shown.dead.len();
        check_presence(&ledger, &shown, &mut found);
        check_batches(&ledger, &shown, &mut found);
        check_order(&shown.main, &mut found);
        check_readers(&shown.main, &ledger, &mut found);
        dead_letters::check(&ledger, &shown.dead, &mut found);
        for (number, _) in free.iter().map(numbered) {
            if ledger.messages.get(&number).is_some_and(|message| message.due > free_at) {
                found.push(format!("message {number} is listed before its delay is over"));
            }
        }
    }
    check_claims(client, ledger, &free, &mut found).await;
    found
}

fn watched(ledger: &Mutex<Ledger>) -> (String, Option<Rule>) {
    let ledger = lock(ledger);
    (ledger.queue.clone(), ledger.rule.clone())
}

/// Waits until what has used up its claims is moved, which is a matter of seconds.
pub async fn settled(client: &Client, ledger: &Mutex<Ledger>) {
    let (queue, rule) = watched(ledger);
    let moved = async || {
        let shown = Shown::read(client, &queue, rule.as_ref()).await;
        (shown.waiting(&lock(ledger)) == 0).then_some(())
    };
    eventually("what has used up its claims is moved", SOON, moved).await;
}

/// Waits until every claim has run out, those that nobody was told of too, and all messages are free again;
/// those that are not when patience ends.
pub async fn still_held(client: &Client, ledger: &Mutex<Ledger>, patience: Duration) -> Vec<Number> {
    let (queue, _) = watched(ledger);
    let begun = Instant::now();
    loop {
        let all = list(client, &queue, "&include_claimed=true&include_delayed=true").await;
        let free: HashSet<Number> = list(client, &queue, "").await.iter().map(|message| numbered(message).0).collect();
        let held: Vec<_> =
            all.iter().map(|message| numbered(message).0).filter(|number| !free.contains(number)).collect();
        if held.is_empty() || begun.elapsed() > patience {
            return held;
        }
        sleep(Duration::from_secs(1)).await;
    }
}

fn check_presence(ledger: &Ledger, shown: &Shown, found: &mut Vec<String>) {
    let mut ids = HashSet::new();
    for (number, _) in shown.all().map(numbered) {
        if !ids.insert(number) {
            found.push(format!("message {number} is there twice"));
        }
    }
    for (number, message) in &ledger.messages {
        match ids.contains(number) {
            false if ledger.must_exist(message) => found.push(format!("message {number} is lost")),
            true if message.deleted.is_some() => {
                found.push(format!("message {number} is there again after its deletion"));
            }
            _ => {}
        }
    }
}

/// A batch without an answer is there as a whole, or not at all.
fn check_batches(ledger: &Ledger, shown: &Shown, found: &mut Vec<String>) {
    let present: HashSet<Number> = shown.all().map(|message| numbered(message).0).collect();
    for batch in ledger.batches.iter().filter(|batch| batch.stored) {
        let lost =
            batch.numbers.clone().find(|number| !present.contains(number) && ledger.messages[number].is_wanted());
        if let Some(lost) = lost {
            found.push(format!("of the batch {:?} message {lost} is missing", batch.numbers));
        }
    }
}

/// Places ascend along the queue. Whether a message has the place that it must have, the ledger has
/// checked when it was first shown.
fn check_order(listed: &[Value], found: &mut Vec<String>) {
    for pair in listed.windows(2) {
        let [(before, first), (number, second)] = [numbered(&pair[0]), numbered(&pair[1])];
        if first >= second {
            found.push(format!("message {number} is listed behind {before}, and sorts before it"));
        }
    }
}

fn check_readers(listed: &[Value], ledger: &Ledger, found: &mut Vec<String>) {
    for reading in &ledger.readings {
        let numbers = listed.iter().map(|message| numbered(message).0);
        let skipped = numbers.filter(|number| !reading.seen.contains(number));
        found.extend(skipped.map(|number| format!("message {number} was passed over by a reader")));
    }
}

/// A claim that was answered and not released still holds its messages, and nobody else can see them.
async fn check_claims(client: &Client, ledger: &Mutex<Ledger>, free: &[Value], found: &mut Vec<String>) {
    let free: HashSet<Number> = free.iter().map(|message| numbered(message).0).collect();
    let (queue, held) = (watched(ledger).0, held(&lock(ledger)));
    for (id, due) in held {
        if let Some((number, _)) = due.iter().find(|(number, _)| free.contains(number)) {
            found.push(format!("message {number} is listed as free while claim {id} holds it"));
        }
        let answer = client.get(&format!("/v2/queues/{queue}/claims/{id}")).await;
        if answer.status != 200 {
            // It may have come to its end meanwhile.
            if lock(ledger).claims.get(&id).is_some_and(Claim::lives) {
                found.push(format!("claim {id} is gone: {}", answer.text()));
            }
            continue;
        }
        let messages = answer.json()["messages"].as_array().cloned().unwrap_or_default();
        let there: HashSet<Number> = messages.iter().map(|message| numbered(message).0).collect();
        if due.iter().any(|(number, wanted)| *wanted && !there.contains(number)) {
            found.push(format!("claim {id} has lost a message: it holds {there:?} of {due:?}"));
        }
        if there.iter().any(|number| !due.contains_key(number)) {
            found.push(format!("claim {id} has got a further message: it holds {there:?} of {due:?}"));
        }
    }
}

/// The live claims, with what each may hold, and whether it must.
fn held(ledger: &Ledger) -> Vec<(String, HashMap<Number, bool>)> {
    let live = ledger.claims.iter().filter(|(_, claim)| claim.lives());
    let kept = |number: &Number| {
        let message = ledger.messages.get(number).filter(|message| message.deleted.is_none());
        message.map(|message| (*number, message.is_wanted()))
    };
    live.map(|(id, claim)| (id.clone(), claim.numbers.iter().filter_map(kept).collect())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A ledger with one acknowledged batch of three, and the listing that is due.
    fn sound() -> (Ledger, Vec<Value>) {
        let mut ledger = Ledger::default();
        let numbers = ledger.posting(3, Duration::ZERO);
        ledger.posted(numbers.clone(), numbers.clone().map(|number| format!("id{number}")).collect());
        let listed = numbers.map(|number| json!({ "id": format!("id{number}"), "body": { "n": number, "by": 0 } }));
        (ledger, listed.collect())
    }

    fn faults(ledger: &Ledger, listed: &[Value]) -> Vec<String> {
        faults_beside(ledger, listed, &[])
    }

    fn faults_beside(ledger: &Ledger, listed: &[Value], dead: &[Value]) -> Vec<String> {
        let mut found = Vec::new();
        let shown = Shown { main: listed.to_vec(), dead: dead.to_vec() };
        check_presence(ledger, &shown, &mut found);
        check_batches(ledger, &shown, &mut found);
        check_order(listed, &mut found);
        found
    }

    #[test]
    fn what_is_as_it_was_acknowledged_is_no_fault() {
        let (mut ledger, mut listed) = sound();
        assert!(faults(&ledger, &listed).is_empty());
        ledger.deleting(1);
        assert!(faults(&ledger, &listed).is_empty(), "a deletion without an answer may have failed");
        listed.remove(1);
        assert!(faults(&ledger, &listed).is_empty(), "or taken effect");
        ledger.posting(2, Duration::ZERO);
        assert!(faults(&ledger, &listed).is_empty(), "a post without an answer may be absent");
    }

    #[test]
    fn each_kind_of_loss_is_found() {
        let (ledger, mut listed) = sound();
        let lost = listed.remove(2);
        assert!(!faults(&ledger, &listed).is_empty(), "a message is lost");
        listed.insert(0, lost.clone());
        assert!(!faults(&ledger, &listed).is_empty(), "the order is another");
        let (mut ledger, mut listed) = sound();
        listed.push(lost);
        assert!(!faults(&ledger, &listed).is_empty(), "a message is there twice");
        listed.pop();
        ledger.deleting(0);
        ledger.deleted(0, true);
        assert!(!faults(&ledger, &listed).is_empty(), "a deleted message is back");
    }

    #[test]
    fn a_message_is_in_its_queue_or_among_the_dead_letters() {
        let (ledger, mut listed) = sound();
        let moved = listed.remove(1);
        let letter = json!({ "id": "new", "body": moved["body"] });
        assert!(faults_beside(&ledger, &listed, std::slice::from_ref(&letter)).is_empty());
        listed.insert(1, moved);
        assert!(!faults_beside(&ledger, &listed, &[letter]).is_empty(), "it is in both");
    }

    #[test]
    fn half_a_batch_is_found() {
        let (mut ledger, mut listed) = sound();
        ledger.posting(2, Duration::ZERO);
        listed.push(json!({ "id": "id3", "body": { "n": 3, "by": 0 } }));
        ledger.seen(3);
        assert!(!faults(&ledger, &listed).is_empty());
    }

    #[test]
    fn a_reader_must_have_seen_what_is_there() {
        let (mut ledger, listed) = sound();
        let reader = ledger.reader();
        ledger.readings[reader].seen.extend([0, 1, 2]);
        let mut found = Vec::new();
        check_readers(&listed, &ledger, &mut found);
        assert!(found.is_empty());
        ledger.readings[reader].seen.remove(&1);
        check_readers(&listed, &ledger, &mut found);
        assert_eq!(found.len(), 1);
    }
}
