//! Promise 8: lanes, their leases and fences.

use crate::conformance::bench::{HOUR, MINUTE, Queue, extended, extensions, kind, messages, texts};
use crate::conformance::case::{cases, ensure, ensure_eq};
use crate::conformance::{Failure, PoolBench};
use crate::{Delete, ErrorKind, KnownQueue, Lane, Lease, Leased, List, NewMessage, Place, Post};
use std::time::Duration;

cases! { PoolBench:
    "pool.lane.outbox" outbox "a post to main and outbox stores both in one step, under the same places"
    "pool.lane.as_posted" as_posted "entries of outbox and retry have body, client, ttl and extensions as they were posted"
    "pool.lane.apart" apart "lanes do not show in the main lane's listings, claims and counts"
    "pool.lane.lease" lease "a lane's lease has one holder, who can renew it"
    "pool.lane.lease_taken" lease_taken "an expired or given-up lease can be taken, with a higher fence"
    "pool.lane.fence" fence "an older fence gets Stale and changes nothing"
    "pool.lane.settles" settles "a post deletes the lane entries that it replaces, in the same step"
    "pool.lane.due" due "queues with due entries in a lane are listed, and no others"
}

async fn leased(queue: &Queue, lane: Lane, holder: &str, ttl: Duration) -> Result<Option<Leased>, Failure> {
    let lease = Lease { lane, holder: holder.to_owned(), ttl, extensions: Default::default() };
    Ok(queue.pool().lane_lease(&queue.call(), &queue.reference, lease).await?)
}

async fn held(queue: &Queue, lane: Lane) -> Result<u64, Failure> {
    let lease = leased(queue, lane, "me", 10 * MINUTE).await?;
    lease.map(|lease| lease.fence).ok_or_else(|| Failure::Broken("a free lane cannot be leased".to_owned()))
}

async fn entries(queue: &Queue, lane: Lane, fence: u64) -> Result<Vec<(Place, String)>, Failure> {
    let listed = queue.list(List { lane, fence: Some(fence), ..List::default() }).await?.messages;
    Ok(listed.iter().map(|message| message.place).zip(texts(&listed)).collect())
}

fn both(bodies: &[&str]) -> Post {
    Post { messages: messages(bodies, HOUR, Duration::ZERO), outbox: true, ..Post::default() }
}

fn retry(body: &str, delay: Duration) -> Post {
    Post { lane: Lane::Retry, messages: messages(&[body], HOUR, delay), ..Post::default() }
}

async fn outbox(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    let places = queue.post_as(both(&["a", "b"])).await?.places;
    let fence = held(&queue, Lane::Outbox).await?;
    let expected = vec![(places[0], "a".to_owned()), (places[1], "b".to_owned())];
    ensure_eq!(entries(&queue, Lane::Outbox, fence).await?, expected, "the outbox");
    queue.pop(2).await?;
    ensure_eq!(entries(&queue, Lane::Outbox, fence).await?, expected, "the outbox when the messages are consumed");
    Ok(())
}

async fn as_posted(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    for lane in [Lane::Outbox, Lane::Retry] {
        let posted_to = if lane == Lane::Outbox { Lane::Main } else { lane };
        let messages = extended(&["a"], HOUR, Duration::ZERO);
        let client = "somebody".to_owned();
        queue
            .post_as(Post { lane: posted_to, outbox: lane == Lane::Outbox, messages, client, ..Post::default() })
            .await?;
        let fence = Some(held(&queue, lane).await?);
        let entries = queue.list(List { lane, fence, ..List::default() }).await?.messages;
        let [entry] = &entries[..] else {
            return Err(Failure::Broken(format!("one entry was posted to {lane:?}, {} are there", entries.len())));
        };
        ensure_eq!(texts(&entries), ["a"], "the body in {lane:?}");
        ensure_eq!(entry.client, "somebody", "the client in {lane:?}");
        ensure_eq!(entry.ttl, HOUR, "the ttl in {lane:?}");
        ensure_eq!(entry.extensions, extensions("a"), "the extensions in {lane:?}");
    }
    Ok(())
}

async fn apart(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    let places = queue.post_as(retry("r", Duration::ZERO)).await?.places;
    ensure!(queue.bodies().await?.is_empty(), "the main lane lists it");
    ensure!(queue.get(&places).await?.is_empty(), "it is read by place");
    ensure!(queue.claim(1).await?.batch.messages.is_empty(), "it is claimed");
    ensure_eq!(queue.pool().stats(&queue.call(), &queue.reference).await?.free, 0, "free messages");
    Ok(())
}

async fn lease(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    let first = leased(&queue, Lane::Outbox, "me", 5 * MINUTE).await?;
    ensure!(first.is_some(), "a free lane cannot be leased");
    ensure!(leased(&queue, Lane::Outbox, "you", 5 * MINUTE).await?.is_none(), "two hold one lane");
    ensure!(leased(&queue, Lane::Retry, "you", 5 * MINUTE).await?.is_some(), "a lease holds another lane too");
    queue.advance(4 * MINUTE);
    let renewed = leased(&queue, Lane::Outbox, "me", 5 * MINUTE).await?;
    ensure_eq!(renewed.map(|lease| lease.fence), first.map(|lease| lease.fence), "the fence of a renewed lease");
    queue.advance(4 * MINUTE);
    ensure!(leased(&queue, Lane::Outbox, "you", MINUTE).await?.is_none(), "a renewed lease was taken over");
    Ok(())
}

