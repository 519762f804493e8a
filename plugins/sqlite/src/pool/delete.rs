//! Taking messages out: by place, by purge, by dropping the whole queue.

use rusqlite::Connection;
use sukkal_plugin_sdk::store::refusal;
use sukkal_plugin_sdk::{Budget, ClaimId, Delete, Deleted, Guard, Lane, Place, Progress, QueueRef, Refused};

use super::block::View;
use super::id::{LaneKey, block_of, offset_of, offsets_of, queue_key};
use super::ledger::Ledger;
use super::queue::Queue;
use super::{count, lane};
use crate::error::Outcome;

pub const BLOCKS: &str = "SELECT key FROM block WHERE key >= ?1 AND key <= ?2 ORDER BY key LIMIT ?3";
pub const DROP_QUEUE: &str = "DELETE FROM queue WHERE id = ?1";
pub const DROP_TALLY: &str = "DELETE FROM tally WHERE slot = ?1";
pub const DROP_LEASES: &str = "DELETE FROM lease WHERE queue = ?1";
pub const GIVE_SLOT: &str = "INSERT INTO free_slot (slot) VALUES (?1)";

/// Deletes messages by place, as far as the guard allows: all or none.
pub fn delete(ledger: &mut Ledger, queue: &QueueRef, delete: &Delete) -> Outcome<Deleted> {
    ledger.with(queue, |ledger, queue| {
        if delete.lane != Lane::Main {
            lane::check_fence(&ledger.connection, queue.id, delete.lane, delete.fence)?;
        }
        if let Some(refused) = refusal(ledger, queue, delete)? {
            return Ok(Deleted { count: 0, refused: Some(refused), ..Deleted::default() });
        }
        let count = remove(ledger, queue, delete.lane, &delete.places)?;
        Ok(Deleted { count, refused: None, ..Deleted::default() })
    })
}

/// Removes messages; answers how many were there. What has expired is removed and not counted.
pub fn remove(ledger: &mut Ledger, queue: &mut Queue, lane: Lane, places: &[Place]) -> Outcome<u32> {
    let keys = LaneKey::new(queue.slot, lane);
    let ids: Vec<_> = places.iter().filter_map(|place| keys.id(*place)).collect();
    let mut n_there = 0;
    for ids in ids.chunk_by(|one, next| block_of(*one) == block_of(*next)) {
        let Some(key) = ids.first().map(|id| block_of(*id)) else { continue };
        let Some(block) = ledger.blocks.change(&ledger.connection, key)? else { continue };
        for entry in block.remove(offsets_of(ids)) {
            n_there += u32::from(entry.view(ledger.now) != View::Gone);
            count::removed(ledger, queue, lane, entry.state);
        }
    }
    Ok(n_there)
}

fn refusal(ledger: &mut Ledger, queue: &Queue, delete: &Delete) -> Outcome<Option<Refused>> {
    let named: &[ClaimId] = match &delete.guard {
        Guard::Any => return Ok(None),
        Guard::Unclaimed => &[],
        Guard::Claim(claim) => std::slice::from_ref(claim),
        Guard::EachClaimedBy(claims) => claims,
    };
    let keys = LaneKey::new(queue.slot, delete.lane);
    for id in delete.places.iter().filter_map(|place| keys.id(*place)) {
        let now = ledger.now;
        let Some(block) = ledger.blocks.get(&ledger.connection, block_of(id))? else { continue };
        let Some(entry) = block.get(offset_of(id)).filter(|entry| entry.view(now) != View::Gone) else { continue };
        let claimed = entry.view(now) == View::Claimed;
        let unclaimed_only = matches!(delete.guard, Guard::Unclaimed);
        match (claimed, unclaimed_only) {
            (true, true) => return Ok(Some(Refused::Claimed)),
            (false, false) => return Ok(Some(Refused::NotClaimed)),
            (true, false) if !named.contains(&entry.claim) => return other_claim(ledger, queue, named).map(Some),
            (true, false) | (false, true) => {}
        }
    }
    Ok(None)
}

