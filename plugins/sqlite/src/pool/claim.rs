//! Claiming, renewing, releasing, popping.

use rusqlite::params;
use sukkal_plugin_sdk::{
    Batch, ClaimId, Claimed, Error, ErrorKind, Lane, NewClaim, Place, QueueRef, Release, Renewal, Timestamp, millis,
};

use super::block::{Entry, State, View};
use super::body::Pick;
use super::claim_row::{self, Kept};
use super::id::{LaneKey, block_of, id_in, offset_of, offsets_of, place_of};
use super::ledger::Ledger;
use super::queue::Queue;
use super::settle::{self, Step};
use super::{count, front};
use crate::error::{Fail, Outcome};

/// Claims the oldest available messages.
pub fn claim(ledger: &mut Ledger, queue: &QueueRef, new: &NewClaim) -> Outcome<Step<Claimed>> {
    ledger.with(queue, |ledger, queue| {
        let kept = ledger.claims.get(&ledger.connection, new.id)?;
        if let Some(kept) = kept.filter(|kept| kept.ends > ledger.now) {
            if kept.queue != queue.id {
                let message = "a claim of another queue has this id; draw another";
                return Err(Fail::Refused(Error::new(ErrorKind::Conflict, message)));
            }
            if kept.generation == queue.tally.generation {
                let messages = held(ledger, queue, new.id, &kept)?;
                let batch = Batch { now: ledger.now, messages, ..Batch::default() };
                return Ok(Step::Done(Claimed { batch, ..Claimed::default() }));
            }
        }
        if !settle::settle(ledger, queue)? {
            return Ok(Step::Again);
        }
        let Step::Done(ids) = oldest(ledger, queue, new.limit)? else { return Ok(Step::Again) };
        if ids.is_empty() {
            let next_due = next_due(ledger, queue)?;
            let batch = Batch { now: ledger.now, ..Batch::default() };
            return Ok(Step::Done(Claimed { batch, next_due, ..Claimed::default() }));
        }
        let picks = hold(ledger, queue, new, &ids)?;
        keep(ledger, queue, new, &ids);
        let messages = ledger.blocks.bodies.read(&ledger.connection, picks, ledger.now)?;
        let batch = Batch { now: ledger.now, messages, ..Batch::default() };
        Ok(Step::Done(Claimed { batch, ..Claimed::default() }))
    })
}

/// Takes the oldest available messages out.
pub fn pop(ledger: &mut Ledger, queue: &QueueRef, limit: u32) -> Outcome<Step<Batch>> {
    ledger.with(queue, |ledger, queue| {
        if !settle::settle(ledger, queue)? {
            return Ok(Step::Again);
        }
        let Step::Done(ids) = oldest(ledger, queue, limit)? else { return Ok(Step::Again) };
        let mut picks = Vec::with_capacity(ids.len());
        for ids in ids.chunk_by(|one, next| block_of(*one) == block_of(*next)) {
            let Some(key) = ids.first().map(|id| block_of(*id)) else { continue };
            let Some(block) = ledger.blocks.change(&ledger.connection, key)? else { continue };
            let removed = block.remove(offsets_of(ids));
            picks.extend(removed.iter().map(|entry| Pick::new(key, block, entry)));
            for entry in removed {
                count::removed(ledger, queue, Lane::Main, entry.state);
            }
        }
        if let Some(last) = ids.last() {
            front::claimed_from(ledger, queue, block_of(*last))?;
        }
        let messages = ledger.blocks.bodies.read(&ledger.connection, picks, ledger.now)?;
        Ok(Step::Done(Batch { now: ledger.now, messages, ..Batch::default() }))
    })
}

/// Renews a live claim, or some of its messages.
pub fn renew(ledger: &mut Ledger, queue: &QueueRef, id: ClaimId, renewal: &Renewal) -> Outcome<bool> {
    ledger.with(queue, |ledger, queue| {
        let Some(kept) = ledger.claims.live(&ledger.connection, queue, id, ledger.now)? else {
            return Ok(false);
        };
        let end = ledger.now.after(renewal.ttl);
        let (ttl, grace) = (millis(renewal.ttl), millis(renewal.grace));
        each_held(ledger, queue, id, &kept, renewal.places.as_deref(), |queue, entry, _| {
            entry.until = end;
            outlive(entry, ttl, grace);
            queue.wake_by(entry.wakes());
        })?;
        let blob = &id.0.to_be_bytes()[..];
        ledger.claims.write(&ledger.connection)?;
        match renewal.places {
            // The claim itself lives on as it did, but not shorter than what it holds.
            Some(_) => ledger.connection.prepare_cached(claim_row::PROLONG)?.execute(params![blob, end.0])?,
            None => {
                ledger.connection.prepare_cached(claim_row::RENEW)?.execute(params![blob, ledger.now.0, ttl, end.0])?
            }
        };
        Ok(true)
    })
}

