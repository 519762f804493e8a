//! Promise 5: dead letters.

use crate::conformance::bench::{HOUR, MINUTE, Queue, extended, extensions, new_claim, texts};
use crate::conformance::case::{cases, ensure, ensure_eq};
use crate::conformance::{Failure, PoolBench};
use crate::{Budget, DeadLetterRule, Header, List, NewClaim, Post, QueueRef, Reason, Release};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

cases! { PoolBench:
    "pool.dead_letter.by_claim" by_claim "the next claim moves what has used up its claims, and is not given it"
    "pool.dead_letter.by_sweep" by_sweep "a sweep moves it when nobody claims"
    "pool.dead_letter.new_message" new_message "a dead letter is a new message with its body, client and origin"
    "pool.dead_letter.extensions" keeps_extensions "a dead letter keeps the extensions of its message"
    "pool.dead_letter.age" age "a dead letter's age is counted from its move"
    "pool.dead_letter.ttl" ttl "a dead letter lives the rule's ttl from its move, or else its own end"
    "pool.dead_letter.order" order "messages that have used up their claims together move in their order, however many they are"
    "pool.dead_letter.at_its_end" at_its_end "what has used up its claims when its own end comes is moved, not removed, and lives a minute"
    "pool.dead_letter.never_popped" never_popped "what has used up its claims is not popped"
    "pool.dead_letter.last_claim" last_claim "the last allowed claim still holds its message until it ends"
    "pool.dead_letter.gone" gone "without its dead letter queue a message stays, hidden and counted, and moves when that is there"
    "pool.dead_letter.later_rule" later_rule "a rule that comes later holds for messages that have been claimed before"
    "pool.dead_letter.rule_lowered" rule_lowered "what a changed rule makes used up is moved by the next claim, or by a sweep when nobody claims"
    "pool.dead_letter.rule_raised" rule_raised "what waits for a dead letter queue that is gone can be claimed again when a changed rule allows it"
}

/// A queue whose messages may be claimed `max_claims` times, and its dead letter queue.
pub(super) async fn pair(bench: &PoolBench, max_claims: u32, ttl: Option<Duration>) -> Result<(Queue, Queue), Failure> {
    let target = bench.queue().await?;
    let rule = DeadLetterRule { queue: target.reference.clone(), max_claims, ttl };
    let header = Header { dead_letter: Some(rule), ..Header::default() };
    Ok((bench.queue_with(Some(&target.reference), header).await?, target))
}

/// Claims one message, and releases it.
pub(super) async fn use_up(queue: &Queue) -> Result<(), Failure> {
    // Shorter than any message's life: so that ends as it would have.
    let claim = NewClaim { ttl: SECOND, ..new_claim(1) };
    let claimed = queue.claim_as(claim.clone()).await?.batch.messages;
    ensure_eq!(claimed.len(), 1, "messages that can still be claimed");
    Ok(queue.pool().claim_release(&queue.call(), &queue.reference, claim.id, Release::default()).await?)
}

async fn by_claim(bench: PoolBench) -> Result<(), Failure> {
    let (queue, target) = pair(&bench, 1, None).await?;
    queue.post(&["bad"]).await?;
    use_up(&queue).await?;
    queue.post(&["good"]).await?;
    ensure_eq!(texts(&queue.claim(2).await?.batch.messages), ["good"], "the claim that meets both");
    ensure_eq!(target.bodies().await?, ["bad"], "the dead letters");
    let stats = queue.pool().stats(&queue.call(), &queue.reference).await?;
    ensure_eq!((stats.free, stats.claimed), (0, 1), "free and claimed in the source");
    let stats = target.pool().stats(&target.call(), &target.reference).await?;
    ensure_eq!((stats.free, stats.claimed), (1, 0), "free and claimed in the dead letter queue");
    Ok(())
}

async fn by_sweep(bench: PoolBench) -> Result<(), Failure> {
    let (queue, target) = pair(&bench, 2, None).await?;
    queue.post(&["bad"]).await?;
    use_up(&queue).await?;
    queue.claim_as(NewClaim { ttl: MINUTE, ..new_claim(1) }).await?;
    queue.advance(2 * MINUTE);
    queue.sweep().await?;
    ensure_eq!(target.bodies().await?, ["bad"], "the dead letters after a sweep");
    ensure!(queue.bodies().await?.is_empty(), "the source still lists it");
    Ok(())
}