fn other_claim(ledger: &Ledger, queue: &Queue, named: &[ClaimId]) -> Outcome<Refused> {
    for claim in named {
        if ledger.claims.live(&ledger.connection, queue, *claim, ledger.now)?.is_some() {
            return Ok(Refused::OtherClaim);
        }
    }
    Ok(Refused::ClaimGone)
}

/// Deletes messages of the main lane, and ends all of its claims.
pub fn purge(ledger: &mut Ledger, queue: &QueueRef, budget: Budget) -> Outcome<Progress> {
    ledger.with(queue, |ledger, queue| {
        // Claims of before are void from here on; their rows go when they would have ended.
        queue.tally.generation += 1;
        queue.changed = true;
        clear(ledger, queue, Lane::Main, budget.items)
    })
}

/// Removes a dropping queue with all that is in it, last its header.
pub fn drop_queue(ledger: &mut Ledger, queue: &QueueRef, budget: Budget) -> Outcome<Progress> {
    let done = Progress { done: true, count: 0 };
    let Some(mut known) = ledger.take(queue.id())? else { return Ok(done) };
    if known.epoch > queue.epoch() || !known.dropping {
        // A caller that is ahead has yet to say that the queue is dropping.
        let ahead = queue.epoch() > known.epoch;
        ledger.put_back(known);
        return if ahead { Err(refusal::gone().into()) } else { Ok(done) };
    }
    let mut count = 0;
    for lane in Lane::ALL {
        let left = budget.items.saturating_sub(u32::try_from(count).unwrap_or(u32::MAX));
        let step = clear(ledger, &mut known, lane, left)?;
        count += step.count;
        if !step.done {
            ledger.put_back(known);
            return Ok(Progress { done: false, count });
        }
    }
    // Claims and keys carry the queue's id, which is never used again: they go when they end.
    ledger.blocks.write(&ledger.connection)?;
    ledger.blocks.drop_open(known.open_block());
    ledger.connection.prepare_cached(DROP_LEASES)?.execute([queue_key(known.id)])?;
    ledger.connection.prepare_cached(DROP_TALLY)?.execute([known.slot])?;
    ledger.connection.prepare_cached(DROP_QUEUE)?.execute([queue_key(known.id)])?;
    ledger.connection.prepare_cached(GIVE_SLOT)?.execute([known.slot])?;
    ledger.rechecks.end(known.id);
    ledger.due.drop(known.slot, known.known_wakes);
    ledger.total(-1, 0);
    Ok(Progress { done: true, count })
}

/// Deletes the first messages of a lane.
fn clear(ledger: &mut Ledger, queue: &mut Queue, lane: Lane, items: u32) -> Outcome<Progress> {
    ledger.blocks.write(&ledger.connection)?;
    let items = items as usize;
    // Each block holds at least one message; one more than fits tells whether this is the last step.
    let mut keys = blocks(&ledger.connection, LaneKey::new(queue.slot, lane), items.saturating_add(1))?;
    if lane == Lane::Main {
        keys.push(queue.open_block());
    }
    let mut gone = 0;
    let mut done = true;
    for key in keys {
        let Some(block) = ledger.blocks.change(&ledger.connection, key)? else { continue };
        let left = items - gone;
        done &= block.entries().len() <= left;
        if left == 0 {
            break;
        }
        let first = block.entries().iter().take(left);
        let removed = block.remove(first.fold(0, |offsets, entry| offsets | 1 << entry.offset));
        gone += removed.len();
        for entry in removed {
            count::removed(ledger, queue, lane, entry.state);
        }
    }
    Ok(Progress { done, count: gone as u64 })
}

fn blocks(connection: &Connection, lane: LaneKey, limit: usize) -> Outcome<Vec<i64>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(BLOCKS)?;
    let keys = statement.query_map([lane.first_block(), lane.last_block(), limit], |row| row.get(0))?;
    Ok(keys.collect::<Result<_, _>>()?)
}
