//! After a restart: is all there that was acknowledged, and nothing else?

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::time::Instant;

use serde_json::Value;

use super::dead_letters::{self, Shown, list};
use super::follower::Follower;
use super::ledger::{Deletion, Ledger, Number};
use super::workers::numbered;
use super::{QUEUE, lock};
use crate::eventually;
use crate::eventually::SOON;
use crate::rest::Client;

/// Compares the ledger with what the host shows. Nobody else must be at work.
pub async fn audit(client: &Client, ledger: &Mutex<Ledger>, follower: &mut Follower) -> Vec<String> {
    while follower.read(client).await.is_some_and(|n_messages| n_messages > 0) {}
    let shown = Shown::read(client).await;
    let free = list(client, QUEUE, "").await;
    let free_at = Instant::now();
    let mut found = Vec::new();
    {
        let mut ledger = lock(ledger);
        for number in shown.all().map(|message| numbered(message).0).chain(follower.seen.iter().copied()) {
            ledger.seen(number);
        }
        ledger.dead_letters = shown.dead.len();
        check_presence(&ledger, &shown, &mut found);
        check_batches(&ledger, &shown, &mut found);
        check_order(&shown.main, &mut found);
        check_follower(&shown.main, follower, &mut found);
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

/// Waits until what has used up its claims is moved, which is a matter of seconds.
pub async fn settled(client: &Client, ledger: &Mutex<Ledger>) {
    let moved = async || {
        let shown = Shown::read(client).await;
        (shown.waiting(&lock(ledger)) == 0).then_some(())
    };
    eventually("what has used up its claims is moved", SOON, moved).await;
}

fn check_presence(ledger: &Ledger, shown: &Shown, found: &mut Vec<String>) {
    let mut ids = HashMap::new();
    for (number, id) in shown.all().map(numbered) {
        if ids.insert(number, id).is_some() {
            found.push(format!("message {number} is there twice"));
        }
    }
    let dead: HashSet<Number> = shown.dead.iter().map(|letter| numbered(letter).0).collect();
    for (number, message) in &ledger.messages {
        match ids.get(number) {
            None if ledger.must_exist(message) => found.push(format!("message {number} is lost")),
            Some(_) if message.deletion == Deletion::Acknowledged => {
                found.push(format!("message {number} is there again after its deletion"));
            }
            // A dead letter is a message of its own.
            Some(_) if dead.contains(number) => {}
            Some(id) if message.id.as_ref().is_some_and(|known| known != id) => {
                found.push(format!("message {number} has another id than its post was answered with"));
            }
            _ => {}
        }
    }
}

/// A batch without an answer is there as a whole, or not at all.
fn check_batches(ledger: &Ledger, shown: &Shown, found: &mut Vec<String>) {
    let present: HashSet<Number> = shown.all().map(|message| numbered(message).0).collect();
    for batch in ledger.batches.iter().filter(|batch| batch.stored) {
        let lost = batch
            .numbers
            .clone()
            .find(|number| !present.contains(number) && ledger.messages[number].deletion == Deletion::NotAsked);
        if let Some(lost) = lost {
            found.push(format!("of the batch {:?} message {lost} is missing", batch.numbers));
        }
    }
}

/// Each producer posts one batch after the other: its numbers rise along the queue.
fn check_order(listed: &[Value], found: &mut Vec<String>) {
    let mut last = HashMap::new();
    for message in listed {
        let (number, _) = numbered(message);
        let before = last.insert(message["body"]["by"].as_u64(), number);
        if before.is_some_and(|before| before > number) {
            found.push(format!("message {number} comes after a later one of its producer"));
        }
    }
}

fn check_follower(listed: &[Value], follower: &Follower, found: &mut Vec<String>) {
    found.extend(follower.repeated.iter().map(|number| format!("message {number} was shown twice to a follower")));
    let numbers = listed.iter().map(|message| numbered(message).0);
    let skipped = numbers.filter(|number| !follower.seen.contains(number));
    found.extend(skipped.map(|number| format!("message {number} was passed over by a follower")));
}

/// A claim that was answered and not released still holds its messages, and nobody else can see them.
async fn check_claims(client: &Client, ledger: &Mutex<Ledger>, free: &[Value], found: &mut Vec<String>) {
    let free: HashSet<Number> = free.iter().map(|message| numbered(message).0).collect();
    let held = held(&lock(ledger));
    for (id, due) in held {
        if let Some(number) = due.iter().find(|(number, _)| free.contains(number)) {
            found.push(format!("message {} is listed as free while claim {id} holds it", number.0));
        }
        let answer = client.get(&format!("/v2/queues/{QUEUE}/claims/{id}")).await;
        if answer.status != 200 {
            found.push(format!("claim {id} is gone: {}", answer.text()));
            continue;
        }
        let messages = answer.json()["messages"].as_array().cloned().unwrap_or_default();
        let there: HashSet<Number> = messages.iter().map(|message| numbered(message).0).collect();
        if due.iter().any(|(number, deletion)| *deletion == Deletion::NotAsked && !there.contains(number)) {
            found.push(format!("claim {id} has lost a message: it holds {there:?} of {due:?}"));
        }
        if there.iter().any(|number| !due.iter().any(|(due, _)| due == number)) {
            found.push(format!("claim {id} has got a further message: it holds {there:?} of {due:?}"));
        }
    }
}

/// The live claims, with what each must hold: what may be deleted already is marked.
fn held(ledger: &Ledger) -> Vec<(String, Vec<(Number, Deletion)>)> {
    let live = ledger.claims.iter().filter(|(_, claim)| !claim.ended && claim.until > Instant::now());
    let kept = |number: &Number| {
        let deletion = ledger.messages.get(number).map_or(Deletion::NotAsked, |message| message.deletion);
        (deletion != Deletion::Acknowledged).then_some((*number, deletion))
    };
    live.map(|(id, claim)| (id.clone(), claim.numbers.iter().filter_map(kept).collect())).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
        ledger.deletion(1, Deletion::Asked);
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
        ledger.deletion(0, Deletion::Acknowledged);
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
    fn a_follower_must_see_each_message_once() {
        let (_, listed) = sound();
        let mut follower = Follower::default();
        follower.seen.extend([0, 1, 2]);
        let mut found = Vec::new();
        check_follower(&listed, &follower, &mut found);
        assert!(found.is_empty());
        follower.seen.remove(&1);
        follower.repeated.push(2);
        check_follower(&listed, &follower, &mut found);
        assert_eq!(found.len(), 2);
    }
}