async fn new_message(bench: PoolBench) -> Result<(), Failure> {
    let (queue, target) = pair(&bench, 1, None).await?;
    target.post(&["first"]).await?;
    let places = queue.post(&["bad"]).await?;
    use_up(&queue).await?;
    queue.sweep().await?;
    let letters = target.list(Default::default()).await?.messages;
    ensure_eq!(texts(&letters), ["first", "bad"], "the dead letter queue: letters come at its end");
    let letter = &letters[1];
    ensure_eq!((letter.claims, letter.claim, letter.client.as_str()), (0, None, "c"), "count, claim and client");
    let Some(origin) = &letter.origin else { return Err(Failure::Broken("the letter has no origin".to_owned())) };
    ensure_eq!((origin.id.queue, origin.id.place), (queue.reference.id(), places[0]), "the origin's id");
    ensure_eq!((origin.claims, origin.reason), (1, Reason::ClaimsExhausted), "the origin's claims and reason");
    ensure_eq!(origin.label, format!("conformance\0{}", queue.reference.id()), "the origin's label");
    ensure!(queue.get(&places).await?.is_empty(), "the source still has it");
    ensure_eq!(texts(&target.claim(2).await?.batch.messages), ["first", "bad"], "a claim of letters");
    Ok(())
}

async fn keeps_extensions(bench: PoolBench) -> Result<(), Failure> {
    let (queue, target) = pair(&bench, 1, None).await?;
    queue.post_as(Post { messages: extended(&["released"], HOUR, Duration::ZERO), ..Post::default() }).await?;
    use_up(&queue).await?;
    queue.sweep().await?;
    // This one is moved at its own end.
    queue.post_as(Post { messages: extended(&["held"], MINUTE, Duration::ZERO), ..Post::default() }).await?;
    queue.claim_as(NewClaim { ttl: MINUTE, ..new_claim(1) }).await?;
    queue.advance(MINUTE + SECOND);
    queue.sweep().await?;
    let letters = target.list(Default::default()).await?.messages;
    ensure_eq!(texts(&letters), ["released", "held"], "the dead letters");
    for (letter, body) in letters.iter().zip(["released", "held"]) {
        ensure_eq!(letter.extensions, extensions(body), "the extensions of the letter that was {body}");
    }
    Ok(())
}

async fn age(bench: PoolBench) -> Result<(), Failure> {
    let (queue, target) = pair(&bench, 1, None).await?;
    queue.post(&["bad"]).await?;
    use_up(&queue).await?;
    queue.advance(HOUR / 2);
    queue.sweep().await?;
    queue.advance(5 * MINUTE);
    let listed = target.list(Default::default()).await?;
    ensure_eq!(texts(&listed.messages), ["bad"], "the dead letters");
    let age = listed.now.since(listed.messages[0].posted);
    ensure!(age >= 5 * MINUTE && age < HOUR / 2, "a letter that was moved five minutes ago is {age:?} old");
    let oldest = target.pool().stats(&target.call(), &target.reference).await?.oldest.map(|spot| spot.posted);
    ensure_eq!(oldest, Some(listed.messages[0].posted), "the oldest letter's time in the counts");
    Ok(())
}

async fn ttl(bench: PoolBench) -> Result<(), Failure> {
    for (rule, left, gone) in [(Some(5 * MINUTE), 4 * MINUTE, 2 * MINUTE), (None, 57 * MINUTE, 5 * MINUTE)] {
        let (queue, target) = pair(&bench, 1, rule).await?;
        queue.post_with(&["bad"], HOUR, Duration::ZERO).await?;
        use_up(&queue).await?;
        queue.sweep().await?;
        queue.advance(left);
        ensure_eq!(target.bodies().await?, ["bad"], "a letter before its end, with rule {rule:?}");
        queue.advance(gone);
        ensure_eq!(target.bodies().await?, Vec::<String>::new(), "a letter after its end, with rule {rule:?}");
    }
    Ok(())
}

