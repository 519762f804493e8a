//! The clients that keep hosts busy.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::ledger::{Ledger, Number};
use super::{follower, lock, numbered};
use crate::rest::{Answer, Call, Client};

/// What ends by the store's clock has surely ended when so much more time has passed by ours.
const LATE: Duration = Duration::from_secs(1);

/// The hosts that may be asked, any of them.
#[derive(Clone, Debug, Default)]
pub struct Reach(Arc<RwLock<Vec<Client>>>);

impl Reach {
    /// One client for each host.
    pub fn of(clients: impl IntoIterator<Item = Client>) -> Reach {
        Reach(Arc::new(RwLock::new(clients.into_iter().collect())))
    }

    /// A host has another address now.
    pub fn moved(&self, host: usize, client: Client) {
        self.0.write().expect("nobody panics")[host] = client;
    }

    /// A host drawn by lot.
    pub fn any(&self, chance: &mut StdRng) -> Client {
        let clients = self.0.read().expect("nobody panics");
        clients[chance.random_range(0..clients.len())].clone()
    }
}

/// Who works on a queue, and how.
#[derive(Clone, Debug)]
pub struct Team {
    pub producers: u64,
    pub consumers: u64,
    /// Life of a claim, in seconds.
    pub claim_ttl: u64,
    /// How long a client waits for an answer.
    pub patience: Duration,
    /// The longest that a producer pauses between posts.
    pub pause: Duration,
    /// Ends a team that goes on when a request is not answered. Without it, each member stops then.
    pub ends: Option<Arc<AtomicBool>>,
}

impl Team {
    /// Starts the team, with a reader for each of those that the ledger has.
    pub fn start(&self, reach: &Reach, ledger: &Arc<Mutex<Ledger>>, seed: u64) -> JoinSet<()> {
        let mut running = JoinSet::new();
        let n_readers = lock(ledger).readings.len();
        let workers = self.producers + self.consumers;
        for number in 0..workers + n_readers as u64 {
            let chance = StdRng::seed_from_u64(seed ^ number);
            let (team, reach, ledger) = (self.clone(), reach.clone(), ledger.clone());
            let worker = Worker { team, reach, ledger, chance, number, abandoned: VecDeque::new() };
            if number < self.producers {
                running.spawn(worker.post_on_and_on());
            } else if number < workers {
                running.spawn(worker.consume_on_and_on());
            } else {
                running.spawn(worker.read_on_and_on((number - workers) as usize));
            }
        }
        running
    }
}

/// Waits until all have ended.
pub async fn join(mut running: JoinSet<()>) {
    while let Some(joined) = running.join_next().await {
        joined.expect("no worker panics");
    }
}

struct Worker {
    team: Team,
    reach: Reach,
    ledger: Arc<Mutex<Ledger>>,
    chance: StdRng,
    number: u64,
    /// Claims that this consumer lets run out, and when they surely have.
    abandoned: VecDeque<(Instant, Held)>,
}

/// A claim, and what it holds.
struct Held {
    claim: String,
    messages: Vec<(Number, String)>,
}

impl Worker {
    async fn post_on_and_on(mut self) {
        loop {
            let done = self.post().await;
            if !self.goes_on(done).await {
                break;
            }
            let pause = self.team.pause.mul_f64(self.chance.random_range(0.0..1.0));
            if !pause.is_zero() {
                sleep(pause).await;
            }
        }
    }

    async fn consume_on_and_on(mut self) {
        loop {
            let done = self.consume().await;
            if !self.goes_on(done).await {
                break;
            }
        }
    }

    async fn read_on_and_on(mut self, reader: usize) {
        loop {
            let client = self.reach.any(&mut self.chance);
            let page = timeout(self.team.patience, follower::read(&client, &self.ledger, reader)).await;
            let page = page.ok().flatten();
            if !self.goes_on(page.map(drop)).await {
                break;
            }
            if page == Some(false) {
                sleep(Duration::from_millis(1)).await;
            }
        }
    }

    /// Whether there is more to do, after a piece of work that succeeded, or whose outcome nobody knows.
    async fn goes_on(&self, done: Option<()>) -> bool {
        let Some(ends) = &self.team.ends else { return done.is_some() };
        if done.is_none() {
            sleep(Duration::from_millis(20)).await;
        }
        !ends.load(Ordering::Relaxed)
    }

    /// Posts a batch: with a key, until it is answered; without, once, so that it cannot be there twice.
    async fn post(&mut self) -> Option<()> {
        let n_messages = self.chance.random_range(1..=12);
        let delay = if self.chance.random_ratio(1, 8) { self.chance.random_range(1..=4) } else { 0 };
        let keyed = self.team.ends.is_some() && self.chance.random_ratio(1, 2);
        let numbers = lock(&self.ledger).posting(n_messages, Duration::from_secs(delay));
        let padding = "x".repeat(self.chance.random_range(0..600));
        let messages = numbers.clone().map(|number| {
            json!({ "ttl": 86_400, "delay": delay, "body": { "n": number, "by": self.number, "padding": padding } })
        });
        let body = json!({ "messages": messages.collect::<Vec<_>>() }).to_string();
        while self.try_post(&numbers, &body, keyed).await.is_none() {
            lock(&self.ledger).unanswered(&numbers);
            if !keyed || !self.goes_on(None).await {
                return None;
            }
        }
        // The answer may have been lost behind the host as well.
        if keyed && self.chance.random_ratio(1, 8) && lock(&self.ledger).may_come_again(&numbers) {
            self.try_post(&numbers, &body, keyed).await?;
        }
        Some(())
    }