/// Ends a claim, or frees some of its messages.
pub fn release(ledger: &mut Ledger, queue: &QueueRef, id: ClaimId, release: &Release) -> Outcome<()> {
    ledger.with(queue, |ledger, queue| {
        let Some(kept) = ledger.claims.live(&ledger.connection, queue, id, ledger.now)? else {
            return Ok(());
        };
        let (now, delay) = (ledger.now, millis(release.delay));
        let due = now.after(release.delay);
        each_held(ledger, queue, id, &kept, release.places.as_deref(), |queue, entry, key| {
            if release.uncounted {
                entry.claims = entry.claims.saturating_sub(1);
            }
            free(queue, entry, now);
            if entry.state == State::Ready && delay > 0 {
                entry.state = State::Delayed;
                entry.until = due;
            }
            queue.wake_by(entry.wakes());
            queue.stir(key);
        })?;
        if release.places.is_none() {
            ledger.claims.write(&ledger.connection)?;
            ledger.connection.prepare_cached(claim_row::DELETE)?.execute([&id.0.to_be_bytes()[..]])?;
        }
        Ok(())
    })
}

/// Turns a message that no claim holds any more into what it is now.
pub fn free(queue: &Queue, entry: &mut Entry, now: Timestamp) {
    entry.claim = ClaimId(0);
    if exhausted(queue, entry) {
        entry.state = State::Exhausted;
        entry.until = now;
    } else {
        entry.state = State::Ready;
        entry.until = Timestamp(0);
    }
}

/// Whether a message has had all the claims that the queue's rule allows.
pub fn exhausted(queue: &Queue, entry: &Entry) -> bool {
    queue.rule.as_ref().is_some_and(|rule| entry.claims >= rule.max_claims)
}

/// The keys of the oldest ready messages, once what is due is settled; fewer than there are, or `Again`
/// for none, where much that has expired lies between.
fn oldest(ledger: &mut Ledger, queue: &mut Queue, limit: u32) -> Outcome<Step<Vec<i64>>> {
    let (limit, now) = (limit as usize, ledger.now);
    let is_ready = |entry: &Entry| entry.state == State::Ready && entry.view(now) == View::Free;
    let lane = LaneKey::new(queue.slot, Lane::Main);
    let mut ids = Vec::with_capacity(limit.min(64));
    if queue.tally.total == queue.tally.claimed + queue.tally.exhausted {
        return Ok(Step::Done(ids));
    }
    let mut n_passed = 0;
    let mut from = lane.first_block().max(queue.head);
    while let Some(key) = ledger.blocks.next_ready(&ledger.connection, from, queue.open_block())? {
        queue.head = key;
        from = key + 1;
        if queue.has_passed() && ledger.blocks.holds_only(&ledger.connection, key, |entry| !is_ready(entry))? {
            n_passed += 1;
            match n_passed < settle::PASSED {
                true => continue,
                false if ids.is_empty() => return Ok(Step::Again),
                // Fewer than may be, rather than looking on each time that these come back.
                false => break,
            }
        }
        let Some(block) = ledger.blocks.get(&ledger.connection, key)? else { break };
        let ready = block.entries().iter().filter(|entry| is_ready(entry));
        ids.extend(ready.map(|entry| id_in(key, entry.offset)).take(limit - ids.len()));
        if ids.len() >= limit {
            break;
        }
    }
    Ok(Step::Done(ids))
}

/// Marks messages as held, and prolongs the lives that are too short.
fn hold(ledger: &mut Ledger, queue: &mut Queue, new: &NewClaim, ids: &[i64]) -> Outcome<Vec<Pick>> {
    let until = ledger.now.after(new.ttl);
    let (ttl, grace) = (millis(new.ttl), millis(new.grace));
    let mut picks = Vec::with_capacity(ids.len());
    for ids in ids.chunk_by(|one, next| block_of(*one) == block_of(*next)) {
        let Some(key) = ids.first().map(|id| block_of(*id)) else { continue };
        let Some(block) = ledger.blocks.change(&ledger.connection, key)? else { continue };
        for offset in ids.iter().map(|id| offset_of(*id)) {
            let Some(entry) = block.get_mut(offset) else { continue };
            count::turned(queue, Lane::Main, entry.state, State::Claimed);
            entry.state = State::Claimed;
            entry.claim = new.id;
            entry.until = until;
            entry.claims = entry.claims.saturating_add(u32::from(!new.uncounted));
            outlive(entry, ttl, grace);
            let entry = entry.clone();
            picks.push(Pick::new(key, block, &entry));
        }
    }
    queue.wake_by(until);
    if let Some(last) = ids.last() {
        front::claimed_from(ledger, queue, block_of(*last))?;
    }
    Ok(picks)
}