async fn order(bench: PoolBench) -> Result<(), Failure> {
    // Stores keep neighbours together, in groups of their own sizes.
    let bodies: Vec<String> = (0..200).map(|number| number.to_string()).collect();
    let (queue, target) = pair(&bench, 1, None).await?;
    for some in bodies.chunks(50) {
        queue.post(&some.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    }
    for _ in bodies.chunks(20) {
        let claimed = queue.claim_as(NewClaim { ttl: MINUTE, ..new_claim(20) }).await?.batch.messages;
        ensure_eq!(claimed.len(), 20, "messages of a claim");
    }
    queue.advance(2 * MINUTE);
    queue.sweep().await?;
    let list = List { limit: 200, ..List::default() };
    ensure_eq!(texts(&target.list(list).await?.messages), bodies, "the dead letters");
    Ok(())
}

async fn at_its_end(bench: PoolBench) -> Result<(), Failure> {
    for (rule, left) in [(Some(5 * MINUTE), 4 * MINUTE), (None, MINUTE / 2)] {
        let (queue, target) = pair(&bench, 1, rule).await?;
        // One ends as its claim does, the other, released, before anybody has moved it.
        queue.post_with(&["held"], MINUTE, Duration::ZERO).await?;
        queue.claim_as(NewClaim { ttl: MINUTE, ..new_claim(1) }).await?;
        queue.post_with(&["released"], MINUTE, Duration::ZERO).await?;
        use_up(&queue).await?;
        queue.advance(MINUTE + SECOND);
        ensure!(queue.bodies().await?.is_empty(), "a message is listed after its end");
        ensure!(queue.claim(1).await?.batch.messages.is_empty(), "a message is claimed after its end");
        queue.sweep().await?;
        let mut letters = target.bodies().await?;
        letters.sort();
        ensure_eq!(letters, ["held", "released"], "the dead letters, with rule {rule:?}");
        queue.advance(left);
        ensure_eq!(target.bodies().await?.len(), 2, "letters before their end, with rule {rule:?}");
        queue.advance(2 * MINUTE);
        ensure_eq!(target.bodies().await?.len(), 0, "letters after their end, with rule {rule:?}");
    }
    let (queue, target) = pair(&bench, 2, None).await?;
    queue.post_with(&["claimed once"], MINUTE, Duration::ZERO).await?;
    queue.claim_as(NewClaim { ttl: MINUTE, ..new_claim(1) }).await?;
    queue.advance(MINUTE + SECOND);
    queue.sweep().await?;
    ensure!(target.bodies().await?.is_empty(), "a message that could still be claimed when it ended was moved");
    Ok(())
}

async fn never_popped(bench: PoolBench) -> Result<(), Failure> {
    let (queue, target) = pair(&bench, 1, None).await?;
    queue.post(&["bad"]).await?;
    use_up(&queue).await?;
    ensure_eq!(queue.pop(1).await?, Vec::<String>::new(), "the pop");
    queue.sweep().await?;
    ensure_eq!(target.bodies().await?, ["bad"], "the dead letters");
    Ok(())
}

async fn last_claim(bench: PoolBench) -> Result<(), Failure> {
    let (queue, target) = pair(&bench, 1, None).await?;
    queue.post(&["a"]).await?;
    let claim = new_claim(1);
    queue.claim_as(claim.clone()).await?;
    queue.sweep().await?;
    ensure!(target.bodies().await?.is_empty(), "a message of a live claim was moved");
    let read = queue.pool().claim_get(&queue.call(), &queue.reference, claim.id).await?;
    ensure_eq!(read.map(|claim| texts(&claim.messages)), Some(vec!["a".to_owned()]), "the live claim's messages");
    Ok(())
}

async fn gone(bench: PoolBench) -> Result<(), Failure> {
    let (queue, target) = pair(&bench, 1, None).await?;
    queue.post(&["bad"]).await?;
    drop_queue(&target).await?;
    use_up(&queue).await?;
    queue.sweep().await?;
    ensure!(queue.claim(1).await?.batch.messages.is_empty(), "it can be claimed without its dead letter queue");
    let stats = queue.pool().stats(&queue.call(), &queue.reference).await?;
    ensure_eq!((stats.free, stats.exhausted), (1, 1), "free, and of those exhausted");
    let again = bench.queue_with(Some(&queue.reference), Header::default()).await?;
    let later = queue.at_epoch(2);
    later.configure(header_for(&again.reference, 2)).await?;
    later.sweep().await?;
    ensure_eq!(again.bodies().await?, ["bad"], "the dead letters when there is a queue again");
    Ok(())
}

async fn later_rule(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    queue.post(&["bad"]).await?;
    use_up(&queue).await?;
    use_up(&queue).await?;
    let target = bench.queue_with(Some(&queue.reference), Header::default()).await?;
    let queue = queue.at_epoch(2);
    queue.configure(header_for(&target.reference, 2)).await?;
    ensure!(queue.claim(1).await?.batch.messages.is_empty(), "it can be claimed a third time");
    queue.sweep().await?;
    ensure_eq!(target.bodies().await?, ["bad"], "the dead letters");
    Ok(())
}

async fn rule_lowered(bench: PoolBench) -> Result<(), Failure> {
    for by_claim in [false, true] {
        let (queue, target) = pair(&bench, 3, None).await?;
        queue.post(&["bad"; 5]).await?;
        queue.post(&["good"; 100]).await?;
        let claim = new_claim(5);
        queue.claim_as(claim.clone()).await?;
        queue.pool().claim_release(&queue.call(), &queue.reference, claim.id, Release::default()).await?;
        let queue = queue.at_epoch(2);
        queue.configure(header_for(&target.reference, 2)).await?;
        match by_claim {
            true => ensure_eq!(texts(&queue.claim(1).await?.batch.messages), ["good"], "the claim after the change"),
            false => queue.sweep().await?,
        }
        ensure_eq!(target.bodies().await?, ["bad"; 5], "the dead letters, by a claim: {by_claim}");
        let stats = queue.pool().stats(&queue.call(), &queue.reference).await?;
        ensure_eq!((stats.free + stats.claimed, stats.exhausted), (100, 0), "what is left, and of that exhausted");
    }
    Ok(())
}

async fn rule_raised(bench: PoolBench) -> Result<(), Failure> {
    for max_claims in [Some(2), None] {
        let (queue, target) = pair(&bench, 1, None).await?;
        queue.post(&["a"]).await?;
        drop_queue(&target).await?;
        use_up(&queue).await?;
        ensure!(queue.claim(1).await?.batch.messages.is_empty(), "it can be claimed though it has used up its claims");
        let queue = queue.at_epoch(2);
        let rule = |max_claims| DeadLetterRule { queue: target.reference.clone(), max_claims, ttl: None };
        let dead_letter = max_claims.map(rule);
        queue.configure(Header { epoch: 2, label: "conformance".into(), dead_letter, ..Header::default() }).await?;
        ensure_eq!(texts(&queue.claim(1).await?.batch.messages), ["a"], "the claim, with {max_claims:?} allowed");
        let stats = queue.pool().stats(&queue.call(), &queue.reference).await?;
        ensure_eq!((stats.free, stats.claimed, stats.exhausted), (0, 1, 0), "free, claimed and exhausted");
    }
    Ok(())
}

/// Drops a queue of epoch 1.
pub(super) async fn drop_queue(queue: &Queue) -> Result<(), Failure> {
    let dropped = queue.at_epoch(2);
    dropped.configure(Header { epoch: 2, dropping: true, ..Header::default() }).await?;
    let budget = Budget { items: 1_000, time: MINUTE };
    while !dropped.pool().drop_queue(&dropped.call(), &dropped.reference, budget).await?.done {}
    Ok(())
}

fn header_for(target: &QueueRef, epoch: u64) -> Header {
    let rule = DeadLetterRule { queue: target.clone(), max_claims: 1, ttl: None };
    Header { epoch, label: "conformance".into(), dead_letter: Some(rule), ..Header::default() }
}
