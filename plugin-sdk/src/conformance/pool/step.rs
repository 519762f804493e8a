//! What is done in steps: purging, dropping; and what a pool says of itself.

use crate::conformance::bench::{HOUR, MINUTE, new_claim, texts};
use crate::conformance::case::{cases, ensure, ensure_eq};
use crate::conformance::{Failure, PoolBench};
use crate::{Budget, Delete, Header, Lane, Post, Progress, Renewal};
use std::time::Duration;

cases! { PoolBench:
    "pool.step.purge" purge "a purge removes all messages, in steps within its budget"
    "pool.step.purge_claims" purge_claims "a purge ends the queue's claims"
    "pool.step.drop" drop_queue "a dropped queue is gone with all its lanes, in steps within the budget"
    "pool.step.drop_missing" drop_missing "dropping what is not there is done at once"
    "pool.step.drop_newer" drop_newer "dropping does not touch a queue that is not being dropped"
    "pool.step.made_anew" made_anew "a queue that is made anew while its dropping ends is there, and keeps what is posted then"
    "pool.step.queues" queues "the queues with a header are listed by id, with epoch and label"
    "pool.step.health" health "a pool that answers is healthy and counts what it holds"
}

const BUDGET: Budget = Budget { items: 10, time: Duration::from_secs(5) };

