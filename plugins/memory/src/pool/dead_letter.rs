//! Moving messages that have used up their claims to their dead letter queue.

use std::time::Duration;

use sukkal_plugin_sdk::{Lane, MessageId, Origin, Place, QueueId, Reason, Timestamp, millis};

use super::entry::{Entry, Extra, State, size};
use super::queue::Visit;
use super::shared::Shared;

/// How long after messages could not move it is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// A dead letter lives at least so long: its own end may have come.
const LEAST_LIFE: Duration = Duration::from_secs(60);

/// A message that was taken out of its lane, to be moved.
pub struct Parting {
    place: Place,
    client: String,
    entry: Box<Entry>,
}

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

/// Moves those that are parting; how many, and how many expire since the dead letter queue is not there.
pub fn move_parting(pool: &Shared, source: QueueId) -> (u64, u64) {
    let target = pool.visit_any(source, |visit| {
        let parts = !visit.contents.parting.is_empty();
        parts.then(|| visit.contents.rule().map(|rule| rule.queue.id()))
    });
    let Some(target) = target.flatten() else { return (0, 0) };
    let move_all = |source: &mut Visit<'_>, target: &mut Visit<'_>| {
        let takes = takes(source, target);
        let parting = if takes { std::mem::take(&mut source.contents.parting) } else { Vec::new() };
        let count = parting.len() as u64;
        parting.into_iter().for_each(|parting| move_one(source, target, parting));
        count
    };
    let moved = target.and_then(|target| pool.visit_two(source, target, move_all)).unwrap_or(0);
    let expired = pool.visit_any(source, |visit| visit.drop_parting()).unwrap_or(0);
    (moved, expired)
}

/// None, if the target does not take them.
fn move_some(source: &mut Visit<'_>, target: &mut Visit<'_>, limit: usize) -> Option<usize> {
    for moved in 0..limit {
        if !takes(source, target) {
            return None;
        }
        let next = source.contents.lane(Lane::Main).in_state(State::Exhausted).first();
        let Some(parting) = next.and_then(|place| source.take_out(Lane::Main, place)) else { return Some(moved) };
        move_one(source, target, parting);
    }
    Some(limit)
}

fn takes(source: &Visit<'_>, target: &Visit<'_>) -> bool {
    let still = source.contents.rule().is_some_and(|rule| rule.queue.id() == target.id);
    let room = target.contents.next_place < u64::MAX - 1 - source.contents.parting.len() as u64;
    still && room && !target.contents.removed && !target.contents.header.dropping
}

fn move_one(source: &mut Visit<'_>, target: &mut Visit<'_>, parting: Parting) {
    let Parting { place, client, entry } = parting;
    source.pool.room.give_back(entry.bytes, 1);
    let origin = Origin {
        label: source.contents.header.label.clone(),
        id: MessageId { queue: source.id, place },
        claims: entry.claims,
        reason: Reason::ClaimsExhausted,
    };
    let ttl = source.contents.rule().and_then(|rule| rule.ttl);
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
    let expires = ttl.map_or_else(|| entry.expires.max(now.after(LEAST_LIFE)), |ttl| now.after(ttl));
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

impl Visit<'_> {
    /// Takes a message whose end has come out of its lane, to be moved, if it has used up its claims.
    pub fn part(&mut self, lane: Lane, place: Place) -> bool {
        let entry = self.contents.lane(lane).get(place);
        let worn = entry.is_some_and(|entry| self.contents.is_worn(entry.claims));
        if !worn || self.contents.header.dropping {
            return false;
        }
        let parting = self.take_out(lane, place);
        self.contents.parting.extend(parting);
        true
    }

    /// Gives up those that are parting; how many.
    pub fn drop_parting(&mut self) -> u64 {
        let dropped = std::mem::take(&mut self.contents.parting);
        for parting in &dropped {
            self.pool.room.give_back(parting.entry.bytes, 1);
        }
        dropped.len() as u64
    }

    fn take_out(&mut self, lane: Lane, place: Place) -> Option<Parting> {
        let entries = self.contents.lane_mut(lane);
        let client = entries.get(place).map(|entry| entries.clients.name(entry.client).to_owned())?;
        Some(Parting { place, client, entry: entries.remove(place)? })
    }
}

fn put_off(pool: &Shared, source: QueueId) -> Moved {
    let waiting = pool.visit_any(source, |visit| {
        visit.contents.move_again = visit.now.after(TRY_AGAIN);
        visit.contents.lane(Lane::Main).in_state(State::Exhausted).len()
    });
    Moved::Stuck(waiting.unwrap_or(0))
}