/// A message that would end before its claim lives for grace longer than that (spec: semantics,
/// Claims). Clients count whole seconds: one that ends less than a second earlier does not end
/// earlier to them, and lives as long as the claim, its ttl reading as it did.
fn outlive(entry: &mut Entry, ttl: i64, grace: i64) {
    let earlier = entry.until.0.saturating_sub(entry.expires.0);
    if earlier >= 1000 {
        entry.expires = Timestamp(entry.until.0.saturating_add(grace));
        entry.ttl = Some(ttl.saturating_add(grace));
    } else if earlier > 0 {
        entry.expires = entry.until;
    }
}

fn keep(ledger: &mut Ledger, queue: &Queue, new: &NewClaim, ids: &[i64]) {
    let kept = Kept {
        queue: queue.id,
        generation: queue.tally.generation,
        renewed: ledger.now,
        ttl: millis(new.ttl),
        ends: ledger.now.after(new.ttl),
        places: ids.iter().map(|id| place_of(*id)).collect(),
        extensions: new.extensions.clone(),
    };
    ledger.claims.put(new.id, kept);
}

/// The messages that a claim still holds.
fn held(ledger: &mut Ledger, queue: &Queue, id: ClaimId, kept: &Kept) -> Outcome<Vec<sukkal_plugin_sdk::Message>> {
    let lane = LaneKey::new(queue.slot, Lane::Main);
    let mut picks = Vec::with_capacity(kept.places.len());
    for message in kept.places.iter().filter_map(|place| lane.id(*place)) {
        let now = ledger.now;
        let key = block_of(message);
        let Some(block) = ledger.blocks.get(&ledger.connection, key)? else { continue };
        if let Some(entry) = block.get(offset_of(message)).filter(|entry| entry.held_by(id, now)) {
            picks.push(Pick::new(key, block, entry));
        }
    }
    ledger.blocks.bodies.read(&ledger.connection, picks, ledger.now)
}

/// Changes the messages that a claim holds, all or those at some places.
fn each_held(
    ledger: &mut Ledger,
    queue: &mut Queue,
    id: ClaimId,
    kept: &Kept,
    places: Option<&[Place]>,
    mut change: impl FnMut(&mut Queue, &mut Entry, i64),
) -> Outcome<()> {
    let lane = LaneKey::new(queue.slot, Lane::Main);
    for message in places.unwrap_or(&kept.places).iter().filter_map(|place| lane.id(*place)) {
        let now = ledger.now;
        let key = block_of(message);
        let Some(block) = ledger.blocks.change(&ledger.connection, key)? else { continue };
        if let Some(entry) = block.get_mut(offset_of(message)).filter(|entry| entry.held_by(id, now)) {
            change(queue, entry, key);
            count::turned(queue, Lane::Main, State::Claimed, entry.state);
        }
    }
    Ok(())
}

/// When the next delay or claim of a queue without available messages ends.
fn next_due(ledger: &mut Ledger, queue: &Queue) -> Outcome<Option<Timestamp>> {
    if queue.tally.total == queue.tally.exhausted {
        return Ok(None);
    }
    /// Blocks looked into: those that say too early a wake are few.
    const LOOKED_INTO: usize = 32;
    let lane = LaneKey::new(queue.slot, Lane::Main);
    let mut next = Timestamp::MAX;
    let due = ledger.blocks.waking(&ledger.connection, lane, queue.passed, Timestamp::MAX, LOOKED_INTO)?;
    let others = queue.front.iter().copied().chain([queue.open_block()]);
    for key in due.into_iter().map(|wake| wake.key).chain(others) {
        let Some(block) = ledger.blocks.get(&ledger.connection, key)? else { continue };
        let hidden = |entry: &&Entry| matches!(entry.state, State::Claimed | State::Delayed);
        let due = block.entries().iter().filter(hidden).map(|entry| entry.until).min();
        next = next.min(due.unwrap_or(Timestamp::MAX));
    }
    Ok(Some(next).filter(|next| *next < Timestamp::MAX))
}
