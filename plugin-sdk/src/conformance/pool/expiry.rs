//! Promise 4: expired is gone.

use crate::conformance::bench::{HOUR, MINUTE, new_claim, texts};
use crate::conformance::case::{cases, ensure, ensure_eq};
use crate::conformance::{Failure, PoolBench};
use crate::{List, NewClaim};
use std::time::Duration;

cases! { PoolBench:
    "pool.expiry.everywhere" everywhere "no operation returns, counts or claims an expired message, before any sweep"
    "pool.expiry.head" head "what expired at the head does not stand in the way of what is alive behind it"
    "pool.expiry.with_delay" with_delay "the time in delay counts against the ttl"
    "pool.expiry.swept" swept "a sweep gives an expired message's space back"
    "pool.expiry.all" all "a queue of expired messages alone is empty, and says so"
}

async fn everywhere(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    let places = queue.post_with(&["gone"], MINUTE, Duration::ZERO).await?;
    let alive = queue.post_with(&["alive"], HOUR, Duration::ZERO).await?;
    queue.advance(MINUTE + MINUTE / 60);
    ensure_eq!(queue.bodies().await?, ["alive"], "the listing");
    let all = queue.list(List { claimed: true, delayed: true, ..List::default() }).await?.messages;
    ensure_eq!(texts(&all), ["alive"], "the listing of everything");
    ensure_eq!(texts(&queue.get(&[places[0], alive[0]]).await?), ["alive"], "reading by place");
    let stats = queue.pool().stats(&queue.call(), &queue.reference).await?;
    ensure_eq!((stats.free, stats.claimed), (1, 0), "free and claimed");
    ensure_eq!(stats.oldest.map(|spot| spot.place), Some(alive[0]), "the oldest");
    ensure_eq!(stats.newest.map(|spot| spot.place), Some(alive[0]), "the newest");
    ensure_eq!(texts(&queue.claim(10).await?.batch.messages), ["alive"], "the claim");
    Ok(())
}

async fn head(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    let bodies: Vec<String> = (0..200).map(|number| number.to_string()).collect();
    let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
    for _ in 0..10 {
        queue.post_with(&bodies, MINUTE, Duration::ZERO).await?;
    }
    queue.post(&["alive"]).await?;
    queue.advance(2 * MINUTE);
    ensure_eq!(queue.pop(1).await?, ["alive"], "the pop behind 2,000 expired messages");
    Ok(())
}

async fn with_delay(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    let places = queue.post_with(&["a"], 2 * MINUTE, 5 * MINUTE).await?;
    queue.advance(3 * MINUTE);
    ensure!(queue.get(&places).await?.is_empty(), "a delayed message outlives its ttl");
    queue.advance(3 * MINUTE);
    ensure!(queue.claim(1).await?.batch.messages.is_empty(), "an expired message falls due");
    Ok(())
}

async fn swept(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    queue.post_with(&["a", "b"], MINUTE, Duration::ZERO).await?;
    queue.claim_as(NewClaim { ttl: MINUTE, grace: Duration::ZERO, ..new_claim(1) }).await?;
    queue.advance(5 * MINUTE);
    let before = queue.pool().usage(&queue.call()).await?.messages;
    queue.sweep().await?;
    let after = queue.pool().usage(&queue.call()).await?.messages;
    ensure!(after + 2 <= before, "the pool held {before} messages before the sweep and {after} after it");
    Ok(())
}

async fn all(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    queue.post_with(&["a", "b"], MINUTE, Duration::ZERO).await?;
    queue.advance(2 * MINUTE);
    let stats = queue.pool().stats(&queue.call(), &queue.reference).await?;
    ensure_eq!((stats.free, stats.claimed, stats.oldest, stats.newest), (0, 0, None, None), "the counts");
    let claimed = queue.claim(1).await?;
    ensure!(
        claimed.batch.messages.is_empty() && claimed.next_due.is_none(),
        "something is due in a queue of expired messages"
    );
    Ok(())
}