async fn lease_taken(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    let first = held(&queue, Lane::Outbox).await?;
    queue.advance(11 * MINUTE);
    let second = leased(&queue, Lane::Outbox, "you", 5 * MINUTE).await?.map(|lease| lease.fence);
    ensure!(
        second.is_some_and(|fence| fence > first),
        "after {first}, an expired lease was taken with fence {second:?}"
    );
    leased(&queue, Lane::Outbox, "you", Duration::ZERO).await?;
    let third = leased(&queue, Lane::Outbox, "me", 5 * MINUTE).await?.map(|lease| lease.fence);
    ensure!(third > second, "after {second:?}, a lease that was given up was taken with fence {third:?}");
    Ok(())
}

async fn fence(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    let places = queue.post_as(both(&["a"])).await?.places;
    let old = held(&queue, Lane::Outbox).await?;
    queue.advance(11 * MINUTE);
    let new = leased(&queue, Lane::Outbox, "you", 5 * MINUTE).await?.map_or(0, |lease| lease.fence);
    let list = List { lane: Lane::Outbox, fence: Some(old), ..List::default() };
    ensure_eq!(kind(queue.list(list).await), Some(ErrorKind::Stale), "listing");
    let delete = Delete { lane: Lane::Outbox, places: places.clone(), fence: Some(old), ..Delete::default() };
    let deleted = queue.pool().delete(&queue.call(), &queue.reference, delete).await;
    ensure_eq!(kind(deleted), Some(ErrorKind::Stale), "deleting");
    let settle = Post { settles: vec![(Lane::Outbox, places[0])], fence: Some(old), ..retry("r", Duration::ZERO) };
    ensure_eq!(kind(queue.post_as(settle).await), Some(ErrorKind::Stale), "posting");
    ensure_eq!(entries(&queue, Lane::Outbox, new).await?.len(), 1, "entries of the outbox");
    Ok(())
}

async fn settles(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    let places = queue.post_as(both(&["a", "b"])).await?.places;
    let fence = held(&queue, Lane::Outbox).await?;
    let settle = Post { settles: vec![(Lane::Outbox, places[0])], fence: Some(fence), ..retry("a again", MINUTE) };
    queue.post_as(settle).await?;
    ensure_eq!(entries(&queue, Lane::Outbox, fence).await?, [(places[1], "b".to_owned())], "the outbox");
    let fence = held(&queue, Lane::Retry).await?;
    ensure!(entries(&queue, Lane::Retry, fence).await?.is_empty(), "a retry is listed before it is due");
    queue.advance(2 * MINUTE);
    let due: Vec<String> = entries(&queue, Lane::Retry, fence).await?.into_iter().map(|entry| entry.1).collect();
    ensure_eq!(due, ["a again"], "the retries that are due");
    Ok(())
}

async fn due(bench: PoolBench) -> Result<(), Failure> {
    let (now, later, never) = (bench.queue().await?, bench.queue().await?, bench.queue().await?);
    now.post_as(retry("now", Duration::ZERO)).await?;
    later.post_as(retry("later", 5 * MINUTE)).await?;
    never
        .post_as(Post {
            messages: vec![NewMessage { ttl: HOUR, body: "1".into(), ..NewMessage::default() }],
            ..Post::default()
        })
        .await?;
    let listed = |due: &[KnownQueue], queue: &Queue| due.iter().any(|known| known.queue.id() == queue.reference.id());
    let due = all_due(&now).await?;
    ensure!(listed(&due, &now) && !listed(&due, &later) && !listed(&due, &never), "not just the due one is listed");
    let known = due.iter().find(|known| known.queue.id() == now.reference.id());
    ensure_eq!(
        known.map(|known| known.label.clone()),
        Some(format!("conformance\0{}", now.reference.id()).into()),
        "the label"
    );
    bench.clock.advance(6 * MINUTE);
    ensure!(listed(&all_due(&now).await?, &later), "an entry that fell due is not listed");
    let fence = held(&now, Lane::Retry).await?;
    let places = entries(&now, Lane::Retry, fence).await?.into_iter().map(|entry| entry.0).collect();
    let delete = Delete { lane: Lane::Retry, places, fence: Some(fence), ..Delete::default() };
    now.pool().delete(&now.call(), &now.reference, delete).await?;
    ensure!(!listed(&all_due(&now).await?, &now), "a queue whose entries are done is listed");
    Ok(())
}

async fn all_due(queue: &Queue) -> Result<Vec<KnownQueue>, Failure> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = queue.pool().due(&queue.call(), Lane::Retry, after, 100).await?;
        let Some(last) = page.last() else { return Ok(all) };
        after = Some(last.queue.id());
        all.extend(page);
    }
}