async fn purge(bench: PoolBench) -> Result<(), Failure> {
    let (queue, other) = (bench.queue().await?, bench.queue().await?);
    other.post(&["kept"]).await?;
    for _ in 0..3 {
        queue.post(&["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]).await?;
    }
    queue.post_with(&["delayed"], HOUR, MINUTE).await?;
    queue.claim(5).await?;
    let mut steps = 0;
    loop {
        let Progress { done, count } = queue.pool().purge(&queue.call(), &queue.reference, BUDGET).await?;
        steps += 1;
        ensure!(count <= 10, "a step with a budget of 10 removed {count}");
        ensure!(steps < 100, "the purge does not end");
        if done {
            break;
        }
    }
    let stats = queue.pool().stats(&queue.call(), &queue.reference).await?;
    ensure_eq!((stats.free, stats.claimed, stats.oldest), (0, 0, None), "free, claimed and oldest");
    let all = queue.list(crate::List { claimed: true, delayed: true, ..Default::default() }).await?.messages;
    ensure!(all.is_empty(), "{} messages are left", all.len());
    ensure_eq!(other.bodies().await?, ["kept"], "another queue");
    queue.post(&["new"]).await?;
    ensure_eq!(queue.bodies().await?, ["new"], "what is posted after the purge");
    Ok(())
}

async fn purge_claims(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    queue.post(&["a", "b", "c"]).await?;
    let (holds, emptied) = (new_claim(1), new_claim(1));
    queue.claim_as(holds.clone()).await?;
    let held = queue.claim_as(emptied.clone()).await?.batch.messages;
    let places = held.iter().map(|message| message.place).collect();
    queue.pool().delete(&queue.call(), &queue.reference, Delete { places, ..Delete::default() }).await?;
    while !queue.pool().purge(&queue.call(), &queue.reference, BUDGET).await?.done {}
    for claim in [&holds, &emptied] {
        let read = queue.pool().claim_get(&queue.call(), &queue.reference, claim.id).await?;
        ensure!(read.is_none(), "a claim is read after the purge");
        let renewal = Renewal { ttl: HOUR, grace: MINUTE, places: None, extensions: Default::default() };
        let renewed = queue.pool().claim_renew(&queue.call(), &queue.reference, claim.id, renewal).await?;
        ensure!(!renewed, "a claim is renewed after the purge");
    }
    queue.post(&["new"]).await?;
    ensure_eq!(texts(&queue.claim_as(holds).await?.batch.messages), ["new"], "a claim under the old one's id");
    Ok(())
}

async fn drop_queue(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    for _ in 0..3 {
        let messages =
            crate::conformance::bench::messages(&["a", "b", "c", "d", "e", "f", "g", "h"], HOUR, Duration::ZERO);
        queue.post_as(Post { messages, outbox: true, ..Post::default() }).await?;
    }
    let retry = crate::conformance::bench::messages(&["r"], HOUR, MINUTE);
    queue.post_as(Post { lane: Lane::Retry, messages: retry, ..Post::default() }).await?;
    queue.claim(5).await?;
    let dropped = queue.at_epoch(2);
    dropped.configure(Header { epoch: 2, dropping: true, ..Header::default() }).await?;
    let mut steps = 0;
    while !dropped.pool().drop_queue(&dropped.call(), &dropped.reference, BUDGET).await?.done {
        steps += 1;
        ensure!(steps < 100, "the dropping does not end");
    }
    ensure!(steps >= 3, "49 entries were removed in {} steps of at most 10", steps + 1);
    let id = queue.reference.id();
    let mut after = None;
    loop {
        let page = queue.pool().queues(&queue.call(), after, 100).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.queue.id());
        ensure!(page.iter().all(|known| known.queue.id() != id), "the dropped queue still has a header");
    }
    queue.configure(Header { epoch: 1, ..Header::default() }).await?;
    let all = queue.list(crate::List { claimed: true, delayed: true, ..Default::default() }).await?.messages;
    ensure!(all.is_empty(), "a queue made anew under the same id starts with {} messages", all.len());
    Ok(())
}

async fn drop_missing(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    let missing =
        crate::QueueRef::new(crate::QueueId(queue.reference.id().0 ^ 1), 1, queue.reference.placement().to_vec());
    ensure!(queue.pool().drop_queue(&queue.call(), &missing, BUDGET).await?.done, "it is not done");
    Ok(())
}

async fn drop_newer(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    queue.post(&["a"]).await?;
    ensure!(queue.pool().drop_queue(&queue.call(), &queue.reference, BUDGET).await?.done, "it is not done");
    ensure_eq!(queue.bodies().await?, ["a"], "the queue that is not being dropped");
    Ok(())
}

async fn made_anew(bench: PoolBench) -> Result<(), Failure> {
    for _ in 0..20 {
        let queue = bench.queue().await?;
        queue.post(&["old"]).await?;
        let (dropped, anew) = (queue.at_epoch(2), queue.at_epoch(3));
        dropped.configure(Header { epoch: 2, dropping: true, ..Header::default() }).await?;
        let call = dropped.call();
        // The first is for a pool that serves those together who come while it is at work.
        let (_, progress, configured) = tokio::join!(
            dropped.pool().drop_queue(&call, &dropped.reference, Budget { items: 1, ..BUDGET }),
            dropped.pool().drop_queue(&call, &dropped.reference, BUDGET),
            anew.configure(Header { epoch: 3, ..Header::default() }),
        );
        progress?;
        configured?;
        anew.post(&["new"]).await?;
        ensure!(anew.bodies().await?.contains(&"new".to_owned()), "what was posted is not there");
    }
    Ok(())
}

async fn queues(bench: PoolBench) -> Result<(), Failure> {
    let made = [bench.queue().await?, bench.queue().await?, bench.queue().await?];
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = bench.pool.queues(&bench.call(), after, 2).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.queue.id());
        all.extend(page);
    }
    ensure!(all.is_sorted_by_key(|known| known.queue.id()), "the queues are not listed by id");
    for queue in &made {
        let known = all.iter().find(|known| known.queue.id() == queue.reference.id());
        let Some(known) = known else { return Err(Failure::Broken("a queue is not listed".to_owned())) };
        ensure_eq!(known.queue, queue.reference, "the reference");
        ensure_eq!(known.label, format!("conformance\0{}", queue.reference.id()), "the label");
    }
    Ok(())
}

async fn health(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    queue.pool().health(&queue.call()).await?;
    let before = queue.pool().usage(&queue.call()).await?;
    queue.post(&["a", "b"]).await?;
    let after = queue.pool().usage(&queue.call()).await?;
    ensure!(
        after.messages >= before.messages + 2,
        "two messages more, but {} after {}",
        after.messages,
        before.messages
    );
    ensure!(after.queues >= 1, "no queue is counted");
    Ok(())
}
