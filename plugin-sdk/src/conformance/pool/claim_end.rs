//! Promise 3: how claims go on and how they end.

use crate::conformance::bench::{HOUR, MINUTE, Queue, new_claim, texts};
use crate::conformance::case::{cases, ensure, ensure_eq};
use crate::conformance::{Failure, PoolBench};
use crate::{ClaimId, Message, NewClaim, Release, Renewal};
use std::time::Duration;

cases! { PoolBench:
    "pool.claim.expires" expires "an expired claim frees its messages at once, in their old place"
    "pool.claim.released" released "a released claim frees its messages at once, in their old place"
    "pool.claim.release_delayed" release_delayed "messages released with a delay stay hidden for it"
    "pool.claim.release_some" release_some "single messages of a claim can be released"
    "pool.claim.release_uncounted" release_uncounted "an uncounted release takes the claim's count back"
    "pool.claim.release_missing" release_missing "releasing what is no live claim is no error and changes nothing"
    "pool.claim.renewed" renewed "a renewed claim lives its new ttl from now on, and so do its messages"
    "pool.claim.renew_some" renew_some "single messages of a claim can be renewed"
    "pool.claim.renew_missing" renew_missing "an expired claim is neither renewed nor read"
    "pool.claim.emptied" emptied "a claim whose messages are all deleted lives on until it ends"
    "pool.claim.queues_apart" queues_apart "a claim is neither read, renewed nor released in another queue than its own"
}

async fn claimed(queue: &Queue, ttl: Duration, limit: u32) -> Result<(ClaimId, Vec<Message>), Failure> {
    let claim = NewClaim { ttl, ..new_claim(limit) };
    Ok((claim.id, queue.claim_as(claim).await?.batch.messages))
}

async fn release(queue: &Queue, id: ClaimId, release: Release) -> Result<(), Failure> {
    Ok(queue.pool().claim_release(&queue.call(), &queue.reference, id, release).await?)
}

async fn renew(queue: &Queue, id: ClaimId, renewal: Renewal) -> Result<bool, Failure> {
    Ok(queue.pool().claim_renew(&queue.call(), &queue.reference, id, renewal).await?)
}

fn renewal(ttl: Duration) -> Renewal {
    Renewal { ttl, grace: MINUTE, places: None, extensions: Default::default() }
}

async fn expires(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    queue.post(&["a", "b", "c"]).await?;
    let (id, _) = claimed(&queue, MINUTE, 2).await?;
    queue.advance(MINUTE + MINUTE / 60);
    ensure_eq!(queue.bodies().await?, ["a", "b", "c"], "the listing after the claim's end");
    let stats = queue.pool().stats(&queue.call(), &queue.reference).await?;
    ensure_eq!((stats.free, stats.claimed), (3, 0), "free and claimed after the claim's end");
    let shown = queue.list(Default::default()).await?.messages;
    ensure!(shown.iter().all(|message| message.claim.is_none()), "messages show a claim that has ended");
    let (_, again) = claimed(&queue, MINUTE, 3).await?;
    ensure_eq!(texts(&again), ["a", "b", "c"], "the next claim");
    ensure!(!renew(&queue, id, renewal(HOUR)).await?, "the ended claim was renewed");
    Ok(())
}

async fn released(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    queue.post(&["a", "b", "c"]).await?;
    let (id, _) = claimed(&queue, HOUR, 2).await?;
    release(&queue, id, Release::default()).await?;
    ensure_eq!(queue.bodies().await?, ["a", "b", "c"], "the listing after the release");
    let read = queue.pool().claim_get(&queue.call(), &queue.reference, id).await?;
    ensure!(read.is_none(), "the released claim is there");
    let (_, again) = claimed(&queue, HOUR, 3).await?;
    ensure_eq!(texts(&again), ["a", "b", "c"], "the next claim");
    Ok(())
}

async fn release_delayed(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    queue.post(&["a", "b"]).await?;
    let (id, _) = claimed(&queue, HOUR, 1).await?;
    release(&queue, id, Release { delay: 5 * MINUTE, ..Release::default() }).await?;
    ensure_eq!(queue.bodies().await?, ["b"], "within the delay");
    queue.advance(6 * MINUTE);
    let (_, again) = claimed(&queue, HOUR, 2).await?;
    ensure_eq!(texts(&again), ["a", "b"], "after the delay");
    Ok(())
}

async fn release_some(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    queue.post(&["a", "b", "c"]).await?;
    let (id, messages) = claimed(&queue, HOUR, 3).await?;
    release(&queue, id, Release { places: Some(vec![messages[1].place]), ..Release::default() }).await?;
    ensure_eq!(queue.bodies().await?, ["b"], "what is free");
    let read = queue.pool().claim_get(&queue.call(), &queue.reference, id).await?;
    ensure_eq!(read.map(|claim| texts(&claim.messages)), Some(vec!["a".to_owned(), "c".to_owned()]), "what is held");
    Ok(())
}

