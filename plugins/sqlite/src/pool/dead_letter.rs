//! Moving messages that have used up their claims to their dead letter queue.

use std::time::Duration;

use sukkal_plugin_sdk::{ClaimId, Lane, MessageId, Origin, Place, Reason, Swept, Timestamp};

use super::block::{Entry, State};
use super::count;
use super::id::{END_OF_PLACES, LaneKey, block_of, id_in, offset_of, offsets_of, place_of};
use super::ledger::Ledger;
use super::queue::{self, Queue};
use crate::error::Outcome;
use crate::reserve::Leaves;

/// A dead letter lives at least so long: its own end may have come.
const LEAST_LIFE: Duration = Duration::from_secs(60);

/// Moves the exhausted messages of a block, or sets them aside for a while.
pub fn move_or_set_aside(
    ledger: &mut Ledger,
    queue: &mut Queue,
    key: i64,
    offsets: &[u8],
    swept: &mut Swept,
) -> Outcome<()> {
    if !move_all(ledger, queue, key, offsets, swept)? {
        swept.stuck += offsets.len() as u64;
        set_aside(ledger, key, offsets)?;
        ledger.rechecks.try_again(queue.id, ledger.now);
    }
    Ok(())
}

/// Whether so many messages of a queue can move: their queue is there, and the file has room for both places
/// of a body: who takes messages out must not wait for that.
pub fn can_move(ledger: &mut Ledger, queue: &Queue, count: usize) -> Outcome<bool> {
    let Some(target) = queue.rule.as_ref().map(|rule| rule.queue.id()) else { return Ok(false) };
    // A queue that names itself is refused by the service; here it would be a loop.
    if target == queue.id || ledger.sparing {
        return Ok(false);
    }
    let has_room = |_: &mut Ledger, target: &mut Queue| {
        Ok(!target.dropping && target.tally.next_place + (count as u64) < END_OF_PLACES)
    };
    Ok(ledger.with_any(target, has_room)? == Some(true))
}

/// Moves messages of a block; false if they cannot move now.
pub fn move_all(ledger: &mut Ledger, queue: &mut Queue, key: i64, offsets: &[u8], swept: &mut Swept) -> Outcome<bool> {
    if offsets.is_empty() {
        return Ok(true);
    }
    let Some(target) = queue.rule.as_ref().map(|rule| rule.queue.id()) else { return Ok(false) };
    if !can_move(ledger, queue, offsets.len())? {
        return Ok(false);
    }
    ledger.leave(Leaves::Half);
    ledger.with_any(target, |ledger, target| {
        offsets.iter().try_for_each(|offset| move_one(ledger, queue, target, id_in(key, *offset)))
    })?;
    swept.moved += offsets.len() as u64;
    Ok(true)
}

fn move_one(ledger: &mut Ledger, from: &mut Queue, to: &mut Queue, old: i64) -> Outcome<()> {
    let now = ledger.now;
    let place = Place(to.tally.next_place);
    let Some(new) = LaneKey::new(to.slot, Lane::Main).id(place) else { return Ok(()) };
    let Some(block) = ledger.blocks.change(&ledger.connection, block_of(old))? else { return Ok(()) };
    let Some(entry) = block.remove(offsets_of(&[old])).pop() else { return Ok(()) };
    let client = block.client(&entry).to_owned();
    let origin = Origin {
        label: from.label.clone(),
        id: MessageId { queue: from.id, place: place_of(old) },
        claims: entry.claims,
        reason: Reason::ClaimsExhausted,
    };
    let body = ledger.blocks.bodies.copy(&ledger.connection, entry.body, now, &origin)?;
    let ttl = from.rule.as_ref().and_then(|rule| rule.ttl);
    let letter = Entry {
        offset: offset_of(new),
        state: State::Ready,
        client: 0,
        claims: 0,
        expires: ttl.map_or_else(|| entry.expires.max(now.after(LEAST_LIFE)), |ttl| now.after(ttl)),
        ttl: None,
        until: Timestamp(0),
        claim: ClaimId(0),
        body,
    };
    to.wake_by(letter.wakes());
    ledger.blocks.make(&ledger.connection, block_of(new))?.put(letter, &client);
    queue::give_places(ledger, to, place.0 + 1)?;
    to.stir(block_of(new));
    count::removed(ledger, from, Lane::Main, entry.state);
    count::added(ledger, to, Lane::Main, State::Ready);
    Ok(())
}

/// They are not due before their end: what is stuck is looked at once for the whole queue.
fn set_aside(ledger: &mut Ledger, key: i64, offsets: &[u8]) -> Outcome<()> {
    if let Some(block) = ledger.blocks.change(&ledger.connection, key)? {
        for offset in offsets {
            if let Some(entry) = block.get_mut(*offset) {
                entry.until = entry.expires;
            }
        }
    }
    Ok(())
}
