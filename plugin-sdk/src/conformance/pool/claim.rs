//! Promise 3: what a claim takes, and that it takes it alone.

use std::collections::HashSet;

use crate::conformance::bench::{HOUR, MINUTE, extensions, new_claim, texts};
use crate::conformance::case::{cases, ensure, ensure_eq};
use crate::conformance::{Failure, PoolBench};
use crate::{List, NewClaim, Place, Renewal};
use std::time::Duration;

cases! { PoolBench:
    "pool.claim.oldest_first" oldest_first "a claim takes the oldest available messages, in order, up to its limit"
    "pool.claim.exclusive" exclusive "two live claims never hold one message, however many ask at once"
    "pool.claim.hides" hides "what is claimed is hidden from listings, claims and pops"
    "pool.claim.repeated" repeated "a claim repeated under its id is the same claim"
    "pool.claim.life" life "a message that would end before its claim lives until the claim's end and grace"
    "pool.claim.whole_seconds" whole_seconds "a message that ends less than a second before its claim lives as long, its ttl in seconds unchanged"
    "pool.claim.long_life" long_life "a message that outlives its claim is untouched"
    "pool.claim.counts" counts "each claim counts, pops and uncounted claims do not"
    "pool.claim.empty" empty "an empty claim is none, and says when the next message falls due"
    "pool.claim.read" read "a live claim is read with its messages and the time since it was made"
    "pool.claim.extensions" keeps_extensions "a claim keeps the extensions that it was made with, renewed or not"
    "pool.pop.takes" pop "a pop takes the oldest available messages out of the queue"
}

async fn oldest_first(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    queue.post(&["a", "b", "c"]).await?;
    ensure_eq!(texts(&queue.claim(2).await?.batch.messages), ["a", "b"], "the first claim");
    ensure_eq!(texts(&queue.claim(2).await?.batch.messages), ["c"], "the second claim");
    Ok(())
}

async fn exclusive(bench: PoolBench) -> Result<(), Failure> {
    const MESSAGES: usize = 300;
    let queue = bench.queue().await?;
    for batch in 0..3 {
        let bodies: Vec<String> = (0..MESSAGES / 3).map(|number| format!("{batch}-{number}")).collect();
        queue.post(&bodies.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    }
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let queue = queue.clone();
        workers.spawn(async move {
            let mut held: Vec<Place> = Vec::new();
            loop {
                let claimed = queue.claim(7).await?.batch.messages;
                if claimed.is_empty() {
                    return Ok::<_, Failure>(held);
                }
                held.extend(claimed.iter().map(|message| message.place));
            }
        });
    }
    let mut all = Vec::new();
    while let Some(held) = workers.join_next().await {
        all.extend(held.map_err(|error| Failure::Broken(error.to_string()))??);
    }
    let distinct: HashSet<Place> = all.iter().copied().collect();
    ensure_eq!(distinct.len(), all.len(), "messages held once, of all that are held");
    ensure_eq!(all.len(), MESSAGES, "messages held in all");
    Ok(())
}

async fn hides(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    queue.post(&["a", "b"]).await?;
    let claim = new_claim(1);
    queue.claim_as(claim.clone()).await?;
    ensure_eq!(queue.bodies().await?, ["b"], "the listing beside a claim");
    let listed = queue.list(List { claimed: true, ..List::default() }).await?.messages;
    ensure_eq!(listed.first().map(|message| message.claim), Some(Some(claim.id)), "the claim that a listing shows");
    ensure_eq!(queue.pop(2).await?, ["b"], "what a pop finds beside a claim");
    let stats = queue.pool().stats(&queue.call(), &queue.reference).await?;
    ensure_eq!((stats.free, stats.claimed), (0, 1), "free and claimed");
    Ok(())
}

async fn repeated(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    queue.post(&["a", "b", "c"]).await?;
    let claim = new_claim(2);
    queue.claim_as(claim.clone()).await?;
    let again = queue.claim_as(claim).await?.batch.messages;
    ensure_eq!(texts(&again), ["a", "b"], "the repeated claim");
    ensure_eq!(again.first().map(|message| message.claims), Some(1), "the count after a repeated claim");
    ensure_eq!(queue.bodies().await?, ["c"], "what a repeated claim leaves");
    Ok(())
}

async fn life(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    let places = queue.post_with(&["a"], MINUTE, Duration::ZERO).await?;
    queue.advance(MINUTE / 2);
    let claimed = queue.claim_as(NewClaim { ttl: 2 * MINUTE, grace: MINUTE, ..new_claim(1) }).await?.batch;
    ensure_eq!(claimed.messages.first().map(|message| message.ttl), Some(3 * MINUTE), "the ttl: claim's ttl and grace");
    queue.advance(2 * MINUTE + MINUTE / 2);
    ensure_eq!(texts(&queue.get(&places).await?), ["a"], "within the grace");
    queue.advance(MINUTE);
    ensure_eq!(texts(&queue.get(&places).await?), Vec::<String>::new(), "after the grace");
    Ok(())
}

