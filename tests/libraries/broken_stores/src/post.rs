//! Posting, and the queue's header.

use std::time::Duration;

use sukkal_plugin_sdk::{Budget, Call, ErrorKind, Header, Lane, Lease, Leased, Pool, Post, Posted, QueueRef, Result};

use crate::broken_pool::BrokenPool;

/// What is stored instead of what was posted.
fn spoiled(pool: &BrokenPool, queue: &QueueRef, mut post: Post) -> Post {
    let key = post.key.as_mut();
    match pool.case() {
        "pool.order.posted" => post.messages.reverse(),
        "pool.order.as_posted" => post.messages.iter_mut().for_each(|message| message.extensions = Default::default()),
        "pool.delay.hides" => post.messages.iter_mut().for_each(|message| message.delay = Duration::ZERO),
        "pool.expiry.with_delay" => post.messages.iter_mut().for_each(|message| message.ttl += message.delay),
        "pool.expiry.everywhere" | "pool.expiry.all" => post.messages.iter_mut().for_each(|message| message.ttl *= 10),
        "pool.key.repeated" | "pool.restart.keys" => post.key = None,
        "pool.key.conflict" => key.into_iter().for_each(|key| key.fingerprint = Default::default()),
        "pool.key.apart" => key.into_iter().for_each(|key| key.scope = String::new()),
        "pool.key.window" => key.into_iter().for_each(|key| key.window = Duration::from_secs(1)),
        "pool.lane.outbox" => post.outbox = false,
        "pool.lane.apart" => post.lane = Lane::Main,
        "pool.lane.settles" => {
            post.settles.clear();
            post.fence = None;
        }
        "pool.lane.fence" => {
            let lane = post.settles.first().map(|(lane, _)| *lane);
            post.fence = lane.and_then(|lane| pool.state.fence(queue, lane)).or(post.fence);
        }
        _ => {}
    }
    post
}

/// Posts.
pub async fn post(pool: &BrokenPool, call: &Call, queue: &QueueRef, post: Post) -> Result<Posted> {
    let mut post = spoiled(pool, queue, post);
    if pool.case() == "pool.key.at_once"
        && let Some(key) = post.key.take()
    {
        // Looks whether the key is there, and forgets that others look at the same time.
        if let Some(posted) = pool.inner.posted(call, queue, key).await? {
            return Ok(posted);
        }
    }
    let mut posted = pool.inner.post(call, queue, post).await?;
    if let Some(last) = posted.places.last() {
        pool.state.posted(queue, *last);
    }
    match pool.case() {
        "pool.order.places_ascend" => posted.places.reverse(),
        // Counts from 1 each time that it is opened.
        "pool.restart.places" => posted.places.iter_mut().for_each(|place| *place = pool.state.next_place()),
        _ => {}
    }
    Ok(posted)
}

/// Makes or raises a header.
pub async fn configure(pool: &BrokenPool, call: &Call, queue: &QueueRef, mut header: Header) -> Result<()> {
    let rule = header.dead_letter.as_mut();
    match pool.case() {
        "pool.dead_letter.by_claim" => rule.into_iter().for_each(|rule| rule.max_claims += 1),
        // What is moved at its end has ended.
        "pool.dead_letter.at_its_end" => rule.into_iter().for_each(|rule| rule.ttl = rule.ttl.or(Some(Duration::ZERO))),
        "pool.dead_letter.ttl" => rule.into_iter().for_each(|rule| rule.ttl = None),
        "pool.dead_letter.never_popped" => header.dead_letter = None,
        "pool.dead_letter.later_rule" | "pool.dead_letter.rule_lowered" if header.epoch > 1 => {
            header.dead_letter = None
        }
        "pool.dead_letter.rule_raised" => rule.into_iter().for_each(|rule| rule.max_claims = 1),
        // Its last step takes out what was made meanwhile.
        "pool.step.made_anew" if header.epoch > 2 => return Ok(()),
        "pool.epoch.dropping" => header.dropping = false,
        _ => {}
    }
    let raised = header.epoch > 1;
    let configured = pool.inner.configure(call, queue, header).await;
    match (pool.case(), &configured) {
        ("pool.epoch.configure", Err(error)) if error.kind == ErrorKind::Stale => return Ok(()),
        ("pool.epoch.kept", Ok(())) if raised => {
            pool.inner.purge(call, queue, Budget { items: 1_000, time: Duration::from_secs(1) }).await?;
        }
        _ => {}
    }
    configured?;
    pool.state.configured(queue);
    Ok(())
}

/// Leases a lane.
pub async fn lease(pool: &BrokenPool, call: &Call, queue: &QueueRef, mut lease: Lease) -> Result<Option<Leased>> {
    let lane = lease.lane;
    if matches!(pool.case(), "pool.lane.lease" | "pool.restart.leases") {
        lease.holder = "whoever".to_owned();
    }
    let leased = pool.inner.lane_lease(call, queue, lease).await?;
    if let Some(leased) = leased {
        pool.state.leased(queue, lane, leased.fence);
        if pool.case() == "pool.lane.lease_taken" {
            return Ok(Some(Leased { fence: 1, ..leased }));
        }
    }
    Ok(leased)
}
