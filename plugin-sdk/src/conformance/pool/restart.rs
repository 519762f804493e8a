//! Promise 1 over a restart, for pools whose messages outlive it. Kills are the crash tests' matter.

use super::dead_letter::{drop_queue, pair, use_up};
use crate::conformance::bench::{HOUR, MINUTE, Queue, kind, messages, new_claim, texts};
use crate::conformance::case::{cases, ensure, ensure_eq};
use crate::conformance::{Failure, PoolBench};
use crate::{Delete, ErrorKind, Header, Key, Lane, Lease, NewClaim, Post};
use std::time::Duration;

cases! { PoolBench:
    "pool.restart.messages" messages_stay "messages are there after a restart, in order, and places go on"
    "pool.restart.places" places "places are not given again after a restart, not even those of deleted messages"
    "pool.restart.claims" claims "claims and delays go on after a restart as they were"
    "pool.restart.keys" keys "keys are remembered over a restart"
    "pool.restart.leases" leases "leases and epochs hold over a restart"
    "pool.restart.rule" rule "what a rule had hidden can be claimed when that is taken away just before a restart"
}

async fn kept(bench: &PoolBench) -> Result<Queue, Failure> {
    bench.must_be_kept()?;
    bench.queue().await
}

async fn messages_stay(bench: PoolBench) -> Result<(), Failure> {
    let queue = kept(&bench).await?;
    drop(bench);
    queue.post(&["a", "b", "c"]).await?;
    queue.pop(1).await?;
    let queue = queue.restart().await?;
    queue.post(&["d"]).await?;
    ensure_eq!(queue.bodies().await?, ["b", "c", "d"], "the listing");
    let stats = queue.pool().stats(&queue.call(), &queue.reference).await?;
    ensure_eq!((stats.free, stats.claimed), (3, 0), "free and claimed");
    Ok(())
}

async fn places(bench: PoolBench) -> Result<(), Failure> {
    let queue = kept(&bench).await?;
    drop(bench);
    let before = queue.post(&["a", "b"]).await?;
    let delete = Delete { places: before.clone(), ..Delete::default() };
    queue.pool().delete(&queue.call(), &queue.reference, delete).await?;
    let queue = queue.restart().await?;
    let after = queue.post(&["c"]).await?;
    ensure!(after[0] > before[1], "place {:?} was given after {:?}", after[0], before[1]);
    Ok(())
}

async fn claims(bench: PoolBench) -> Result<(), Failure> {
    let queue = kept(&bench).await?;
    drop(bench);
    queue.post(&["claimed", "free"]).await?;
    queue.post_with(&["delayed"], HOUR, 5 * MINUTE).await?;
    let claim = NewClaim { ttl: 5 * MINUTE, ..new_claim(1) };
    queue.claim_as(claim.clone()).await?;
    let queue = queue.restart().await?;
    ensure_eq!(queue.bodies().await?, ["free"], "the listing");
    let read = queue.pool().claim_get(&queue.call(), &queue.reference, claim.id).await?;
    ensure_eq!(read.map(|claim| texts(&claim.messages)), Some(vec!["claimed".to_owned()]), "the claim");
    queue.advance(6 * MINUTE);
    ensure_eq!(texts(&queue.claim(3).await?.batch.messages), ["claimed", "free", "delayed"], "when both have ended");
    Ok(())
}

async fn keys(bench: PoolBench) -> Result<(), Failure> {
    let queue = kept(&bench).await?;
    drop(bench);
    let key = Key { scope: "s".to_owned(), key: "k".into(), fingerprint: "f".into(), window: HOUR };
    let post = Post { messages: messages(&["a"], HOUR, Duration::ZERO), key: Some(key), ..Post::default() };
    let first = queue.post_as(post.clone()).await?;
    let queue = queue.restart().await?;
    let again = queue.post_as(post).await?;
    ensure!(again.repeated && again.places == first.places, "the key is forgotten");
    Ok(())
}

async fn leases(bench: PoolBench) -> Result<(), Failure> {
    let queue = kept(&bench).await?.at_epoch(2);
    drop(bench);
    queue.configure(Header { epoch: 2, ..Header::default() }).await?;
    let lease = |holder: &str| Lease {
        lane: Lane::Outbox,
        holder: holder.to_owned(),
        ttl: HOUR,
        extensions: Default::default(),
    };
    queue.pool().lane_lease(&queue.call(), &queue.reference, lease("me")).await?;
    let queue = queue.restart().await?;
    let other = queue.pool().lane_lease(&queue.call(), &queue.reference, lease("you")).await?;
    ensure!(other.is_none(), "a lease is lost");
    ensure_eq!(kind(queue.at_epoch(1).bodies().await), Some(ErrorKind::Stale), "the older epoch");
    Ok(())
}

async fn rule(bench: PoolBench) -> Result<(), Failure> {
    bench.must_be_kept()?;
    let (queue, target) = pair(&bench, 1, None).await?;
    drop(bench);
    queue.post(&["a"]).await?;
    drop_queue(&target).await?;
    drop(target);
    use_up(&queue).await?;
    ensure!(queue.claim(1).await?.batch.messages.is_empty(), "it can be claimed though it has used up its claims");
    let later = queue.at_epoch(2);
    drop(queue);
    later.configure(Header { epoch: 2, label: "conformance".into(), ..Header::default() }).await?;
    let later = later.restart().await?;
    ensure_eq!(texts(&later.claim(1).await?.batch.messages), ["a"], "the claim");
    Ok(())
}