async fn whole_seconds(bench: PoolBench) -> Result<(), Failure> {
    const TRIES: usize = 5;
    for _ in 0..TRIES {
        let queue = bench.queue().await?;
        queue.post_with(&["a"], 5 * MINUTE, Duration::ZERO).await?;
        queue.advance(Duration::from_millis(300));
        let claimed = queue.claim_as(NewClaim { ttl: 5 * MINUTE, ..new_claim(1) }).await?.batch.messages;
        let [message] = &claimed[..] else { return Err(Failure::Broken("the message is not claimed".to_owned())) };
        ensure!(message.expires >= message.claimed_until, "it ends before its claim");
        // A store may have taken its time between the two.
        if message.claimed_until < message.posted.after(5 * MINUTE + Duration::from_secs(1)) {
            ensure_eq!(message.ttl.as_secs(), 300, "the ttl in seconds");
            return Ok(());
        }
    }
    Err(Failure::Broken(format!("each of {TRIES} claims ended a second and more after its message")))
}

async fn long_life(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    let places = queue.post_with(&["a"], HOUR, Duration::ZERO).await?;
    queue.claim_as(NewClaim { ttl: MINUTE, grace: MINUTE, ..new_claim(1) }).await?;
    let message = queue.get(&places).await?;
    ensure_eq!(message.first().map(|message| message.ttl), Some(HOUR), "the ttl");
    Ok(())
}

async fn counts(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    let places = queue.post(&["a"]).await?;
    for expected in 1..=3 {
        let claim = new_claim(1);
        let claimed = queue.claim_as(claim.clone()).await?.batch.messages;
        ensure_eq!(claimed.first().map(|message| message.claims), Some(expected), "the count in a claim");
        queue.pool().claim_release(&queue.call(), &queue.reference, claim.id, Default::default()).await?;
    }
    queue.claim_as(NewClaim { uncounted: true, ttl: MINUTE, ..new_claim(1) }).await?;
    ensure_eq!(
        queue.get(&places).await?.first().map(|message| message.claims),
        Some(3),
        "the count in an uncounted claim"
    );
    queue.advance(2 * MINUTE);
    let popped = queue.pool().pop(&queue.call(), &queue.reference, 1).await?.messages;
    ensure_eq!(popped.first().map(|message| message.claims), Some(3), "the count in a pop");
    Ok(())
}

async fn empty(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    let claim = new_claim(1);
    let claimed = queue.claim_as(claim.clone()).await?;
    ensure!(claimed.batch.messages.is_empty() && claimed.next_due.is_none(), "an empty queue's claim is not empty");
    let read = queue.pool().claim_get(&queue.call(), &queue.reference, claim.id).await?;
    ensure!(read.is_none(), "a claim of nothing exists");
    queue.post_with(&["later"], HOUR, 5 * MINUTE).await?;
    let due = queue.claim(1).await?.next_due;
    let now = queue.bench.clock.now();
    let about = due.is_some_and(|due| due > now.after(4 * MINUTE) && due <= now.after(5 * MINUTE));
    ensure!(about, "the next message falls due in five minutes, not at {due:?} (now {now:?})");
    queue.post(&["claimed"]).await?;
    queue.claim_as(NewClaim { ttl: MINUTE, ..new_claim(1) }).await?;
    let due = queue.claim(1).await?.next_due;
    ensure!(
        due.is_some_and(|due| due <= now.after(2 * MINUTE)),
        "a claim ends in a minute, but the next is due at {due:?}"
    );
    Ok(())
}

async fn read(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    queue.post(&["a", "b", "c"]).await?;
    let claim = NewClaim { ttl: 5 * MINUTE, ..new_claim(2) };
    queue.claim_as(claim.clone()).await?;
    queue.advance(MINUTE);
    let read = queue.pool().claim_get(&queue.call(), &queue.reference, claim.id).await?;
    let Some(read) = read else { return Err(Failure::Broken("the claim is not there".to_owned())) };
    ensure_eq!(texts(&read.messages), ["a", "b"], "the claim's messages");
    ensure_eq!(read.ttl, 5 * MINUTE, "the claim's ttl");
    let age = read.now.since(read.renewed);
    ensure!(age >= MINUTE && age < 2 * MINUTE, "a claim made a minute ago is {age:?} old");
    let other = bench.queue().await?;
    let elsewhere = other.pool().claim_get(&other.call(), &other.reference, claim.id).await?;
    ensure!(elsewhere.is_none(), "the claim is read through another queue");
    Ok(())
}

async fn keeps_extensions(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    queue.post(&["a", "b"]).await?;
    let claim = NewClaim { extensions: extensions("kept"), ..new_claim(2) };
    queue.claim_as(claim.clone()).await?;
    let read = queue.pool().claim_get(&queue.call(), &queue.reference, claim.id).await?;
    ensure_eq!(read.map(|read| read.extensions), Some(extensions("kept")), "the claim's extensions");
    let renewal = Renewal { ttl: HOUR, grace: MINUTE, places: None, extensions: Default::default() };
    queue.pool().claim_renew(&queue.call(), &queue.reference, claim.id, renewal).await?;
    let read = queue.pool().claim_get(&queue.call(), &queue.reference, claim.id).await?;
    ensure_eq!(read.map(|read| read.extensions), Some(extensions("kept")), "the renewed claim's extensions");
    Ok(())
}

async fn pop(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    let places = queue.post(&["a", "b", "c"]).await?;
    ensure_eq!(queue.pop(2).await?, ["a", "b"], "the pop");
    ensure_eq!(texts(&queue.get(&places).await?), ["c"], "what is left");
    ensure_eq!(queue.pop(2).await?, ["c"], "the next pop");
    ensure_eq!(queue.pop(2).await?, Vec::<String>::new(), "the last pop");
    Ok(())
}
