//! Batches of messages that are posted while a store fails, and what must be there of them afterwards.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::eventually::SOON;
use crate::{Queue, eventually};

/// Messages of a batch.
const BATCH: usize = 10;

/// Posts one batch; the answer's status.
pub async fn post(queue: &Queue, name: &str) -> u16 {
    let messages: Vec<_> =
        (0..BATCH).map(|number| json!({ "ttl": 3600, "body": format!("{name} {number}") })).collect();
    queue.client().post(&queue.path("/messages"), json!({ "messages": messages })).await.status
}

/// Workers that post batches until they are told to end.
#[derive(Debug)]
pub struct Posters {
    ends: Arc<AtomicBool>,
    workers: Vec<JoinHandle<Vec<String>>>,
}

impl Posters {
    /// So many, at one queue.
    pub fn start(queue: &Queue, count: usize) -> Posters {
        let ends = Arc::new(AtomicBool::new(false));
        let work = |worker| tokio::spawn(keep_posting(queue.clone(), worker, ends.clone()));
        Posters { workers: (0..count).map(work).collect(), ends }
    }

    /// Ends them; the names of the batches that were answered with 201.
    ///
    /// # Panics
    /// When another was answered with anything but 503.
    pub async fn end(self) -> Vec<String> {
        self.ends.store(true, Ordering::Relaxed);
        let mut stored = Vec::new();
        for worker in self.workers {
            stored.extend(worker.await.expect("a worker does not panic"));
        }
        stored
    }
}

async fn keep_posting(queue: Queue, worker: usize, ends: Arc<AtomicBool>) -> Vec<String> {
    let mut stored = Vec::new();
    for round in 0.. {
        if ends.load(Ordering::Relaxed) {
            break;
        }
        let name = format!("{worker}-{round}");
        match post(&queue, &name).await {
            201 => stored.push(name),
            503 => tokio::task::yield_now().await,
            other => panic!("a post is answered with {other}"),
        }
    }
    stored
}

/// Has so many workers claim by seven, each from one of the queues in turn, until nothing is left; the
/// numbers that they were given.
///
/// # Panics
/// When a claim is refused.
pub async fn claimed_by_sevens(queues: &[Queue], count: usize) -> Vec<u64> {
    let work = |number: usize| {
        let queue = queues[number % queues.len()].clone();
        tokio::spawn(async move {
            let mut got = Vec::new();
            while let Some(claim) = queue.try_claim(7).await {
                got.extend(claim.bodies().iter().filter_map(Value::as_u64));
            }
            got
        })
    };
    let mut all = Vec::new();
    for worker in (0..count).map(work).collect::<Vec<_>>() {
        all.extend(worker.await.expect("no worker panics"));
    }
    all
}

/// Every message of a queue, by its body. Nobody posts to it meanwhile: who follows the markers would never come to
/// the end.
pub async fn everything(queue: &Queue) -> Vec<String> {
    let mut all = Vec::new();
    let mut page = queue.list("?echo=true&limit=1000").await;
    while !page.messages.is_empty() {
        all.extend(page.bodies().iter().map(|body| body.as_str().unwrap_or_default().to_owned()));
        page = queue.next(&page).await;
    }
    all
}

/// Each batch that was answered with 201 is there; of any other all is there, or nothing.
///
/// # Panics
/// When it is not so.
pub fn whole(there: &[String], stored: &[String]) {
    let distinct: HashSet<&String> = there.iter().collect();
    assert_eq!(distinct.len(), there.len(), "messages that are there once");
    let mut batches = HashMap::<&str, usize>::new();
    for body in there {
        *batches.entry(body.split(' ').next().unwrap_or_default()).or_default() += 1;
    }
    for (name, count) in &batches {
        assert_eq!(*count, BATCH, "messages of the batch {name}");
    }
    for name in stored {
        assert!(batches.contains_key(name.as_str()), "the batch {name}, which was acknowledged, is lost");
    }
}

/// Waits until a batch is taken; its name, which begins so. Each attempt has another: what was answered with 503 may
/// have been stored all the same.
pub async fn is_back(queue: &Queue, name: &str) -> String {
    is_back_within(SOON, queue, name).await
}

/// The same, where it is not the host's to say how soon that is.
pub async fn is_back_within(patience: Duration, queue: &Queue, name: &str) -> String {
    let attempts = AtomicUsize::new(0);
    eventually("posts are taken again", patience, async || {
        let name = format!("{name}-{}", attempts.fetch_add(1, Ordering::Relaxed));
        (post(queue, &name).await == 201).then_some(name)
    })
    .await
}
