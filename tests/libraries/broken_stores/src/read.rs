//! Listings, reading by place, counts.

use std::time::Duration;

use sukkal_plugin_sdk::{Batch, Call, ErrorKind, Lane, List, Message, Place, Pool, QueueRef, Result, Stats};

use crate::broken_pool::BrokenPool;

/// What is asked instead of what was asked.
async fn misread(pool: &BrokenPool, call: &Call, queue: &QueueRef, mut list: List) -> Result<List> {
    let is_there = match list.after {
        Some(place) => !pool.inner.get(call, queue, vec![place]).await?.messages.is_empty(),
        None => true,
    };
    match pool.case() {
        "pool.order.follower" => list.after = list.after.map(|place| Place(place.0.saturating_sub(1))),
        "pool.paging.marker" => list.after = list.after.map(|place| Place(place.0.saturating_add(1))),
        "pool.paging.marker_gone" if !is_there => list.after = Some(Place(u64::MAX)),
        "pool.paging.marker_beyond" if !is_there => list.after = None,
        "pool.paging.not_from" => list.not_from = None,
        "pool.paging.old_place" => list.claimed = false,
        "pool.claim.hides" => list.claimed = true,
        "pool.lane.fence" => list.fence = pool.state.fence(queue, list.lane).or(list.fence),
        _ => {}
    }
    Ok(list)
}

/// Lists.
pub async fn list(pool: &BrokenPool, call: &Call, queue: &QueueRef, list: List) -> Result<Batch> {
    if pool.case() == "pool.paging.full_pages" {
        return filtered_late(pool, call, queue, list).await;
    }
    let list = misread(pool, call, queue, list).await?;
    let lane = list.lane;
    let mut batch = pool.inner.list(call, queue, list).await?;
    match pool.case() {
        "pool.delay.old_place" => batch.messages.sort_by_key(|message| message.due > message.posted),
        "pool.order.same_clock" => batch.now = batch.messages.first().map_or(batch.now, |message| message.posted),
        "pool.history.one_by_one" => pool.state.read_before(queue, &mut batch),
        "pool.lane.as_posted" if lane != Lane::Main => batch.messages.iter_mut().for_each(forget_who_and_what_with),
        "pool.dead_letter.order" => batch.messages.reverse(),
        "pool.dead_letter.extensions" => letters(&mut batch).for_each(|letter| letter.extensions = Default::default()),
        // Its age goes on from the old post.
        "pool.dead_letter.age" => letters(&mut batch).for_each(|letter| letter.posted.0 -= 3_600_000),
        "pool.dead_letter.new_message" => batch.messages.iter_mut().for_each(|message| message.origin = None),
        _ => {}
    }
    Ok(batch)
}

fn letters(batch: &mut Batch) -> impl Iterator<Item = &mut Message> {
    batch.messages.iter_mut().filter(|message| message.origin.is_some())
}

fn forget_who_and_what_with(message: &mut Message) {
    message.client.clear();
    message.extensions = Default::default();
}

/// Takes the limit's number of messages first, and leaves out afterwards what was not asked for.
async fn filtered_late(pool: &BrokenPool, call: &Call, queue: &QueueRef, list: List) -> Result<Batch> {
    let all = List { claimed: true, delayed: true, not_from: None, ..list.clone() };
    let mut batch = pool.inner.list(call, queue, all).await?;
    let now = batch.now;
    let wanted = |message: &Message| {
        (list.claimed || message.claim.is_none())
            && (list.delayed || message.due <= now)
            && list.not_from.as_ref() != Some(&message.client)
    };
    batch.messages.retain(wanted);
    Ok(batch)
}

/// Reads by place.
pub async fn get(pool: &BrokenPool, call: &Call, queue: &QueueRef, mut places: Vec<Place>) -> Result<Batch> {
    if pool.case() == "pool.paging.by_place" {
        places.sort_unstable();
    }
    let mut batch = pool.inner.get(call, queue, places).await?;
    if pool.case() == "pool.claim.long_life" {
        batch.messages.iter_mut().for_each(|message| message.ttl = Duration::from_secs(120));
    }
    Ok(batch)
}

/// Counts.
pub async fn stats(pool: &BrokenPool, call: &Call, queue: &QueueRef) -> Result<Stats> {
    match (pool.case(), pool.inner.stats(call, queue).await) {
        ("pool.epoch.unknown", Err(error)) if error.kind == ErrorKind::Gone => Ok(Stats::default()),
        ("pool.dead_letter.gone", Ok(stats)) => Ok(Stats { exhausted: 0, ..stats }),
        (_, stats) => stats,
    }
}
