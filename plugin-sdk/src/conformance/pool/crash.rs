//! Promise 1 at its hardest: the process is killed, and what it had acknowledged is there.
//!
//! No case for a function: it takes two processes. [`work`] keeps a pool busy until it is killed;
//! [`check`] looks, in the next process, at what the first had noted down.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::conformance::bench::{HOUR, MINUTE, Queue, new_claim};
use crate::conformance::case::{ensure, ensure_eq};
use crate::conformance::{Failure, PoolBench};
use crate::{ClaimId, Delete, Guard, List, Message, NewClaim, Place, QueueId, QueueRef};

/// Its name, as a case.
pub const NAME: &str = "pool.crash.acknowledged";
/// Its promise.
pub const PROMISE: &str = "what was acknowledged before a kill is there after it, and nothing else by halves";

/// Who works together.
const WORKERS: usize = 8;
/// Posts that are acknowledged before the kill; more are on their way then.
const POSTS: usize = 150;
/// Messages of a post.
const BATCH: usize = 5;
/// How long all that may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// What a pool has acknowledged, as one process tells the next.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Acknowledged {
    queue: u64,
    placement: Vec<u8>,
    /// Bodies and places of what was posted.
    posted: Vec<(String, u64)>,
    /// Places of what was deleted.
    deleted: Vec<u64>,
    /// Places that deletions without an answer were about.
    in_doubt: Vec<u64>,
    /// A claim, as text, and the places that it holds.
    claim: Option<(String, Vec<u64>)>,
}

type Notes = Arc<Mutex<Acknowledged>>;

/// Keeps the pool busy, and hands over what it has acknowledged up to then while calls are in flight.
/// `kill` must note it down and end the process; no further answer is taken before it returns.
///
/// # Errors
/// The pool fails before that, or states that it keeps nothing.
pub async fn work(bench: PoolBench, kill: impl FnOnce(&Acknowledged)) -> Result<(), Failure> {
    bench.must_be_kept()?;
    let queue = bench.queue().await?;
    let placement = queue.reference.placement().to_vec();
    let notes = Notes::new(Mutex::new(Acknowledged { queue: queue.reference.id().0, placement, ..Default::default() }));
    hold(&queue, &notes).await?;
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..WORKERS {
        workers.spawn(keep_busy(queue.clone(), notes.clone(), worker));
    }
    let begun = Instant::now();
    loop {
        tokio::select! {
            Some(ended) = workers.join_next() => ended.map_err(|error| Failure::Broken(error.to_string()))??,
            () = tokio::time::sleep(Duration::from_millis(1)) => {}
        }
        {
            let notes = lock(&notes);
            if notes.posted.len() >= POSTS * BATCH {
                kill(&notes);
                return Ok(());
            }
        }
        ensure!(begun.elapsed() < PATIENCE, "{POSTS} posts are not acknowledged within {PATIENCE:?}");
    }
}

fn lock(notes: &Notes) -> std::sync::MutexGuard<'_, Acknowledged> {
    notes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Posts a batch and claims some of it, for good.
async fn hold(queue: &Queue, notes: &Notes) -> Result<(), Failure> {
    post(queue, notes, "held").await?;
    let claim = NewClaim { ttl: HOUR, ..new_claim(3) };
    let id = claim.id;
    let held = queue.claim_as(claim).await?.batch.messages;
    lock(notes).claim = Some((id.to_string(), held.iter().map(|message| message.place.0).collect()));
    Ok(())
}

async fn post(queue: &Queue, notes: &Notes, name: &str) -> Result<Vec<Place>, Failure> {
    let bodies: Vec<String> = (0..BATCH).map(|number| format!("{name} {number}")).collect();
    let places = queue.post(&bodies.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    lock(notes).posted.extend(bodies.into_iter().zip(places.iter().map(|place| place.0)));
    Ok(places)
}

/// Posts, and deletes the first message of each post.
async fn keep_busy(queue: Queue, notes: Notes, worker: usize) -> Result<(), Failure> {
    for round in 0_u64.. {
        let first = post(&queue, &notes, &format!("{worker}-{round}")).await?[0];
        lock(&notes).in_doubt.push(first.0);
        let delete = Delete { places: vec![first], guard: Guard::Any, ..Delete::default() };
        queue.pool().delete(&queue.call(), &queue.reference, delete).await?;
        let mut notes = lock(&notes);
        notes.in_doubt.retain(|place| *place != first.0);
        notes.deleted.push(first.0);
    }
    Ok(())
}

/// Looks whether all is there, in the process after the kill.
///
/// # Errors
/// It is not.
pub async fn check(bench: PoolBench, noted: &Acknowledged) -> Result<(), Failure> {
    // The kit's clock starts anew with each process: no message may still be due.
    bench.clock.advance(MINUTE);
    let reference = QueueRef::new(QueueId(noted.queue), 1, noted.placement.clone());
    let queue = Queue { bench, reference };
    let there = everything(&queue).await?;
    let mut by_place: HashMap<u64, String> = HashMap::new();
    for message in &there {
        let body = String::from_utf8_lossy(&message.body).trim_matches('"').to_owned();
        ensure!(by_place.insert(message.place.0, body).is_none(), "place {:?} is listed twice", message.place);
    }
    let deleted: HashSet<u64> = noted.deleted.iter().copied().collect();
    let in_doubt: HashSet<u64> = noted.in_doubt.iter().copied().collect();
    for (body, place) in &noted.posted {
        match by_place.get(place) {
            Some(_) if deleted.contains(place) => {
                return Err(Failure::Broken(format!("`{body}` was deleted before the kill and is there")));
            }
            Some(there) => ensure_eq!(there, body, "the message at place {place}"),
            None if deleted.contains(place) || in_doubt.contains(place) => {}
            None => {
                let total = noted.posted.len();
                return Err(Failure::Broken(format!("of {total} acknowledged messages `{body}` is lost at the kill")));
            }
        }
    }
    whole_batches(&by_place, noted)?;
    claim_holds(&queue, noted).await
}

/// All messages, page by page.
async fn everything(queue: &Queue) -> Result<Vec<Message>, Failure> {
    let mut all: Vec<Message> = Vec::new();
    loop {
        let after = all.last().map(|message| message.place);
        let page = queue.list(List { after, claimed: true, delayed: true, ..List::default() }).await?.messages;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

/// A post without an answer is there whole, or not at all.
fn whole_batches(there: &HashMap<u64, String>, noted: &Acknowledged) -> Result<(), Failure> {
    let known: HashSet<u64> = noted.posted.iter().map(|(_, place)| *place).collect();
    let mut further: HashMap<&str, usize> = HashMap::new();
    for (_, body) in there.iter().filter(|(place, _)| !known.contains(place)) {
        let (name, _) = body.rsplit_once(' ').unwrap_or((body, ""));
        *further.entry(name).or_default() += 1;
    }
    for (name, count) in further {
        ensure_eq!(count, BATCH, "messages of the unanswered post `{name}` that are there");
    }
    Ok(())
}

async fn claim_holds(queue: &Queue, noted: &Acknowledged) -> Result<(), Failure> {
    let Some((id, places)) = &noted.claim else { return Ok(()) };
    let id: ClaimId = id.parse().map_err(|_| Failure::Broken("the notes are spoilt".to_owned()))?;
    let claim = queue.pool().claim_get(&queue.call(), &queue.reference, id).await?;
    let held: Option<Vec<u64>> = claim.map(|claim| claim.messages.iter().map(|message| message.place.0).collect());
    ensure_eq!(held.as_ref(), Some(places), "what the claim of before the kill holds");
    Ok(())
}
