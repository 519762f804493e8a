//! Moving messages that have used up their claims to their dead letter queue.

use std::time::Duration;

use sukkal_plugin_sdk::{Lane, MessageId, Origin, Place, QueueId, Reason, Timestamp, millis};

use super::entry::{Entry, Extra, State, size};
use super::queue::Visit;
use super::shared::Shared;

/// How long after messages could not move it is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// What a step came to.
pub enum Moved {
    /// So many were moved; there may be more.
    Some(usize),
    /// The dead letter queue is not there; so many wait for it.
    Stuck(u64),
}

/// Moves messages of a queue, at most so many, each in one step under the locks of both queues.
pub fn step(pool: &Shared, source: QueueId, limit: usize) -> Moved {
    let target = pool.visit_any(source, |visit| visit.contents.rule().map(|rule| rule.queue.id())).flatten();
    let Some(target) = target else { return Moved::Some(0) };
    pool.visit_two(source, target, |source, target| move_some(source, target, limit))
        .flatten()
        .map_or_else(|| put_off(pool, source), Moved::Some)
}

/// None, if the target does not take them.
fn move_some(source: &mut Visit<'_>, target: &mut Visit<'_>, limit: usize) -> Option<usize> {
    let rule = source.contents.rule()?;
    let (ttl, still) = (rule.ttl, rule.queue.id() == target.id);
    if !still || target.contents.removed || target.contents.header.dropping {
        return None;
    }
    for moved in 0..limit {
        let Some(place) = source.contents.lane(Lane::Main).in_state(State::Exhausted).first() else {
            return Some(moved);
        };
        if target.contents.next_place >= u64::MAX - 1 {
            return None;
        }
        move_one(source, target, place, ttl);
    }
    Some(limit)
}

fn move_one(source: &mut Visit<'_>, target: &mut Visit<'_>, place: Place, ttl: Option<Duration>) {
    let entries = source.contents.lane(Lane::Main);
    let client = entries.get(place).map(|entry| entries.clients.name(entry.client).to_owned()).unwrap_or_default();
    let Some(entry) = source.remove(Lane::Main, place) else { return };
    if entry.expires <= source.now {
        // Not settled yet. A rule's ttl must not bring it back.
        return;
    }
    let origin = Origin {
        label: source.contents.header.label.clone(),
        id: MessageId { queue: source.id, place },
        claims: entry.claims,
        reason: Reason::ClaimsExhausted,
    };
    let letter = letter(*entry, &client, origin, ttl, target);
    // Beyond the bound, if need be: what moves was here before.
    target.pool.room.take(letter.bytes, 1);
    let to = Place(target.contents.next_place);
    target.contents.next_place += 1;
    target.contents.lane_mut(Lane::Main).insert(to, Box::new(letter));
    target.stirred = true;
}

fn letter(entry: Entry, client: &str, origin: Origin, ttl: Option<Duration>, target: &mut Visit<'_>) -> Entry {
    let now = target.now;
    let extensions = entry.extra.map(|extra| extra.extensions).unwrap_or_default();
    let expires = ttl.map_or(entry.expires, |ttl| now.after(ttl));
    Entry {
        client: target.contents.lane_mut(Lane::Main).clients.hold(client, 1),
        bytes: size(&entry.body, client, &extensions, Some(&origin)),
        extra: Extra::of(Some(origin), extensions),
        posted: now,
        ttl: millis(expires.since(now)),
        expires,
        due: now,
        until: Timestamp(0),
        claims: 0,
        state: State::Ready,
        ..entry
    }
}

fn put_off(pool: &Shared, source: QueueId) -> Moved {
    let waiting = pool.visit_any(source, |visit| {
        visit.contents.move_again = visit.now.after(TRY_AGAIN);
        visit.contents.lane(Lane::Main).in_state(State::Exhausted).len()
    });
    Moved::Stuck(waiting.unwrap_or(0))
}