async fn release_uncounted(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    let places = queue.post(&["a"]).await?;
    let (id, _) = claimed(&queue, HOUR, 1).await?;
    release(&queue, id, Release { uncounted: true, ..Release::default() }).await?;
    ensure_eq!(queue.get(&places).await?.first().map(|message| message.claims), Some(0), "the count");
    Ok(())
}

async fn release_missing(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    queue.post(&["a"]).await?;
    let (id, _) = claimed(&queue, MINUTE, 1).await?;
    queue.advance(2 * MINUTE);
    let (second, _) = claimed(&queue, HOUR, 1).await?;
    release(&queue, id, Release::default()).await?;
    let read = queue.pool().claim_get(&queue.call(), &queue.reference, second).await?;
    ensure_eq!(
        read.map(|claim| texts(&claim.messages)),
        Some(vec!["a".to_owned()]),
        "what another claim holds meanwhile"
    );
    release(&queue, new_claim(1).id, Release::default()).await
}

async fn renewed(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    queue.post_with(&["a"], 3 * MINUTE, Duration::ZERO).await?;
    let (id, _) = claimed(&queue, 2 * MINUTE, 1).await?;
    queue.advance(MINUTE);
    ensure!(renew(&queue, id, renewal(10 * MINUTE)).await?, "a live claim was not renewed");
    queue.advance(9 * MINUTE);
    let read = queue.pool().claim_get(&queue.call(), &queue.reference, id).await?;
    let Some(read) = read else { return Err(Failure::Broken("the renewed claim has ended".to_owned())) };
    ensure_eq!(read.ttl, 10 * MINUTE, "the renewed claim's ttl");
    ensure_eq!(texts(&read.messages), ["a"], "the renewed claim's messages");
    let age = read.now.since(read.renewed);
    ensure!(age >= 9 * MINUTE && age < 10 * MINUTE, "nine minutes after its renewal the claim is {age:?} old");
    queue.advance(MINUTE + MINUTE / 2);
    ensure_eq!(queue.bodies().await?, ["a"], "within the grace after the renewed claim's end");
    Ok(())
}

async fn renew_some(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    queue.post(&["a", "b"]).await?;
    let (id, messages) = claimed(&queue, 2 * MINUTE, 2).await?;
    let some = Renewal { places: Some(vec![messages[1].place]), ..renewal(10 * MINUTE) };
    ensure!(renew(&queue, id, some).await?, "a live claim was not renewed");
    queue.advance(5 * MINUTE);
    ensure_eq!(queue.bodies().await?, ["a"], "what is free after the claim's first end");
    queue.advance(6 * MINUTE);
    ensure_eq!(queue.bodies().await?, ["a", "b"], "what is free after the renewed end");
    Ok(())
}

async fn renew_missing(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    queue.post(&["a"]).await?;
    let (id, _) = claimed(&queue, MINUTE, 1).await?;
    queue.advance(2 * MINUTE);
    ensure!(!renew(&queue, id, renewal(MINUTE)).await?, "an expired claim was renewed");
    let read = queue.pool().claim_get(&queue.call(), &queue.reference, id).await?;
    ensure!(read.is_none(), "an expired claim is read");
    ensure_eq!(queue.bodies().await?, ["a"], "what the expired claim held");
    Ok(())
}

async fn emptied(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    queue.post(&["a"]).await?;
    let (id, _) = claimed(&queue, 5 * MINUTE, 1).await?;
    let places = queue.list(crate::List { claimed: true, ..Default::default() }).await?.messages;
    let delete = crate::Delete { places: places.iter().map(|message| message.place).collect(), ..Default::default() };
    queue.pool().delete(&queue.call(), &queue.reference, delete).await?;
    let read = queue.pool().claim_get(&queue.call(), &queue.reference, id).await?;
    ensure_eq!(read.map(|claim| claim.messages.len()), Some(0), "the messages of an emptied claim");
    queue.advance(6 * MINUTE);
    let read = queue.pool().claim_get(&queue.call(), &queue.reference, id).await?;
    ensure!(read.is_none(), "an emptied claim never ends");
    Ok(())
}

async fn queues_apart(bench: PoolBench) -> Result<(), Failure> {
    let (queue, other) = (bench.queue().await?, bench.queue().await?);
    queue.post(&["a"]).await?;
    let (id, _) = claimed(&queue, 5 * MINUTE, 1).await?;
    let read = other.pool().claim_get(&other.call(), &other.reference, id).await?;
    ensure!(read.is_none(), "it is read in another queue");
    ensure!(!renew(&other, id, renewal(HOUR)).await?, "it is renewed in another queue");
    release(&other, id, Release::default()).await?;
    let read = queue.pool().claim_get(&queue.call(), &queue.reference, id).await?;
    let held = read.map(|claim| (claim.ttl, texts(&claim.messages)));
    ensure_eq!(held, Some((5 * MINUTE, vec!["a".to_owned()])), "its ttl and what it holds after that");
    Ok(())
}
