//! One transaction in flight a queue and host, serving all who wait meanwhile.
//!
//! Two transactions in one queue would only make each other begin anew. So who asks for something while
//! one is under way stands in line, and the next transaction serves as many as it may.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sukkal_plugin_sdk::tokio::sync::oneshot;
use sukkal_plugin_sdk::tokio::time::timeout;
use sukkal_plugin_sdk::{
    Batch, Budget, ClaimId, Claimed, Delete, Deleted, Error, Export, Header, Lease, Leased, NewClaim, Post, Posted,
    Progress, QueueId, QueueRef, Release, Renewal, Result, Swept, tokio,
};

use super::serve::Served;
use super::shared::Shared;
use crate::error::timed_out;

/// Messages that one transaction serves, and bytes of their bodies.
const MESSAGES: usize = 1_000;
const BYTES: usize = 8 << 20;

/// What can be asked for in a queue.
#[derive(Debug)]
pub enum Ask {
    Configure(Header),
    Post(Post),
    Claim(NewClaim),
    Pop(u32),
    Renew(ClaimId, Renewal),
    Release(ClaimId, Release),
    Delete(Delete),
    Lease(Lease),
    Purge(Budget),
    Drop(Budget),
    Import(Export),
    /// Settles what has fallen due, at most so much.
    Settle(u32),
}

/// What comes of it.
#[derive(Debug)]
pub enum Answer {
    Done,
    Posted(Posted),
    Claimed(Claimed),
    Popped(Batch),
    Renewed(bool),
    Deleted(Deleted),
    Leased(Option<Leased>),
    Progress(Progress),
    Swept(Swept),
}

impl Ask {
    /// How many messages and bytes it is about.
    fn weight(&self) -> (usize, usize) {
        match self {
            Ask::Post(post) => {
                let copies = if post.outbox { 2 } else { 1 };
                let bytes = post.messages.iter().map(|message| message.body.len()).sum::<usize>();
                (copies * post.messages.len() + post.settles.len(), copies * bytes)
            }
            Ask::Claim(claim) => (claim.limit as usize, 0),
            Ask::Pop(limit) => (*limit as usize, 0),
            Ask::Delete(delete) => (delete.places.len(), 0),
            Ask::Import(page) => (page.messages.len(), 0),
            Ask::Purge(budget) | Ask::Drop(budget) => (budget.items as usize, 0),
            Ask::Settle(limit) => (*limit as usize, 0),
            Ask::Configure(_) | Ask::Renew(..) | Ask::Release(..) | Ask::Lease(_) => (1, 0),
        }
    }
}

/// Somebody in line.
pub struct Ticket {
    pub queue: QueueRef,
    pub ask: Ask,
    /// When nobody waits for the answer any more.
    ends: Instant,
    answer: oneshot::Sender<Result<Answer>>,
}

/// The lines of all queues that somebody waits in.
#[derive(Default)]
pub struct Lines(Mutex<HashMap<QueueId, VecDeque<Ticket>>>);

impl Lines {
    /// Waits in a queue's line until it is served.
    ///
    /// # Errors
    /// What comes of it; `TimedOut`.
    pub async fn ask(&self, shared: &Arc<Shared>, queue: QueueRef, ask: Ask, limit: Duration) -> Result<Answer> {
        let (answer, answered) = oneshot::channel();
        let id = queue.id();
        let ticket = Ticket { queue, ask, ends: Instant::now() + limit, answer };
        let first = {
            let mut lines = self.lock();
            let first = !lines.contains_key(&id);
            lines.entry(id).or_default().push_back(ticket);
            first
        };
        if first {
            tokio::spawn(serve(Counter { shared: shared.clone(), id, ended: false }));
        }
        match timeout(limit, answered).await {
            Ok(Ok(answer)) => answer,
            // Whoever serves has panicked.
            Ok(Err(_)) => Err(Error::internal("a fault in the mongodb plugin").unknown()),
            Err(_) => Err(timed_out().unknown()),
        }
    }

    /// Those whom the next transaction serves; the line ends where there is nobody.
    fn next(&self, id: QueueId) -> Vec<Ticket> {
        let mut lines = self.lock();
        let Some(line) = lines.get_mut(&id) else { return Vec::new() };
        let (mut served, mut messages, mut bytes) = (Vec::new(), 0, 0);
        while let Some(ticket) = line.pop_front() {
            if ticket.answer.is_closed() {
                continue;
            }
            let weight = ticket.ask.weight();
            (messages, bytes) = (messages + weight.0, bytes + weight.1);
            if !served.is_empty() && (messages > MESSAGES || bytes > BYTES) {
                line.push_front(ticket);
                break;
            }
            served.push(ticket);
        }
        if served.is_empty() {
            lines.remove(&id);
        }
        served
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<QueueId, VecDeque<Ticket>>> {
        // Nothing under this lock can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a queue's line is served. Should that end in a panic, those in line are not left waiting.
struct Counter {
    shared: Arc<Shared>,
    id: QueueId,
    /// Whether the line has ended: whoever comes then makes one of their own.
    ended: bool,
}

impl Drop for Counter {
    fn drop(&mut self) {
        if !self.ended {
            self.shared.lines.lock().remove(&self.id);
        }
    }
}

async fn serve(mut counter: Counter) {
    loop {
        let tickets = counter.shared.lines.next(counter.id);
        if tickets.is_empty() {
            counter.ended = true;
            return;
        }
        serve_some(&counter.shared, counter.id, tickets).await;
    }
}

async fn serve_some(shared: &Arc<Shared>, id: QueueId, tickets: Vec<Ticket>) {
    let last = tickets.iter().map(|ticket| ticket.ends).max();
    let limit = last.map_or(Duration::ZERO, |last| last.saturating_duration_since(Instant::now()));
    let mut served = Served::new(shared, id, &tickets);
    let answers = served.until_done(limit).await;
    match answers {
        Ok(answers) => {
            for (ticket, answer) in tickets.into_iter().zip(answers) {
                // Who waits no more needs no answer.
                let _ = ticket.answer.send(answer);
            }
        }
        Err(error) => tickets.into_iter().for_each(|ticket| drop(ticket.answer.send(Err(error.clone())))),
    }
}