    async fn try_post(&mut self, numbers: &Range<Number>, body: &str, keyed: bool) -> Option<()> {
        let client = self.reach.any(&mut self.chance);
        let mut call = client.request("POST", &self.path("/messages")).body(body.to_owned());
        if keyed {
            call = call.header("idempotency-key", &format!("batch-{}", numbers.start));
        }
        let answer = self.ask(call, &[201]).await?;
        let resources = answer.json()["resources"].as_array().cloned().unwrap_or_default();
        let ids = resources.iter().filter_map(Value::as_str).filter_map(|path| path.rsplit('/').next());
        lock(&self.ledger).posted(numbers.clone(), ids.map(str::to_owned).collect());
        Some(())
    }

    /// Claims some messages and does with them what consumers do.
    async fn consume(&mut self) -> Option<()> {
        if self.abandoned.front().is_some_and(|(over, _)| *over < Instant::now())
            && let Some((_, held)) = self.abandoned.pop_front()
        {
            self.come_late(&held).await?;
        }
        let Some(held) = self.claim().await? else {
            sleep(Duration::from_millis(1)).await;
            return Some(());
        };
        match self.chance.random_range(0..12) {
            0..4 => self.delete(&held, held.messages.len()).await,
            4 => {
                self.renew(&held).await?;
                self.delete(&held, held.messages.len()).await
            }
            5..7 => self.delete(&held, held.messages.len() / 2).await,
            7..11 => self.release(&held).await,
            _ => {
                let over = Instant::now() + Duration::from_secs(self.team.claim_ttl) + LATE;
                self.abandoned.push_back((over, held));
                Some(())
            }
        }
    }

    /// Goes on with a claim that has run out, as a consumer that was held up does: it can neither be renewed
    /// nor take a message away. Deletions are not written down, so the audit misses what one removes.
    async fn come_late(&mut self, held: &Held) -> Option<()> {
        self.ask_to_renew(held, &[404]).await?;
        for (_, id) in held.messages.iter().take(2) {
            self.ask_to_delete(held, id).await?;
        }
        Some(())
    }

    /// A claim, if there was anything to be had.
    async fn claim(&mut self) -> Option<Option<Held>> {
        let limit = self.chance.random_range(1..=20);
        let ttl = self.team.claim_ttl;
        let body = json!({ "ttl": ttl, "grace": 60 }).to_string();
        let asked = Instant::now();
        let client = self.reach.any(&mut self.chance);
        let call = client.request("POST", &self.path(&format!("/claims?limit={limit}"))).body(body);
        let answer = self.ask(call, &[201, 204]).await?;
        if answer.status == 204 {
            return Some(None);
        }
        let claim = answer.header("location").rsplit('/').next().unwrap_or_default().to_owned();
        let messages = answer.json()["messages"].as_array().cloned().unwrap_or_default();
        let messages: Vec<_> = messages.iter().map(numbered).collect();
        lock(&self.ledger).claimed(&claim, &messages, asked, Duration::from_secs(ttl));
        Some(Some(Held { claim, messages }))
    }

    /// Deletes so many of a claim's messages. Of one whose deletion is not answered nobody knows.
    async fn delete(&mut self, held: &Held, count: usize) -> Option<()> {
        for (number, id) in held.messages.iter().take(count) {
            lock(&self.ledger).deleting(*number);
            let answer = self.ask_to_delete(held, id).await?;
            let mut ledger = lock(&self.ledger);
            ledger.deleted(*number, answer.status == 204);
            if answer.status != 204 {
                ledger.told_ended(&held.claim, &answer.text());
            }
        }
        Some(())
    }

    async fn ask_to_delete(&mut self, held: &Held, id: &str) -> Option<Answer> {
        let client = self.reach.any(&mut self.chance);
        let path = self.path(&format!("/messages/{id}?claim_id={}", held.claim));
        self.ask(client.request("DELETE", &path), &[204, 400, 403]).await
    }

    async fn renew(&mut self, held: &Held) -> Option<()> {
        let asked = Instant::now();
        let answer = self.ask_to_renew(held, &[204, 404]).await?;
        let mut ledger = lock(&self.ledger);
        match answer.status {
            204 => ledger.renewed(&held.claim, asked, Duration::from_secs(self.team.claim_ttl)),
            _ => ledger.told_ended(&held.claim, &answer.text()),
        }
        Some(())
    }

    async fn ask_to_renew(&mut self, held: &Held, statuses: &[u16]) -> Option<Answer> {
        let body = json!({ "ttl": self.team.claim_ttl, "grace": 60 }).to_string();
        let client = self.reach.any(&mut self.chance);
        let call = client.request("PATCH", &self.path(&format!("/claims/{}", held.claim))).body(body);
        self.ask(call, statuses).await
    }

    async fn release(&mut self, held: &Held) -> Option<()> {
        lock(&self.ledger).releasing(&held.claim);
        let client = self.reach.any(&mut self.chance);
        self.ask(client.request("DELETE", &self.path(&format!("/claims/{}", held.claim))), &[204]).await?;
        lock(&self.ledger).released(&held.claim);
        Some(())
    }

    fn path(&self, below: &str) -> String {
        format!("/v2/queues/{}{below}", lock(&self.ledger).queue)
    }

    /// The answer, if one came that says what became of the request. One with an unexpected status is a
    /// broken promise; 503 is none where stores may be away.
    async fn ask(&self, call: Call<'_>, statuses: &[u16]) -> Option<Answer> {
        let answer = timeout(self.team.patience, call.try_send()).await.ok().and_then(Result::ok);
        let mut ledger = lock(&self.ledger);
        match answer {
            Some(answer) if statuses.contains(&answer.status) => return Some(answer),
            Some(answer) if answer.status != 503 || self.team.ends.is_none() => {
                ledger.broken(format!("an answer of {}: {}", answer.status, answer.text()));
            }
            _ => ledger.unsure += 1,
        }
        None
    }
}
