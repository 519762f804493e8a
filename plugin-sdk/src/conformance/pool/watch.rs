//! Promise 7: hints are never silently missing.

use super::dead_letter::{pair, use_up};
use crate::conformance::bench::{HOUR, MINUTE, Queue, new_claim};
use crate::conformance::case::{cases, ensure};
use crate::conformance::{Failure, PoolBench};
use crate::{Header, NewClaim, Release, WatchChange};
use std::time::Duration;

cases! { PoolBench:
    "pool.watch.posted" posted "a post to a watched queue gives a hint"
    "pool.watch.released" released "a release in a watched queue gives a hint"
    "pool.watch.new" new "a post to a queue that was made after it was watched gives a hint"
    "pool.watch.dropping" dropping "a watched queue that is to be dropped gives a hint"
    "pool.watch.due" due "a delay and a claim that end give a hint"
    "pool.watch.dead_letter" dead_letter "a dead letter gives a hint in its dead letter queue"
}

/// How long a hint may take. The pool's clock may be ahead of its timers by what was advanced.
const PATIENCE: Duration = Duration::from_secs(5);
/// After how long without change a pool has told what there was to be told.
const SETTLED: Duration = Duration::from_millis(500);

async fn watch(queue: &Queue) -> Result<(), Failure> {
    let change = WatchChange { add: vec![queue.reference.clone()], ..WatchChange::default() };
    Ok(queue.pool().watch(&queue.call(), change).await?)
}

/// Waits until the queue is hinted at.
async fn hinted(queue: &Queue, after: &str) -> Result<(), Failure> {
    let wait = async {
        loop {
            let hints = queue.pool().hints(&queue.call()).await?;
            if hints.lost || hints.queues.contains(&queue.reference.id()) {
                return Ok::<(), Failure>(());
            }
        }
    };
    match tokio::time::timeout(PATIENCE, wait).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Failure::Broken(format!("no hint after {after}"))),
    }
}

/// Hears what is told until now, which may say no more than that something may have happened.
async fn settled(queue: &Queue) {
    let call = queue.call();
    let _ = tokio::time::timeout(SETTLED, async { while queue.pool().hints(&call).await.is_ok() {} }).await;
}

async fn posted(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    watch(&queue).await?;
    queue.post(&["a"]).await?;
    hinted(&queue, "a post").await
}

async fn new(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue_to_be(None);
    watch(&queue).await?;
    queue.make(Header::default()).await?;
    settled(&queue).await;
    queue.post(&["a"]).await?;
    hinted(&queue, "a post").await
}

async fn dropping(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    watch(&queue).await?;
    settled(&queue).await;
    queue.configure(Header { epoch: 2, dropping: true, ..Header::default() }).await?;
    hinted(&queue, "its header says that it is dropped").await
}

async fn released(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    queue.post(&["a"]).await?;
    let claim = new_claim(1);
    queue.claim_as(claim.clone()).await?;
    watch(&queue).await?;
    queue.pool().claim_release(&queue.call(), &queue.reference, claim.id, Release::default()).await?;
    hinted(&queue, "a release").await
}

async fn due(bench: PoolBench) -> Result<(), Failure> {
    let (delayed, claimed) = (bench.queue().await?, bench.queue().await?);
    delayed.post_with(&["a"], HOUR, MINUTE).await?;
    claimed.post(&["a"]).await?;
    claimed.claim_as(NewClaim { ttl: MINUTE, ..new_claim(1) }).await?;
    watch(&delayed).await?;
    watch(&claimed).await?;
    bench.clock.advance(2 * MINUTE);
    hinted(&delayed, "a delay's end").await?;
    let free = claimed.claim(1).await?.batch.messages;
    ensure!(free.len() == 1, "the claim has not ended");
    Ok(())
}

async fn dead_letter(bench: PoolBench) -> Result<(), Failure> {
    let (queue, target) = pair(&bench, 1, None).await?;
    queue.post(&["bad"]).await?;
    watch(&target).await?;
    settled(&target).await;
    use_up(&queue).await?;
    queue.sweep().await?;
    hinted(&target, "a move to it").await
}
