//! The clients that keep the host busy until it is killed.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::ledger::{Deletion, Ledger, Number};
use super::{QUEUE, lock};
use crate::rest::{Answer, Call, Client};

const POSTERS: u64 = 3;
const CONSUMERS: u64 = 3;
/// Longer than any run: a claim of the checker ends by its release alone.
const CLAIM_TTL: u64 = 7200;

/// Starts the team. Each member stops when the host no longer answers.
pub fn start(client: &Client, ledger: &Arc<Mutex<Ledger>>, seed: u64) -> JoinSet<()> {
    let mut team = JoinSet::new();
    for number in 0..POSTERS + CONSUMERS {
        let chance = StdRng::seed_from_u64(seed ^ number);
        let worker = Worker { client: client.clone(), ledger: ledger.clone(), chance, number };
        if number < POSTERS {
            team.spawn(worker.post_for_ever());
        } else {
            team.spawn(worker.consume_for_ever());
        }
    }
    team
}

/// Waits until all have noticed that the host is gone.
pub async fn join(mut team: JoinSet<()>) {
    while let Some(joined) = team.join_next().await {
        joined.expect("no worker panics");
    }
}

struct Worker {
    client: Client,
    ledger: Arc<Mutex<Ledger>>,
    chance: StdRng,
    number: u64,
}

impl Worker {
    async fn post_for_ever(mut self) {
        while self.post().await.is_some() {}
    }

    async fn consume_for_ever(mut self) {
        while self.consume().await.is_some() {}
    }

    /// Posts a batch. A post without an answer is never repeated, so nothing may be there twice.
    async fn post(&mut self) -> Option<()> {
        let n_messages = self.chance.random_range(1..=12);
        let delay = if self.chance.random_ratio(1, 8) { self.chance.random_range(1..=4) } else { 0 };
        let numbers = lock(&self.ledger).posting(n_messages, Duration::from_secs(delay));
        let padding = "x".repeat(self.chance.random_range(0..600));
        let messages = numbers.clone().map(|number| {
            json!({ "ttl": 86_400, "delay": delay, "body": { "n": number, "by": self.number, "padding": padding } })
        });
        let body = json!({ "messages": messages.collect::<Vec<_>>() }).to_string();
        let path = format!("/v2/queues/{QUEUE}/messages");
        let answer = self.ask(self.client.request("POST", &path).body(body), &[201]).await?;
        let resources = answer.json()["resources"].as_array().cloned().unwrap_or_default();
        let ids = resources.iter().filter_map(Value::as_str).filter_map(|path| path.rsplit('/').next());
        lock(&self.ledger).posted(numbers, ids.map(str::to_owned).collect());
        Some(())
    }

    /// Claims some messages and does with them what consumers do.
    async fn consume(&mut self) -> Option<()> {
        let limit = self.chance.random_range(1..=20);
        let path = format!("/v2/queues/{QUEUE}/claims?limit={limit}");
        let body = json!({ "ttl": CLAIM_TTL, "grace": 60 }).to_string();
        let asked = Instant::now();
        let answer = self.ask(self.client.request("POST", &path).body(body), &[201, 204]).await?;
        if answer.status == 204 {
            tokio::time::sleep(Duration::from_millis(1)).await;
            return Some(());
        }
        let claim = answer.header("location").rsplit('/').next().unwrap_or_default().to_owned();
        let messages = answer.json()["messages"].as_array().cloned().unwrap_or_default();
        let held: Vec<(Number, String)> = messages.iter().map(numbered).collect();
        let numbers = held.iter().map(|(number, _)| *number).collect();
        lock(&self.ledger).claimed(&claim, numbers, asked, Duration::from_secs(CLAIM_TTL));
        match self.chance.random_range(0..12) {
            0..5 => self.delete(&claim, &held).await,
            5..7 => self.delete(&claim, &held[..held.len() / 2]).await,
            7..11 => self.release(&claim).await,
            _ => Some(()),
        }
    }

    async fn delete(&self, claim: &str, messages: &[(Number, String)]) -> Option<()> {
        for (number, id) in messages {
            lock(&self.ledger).deletion(*number, Deletion::Asked);
            let path = format!("/v2/queues/{QUEUE}/messages/{id}?claim_id={claim}");
            self.ask(self.client.request("DELETE", &path), &[204]).await?;
            lock(&self.ledger).deletion(*number, Deletion::Acknowledged);
        }
        Some(())
    }

    async fn release(&self, claim: &str) -> Option<()> {
        lock(&self.ledger).releasing(claim);
        let path = format!("/v2/queues/{QUEUE}/claims/{claim}");
        self.ask(self.client.request("DELETE", &path), &[204]).await?;
        lock(&self.ledger).released(claim);
        Some(())
    }

    /// The answer, if one came. One with an unexpected status is a broken promise.
    async fn ask(&self, call: Call<'_>, statuses: &[u16]) -> Option<Answer> {
        let answer = call.try_send().await.ok()?;
        if statuses.contains(&answer.status) {
            return Some(answer);
        }
        lock(&self.ledger).violations.push(format!("an answer of {}: {}", answer.status, answer.text()));
        None
    }
}

/// The number in a message's body, and the message's id.
pub fn numbered(message: &Value) -> (Number, String) {
    let number = message["body"]["n"].as_u64().unwrap_or(Number::MAX);
    (number, message["id"].as_str().unwrap_or_default().to_owned())
}
