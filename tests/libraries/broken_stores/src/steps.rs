//! What is done in steps, and what the pool says of itself.

use sukkal_plugin_sdk::{
    Budget, Bytes, Call, Cursor, Delete, ErrorKind, Export, KnownQueue, List, Message, NewMessage, Place, Pool, Post,
    Progress, QueueId, QueueRef, Result, Swept, Usage,
};

use crate::broken_pool::BrokenPool;

/// A step that knows no bound.
const UNBOUNDED: u32 = 1_000_000;

/// Purges.
pub async fn purge(pool: &BrokenPool, call: &Call, queue: &QueueRef, mut budget: Budget) -> Result<Progress> {
    if pool.case() == "pool.step.purge" {
        budget.items = UNBOUNDED;
    }
    if pool.case() == "pool.step.purge_claims" {
        return purge_messages(pool, call, queue, budget).await;
    }
    match (pool.case(), pool.inner.purge(call, queue, budget).await) {
        ("pool.epoch.stale", Err(error)) if error.kind == ErrorKind::Stale => Ok(Progress { done: true, count: 0 }),
        (_, purged) => purged,
    }
}

/// Takes out the messages, and leaves the claims.
async fn purge_messages(pool: &BrokenPool, call: &Call, queue: &QueueRef, budget: Budget) -> Result<Progress> {
    let all = List { claimed: true, delayed: true, limit: budget.items, ..List::default() };
    let messages = pool.inner.list(call, queue, all).await?.messages;
    let places = messages.iter().map(|message| message.place).collect();
    let deleted = pool.inner.delete(call, queue, Delete { places, ..Delete::default() }).await?;
    Ok(Progress { done: deleted.count < budget.items, count: deleted.count.into() })
}

/// Drops a queue.
pub async fn drop_queue(pool: &BrokenPool, call: &Call, queue: &QueueRef, mut budget: Budget) -> Result<Progress> {
    match pool.case() {
        "pool.step.drop" => budget.items = UNBOUNDED,
        "pool.step.drop_newer" => pool.inner.purge(call, queue, budget).await.map(drop)?,
        _ => {}
    }
    let progress = pool.inner.drop_queue(call, queue, budget).await?;
    Ok(match pool.case() {
        "pool.step.drop_missing" => Progress { done: progress.count > 0, ..progress },
        _ => progress,
    })
}

/// Settles what has fallen due.
pub async fn sweep(pool: &BrokenPool, call: &Call, budget: Budget) -> Result<Swept> {
    match pool.case() {
        "pool.expiry.swept" | "pool.dead_letter.by_sweep" => Ok(Swept::default()),
        "pool.depth.swept" => pool.inner.sweep(call, Budget { items: UNBOUNDED, ..budget }).await,
        _ => pool.inner.sweep(call, budget).await,
    }
}

/// Lists queues.
pub async fn queues(pool: &BrokenPool, call: &Call, after: Option<QueueId>, limit: u32) -> Result<Vec<KnownQueue>> {
    let mut queues = pool.inner.queues(call, after, limit).await?;
    if pool.case() == "pool.step.queues" {
        queues.iter_mut().for_each(|known| known.label = Bytes::new());
    }
    Ok(queues)
}

/// Counts what the pool holds.
pub async fn usage(pool: &BrokenPool, call: &Call) -> Result<Usage> {
    let usage = pool.inner.usage(call).await?;
    Ok(if pool.case() == "pool.step.health" { Usage { messages: 0, ..usage } } else { usage })
}

/// Exports a page.
pub async fn export(pool: &BrokenPool, call: &Call, queue: &QueueRef, from: Cursor) -> Result<Export> {
    let mut page = pool.inner.export(call, queue, from).await?;
    match pool.case() {
        "pool.export.same" => page.messages.retain(|message| message.claim.is_none()),
        "pool.export.goes_on" => page.next_place = Place(1),
        _ => {}
    }
    Ok(page)
}

/// Imports a page.
pub async fn import(pool: &BrokenPool, call: &Call, queue: &QueueRef, mut page: Export) -> Result<()> {
    match pool.case() {
        "pool.export.as_posted" => page.messages.iter_mut().for_each(|message| message.origin = None),
        "pool.export.claims" => page.claims.iter_mut().for_each(|claim| claim.extensions = Default::default()),
        _ => {}
    }
    if pool.case() == "pool.export.repeated" {
        let new = |message: Message| NewMessage { body: message.body, ttl: message.ttl, ..NewMessage::default() };
        let messages = page.messages.into_iter().map(new).collect();
        return pool.inner.post(call, queue, Post { messages, ..Post::default() }).await.map(drop);
    }
    pool.inner.import(call, queue, page).await
}

/// So many places at the end of a queue are lost: more than posts that nobody was answered to can have filled, so
/// that something acknowledged is always among them.
const LOST: u64 = 100;

/// Loses the last messages of each queue, as a store does that had not brought them to the disk.
pub async fn forget_the_last(pool: &impl Pool, call: &Call) -> Result<()> {
    for known in pool.queues(call, None, 100).await? {
        let queue = known.queue;
        let Some(newest) = pool.stats(call, &queue).await?.newest else { continue };
        let places = (newest.place.0.saturating_sub(LOST)..=newest.place.0).map(Place).collect();
        pool.delete(call, &queue, Delete { places, ..Delete::default() }).await?;
    }
    Ok(())
}
