//! Bringing what has fallen due up to date: expired messages go, ended claims free theirs, delays
//! pass, what has used up its claims moves on. Reads are right without it; it gives space back, and
//! keeps the next claim cheap.

use std::time::{Duration, Instant};

use rusqlite::{Connection, params};
use sukkal_plugin_sdk::{Budget, Lane, QueueRef, Swept, Timestamp};

use super::block::{Entry, State, View};
use super::blocks::Wake;
use super::id::LaneKey;
use super::ledger::Ledger;
use super::queue::{self, Queue};
use super::{claim, claim_row, count, dead_letter, garbage, key, recheck};
use crate::error::Outcome;

// Counts no further than the bound.
pub const CROWD: &str = "SELECT count(*) FROM (SELECT 1 FROM block WHERE key >> 34 = ?1 AND wakes <= ?2 LIMIT ?3)";
pub const PROBE: &str = "UPDATE probe SET written = ?1 WHERE one = 0";

/// Blocks that one step settles: some thousands of messages, a few milliseconds.
const BLOCKS: usize = 64;
/// Blocks that have fallen due and that a reader walks over rather than wait for a step.
const WALKED: i64 = 16;
/// Blocks that one step of a claim passes over.
pub const PASSED: usize = 512;
/// Queues that one step of the sweep settles.
const QUEUES: usize = 64;
/// Claims, and keys, that one step of the sweep removes.
const ROWS: usize = 1000;
/// Free pages that the next posts will soon fill again.
const SPARE: i64 = 1024;
/// How long one step of the sweep gives pages back to the disk. For each the driver looks among all that are free: with a
/// gigabyte of them that takes a fifth of a millisecond or less, with ten gigabytes some milliseconds (reckoned), and
/// everybody waits for the step.
const SHRINKING: Duration = Duration::from_millis(10);

/// A step of something that must settle the queue first.
#[derive(Debug)]
pub enum Step<T> {
    /// More has fallen due than one step settles: to be called again, so that others get their turn.
    Again,
    /// Done.
    Done(T),
}

/// What a reader does about a lane in which much has fallen due, which it would have to walk over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crowded {
    /// Waits for it to be settled.
    Wait,
    /// Walks over it.
    Walk,
}

/// Whether more has fallen due in a lane than a reader should walk over.
///
/// # Errors
/// The driver's.
pub fn is_crowded(connection: &Connection, lane: LaneKey, now: Timestamp) -> Outcome<bool> {
    let mut statement = connection.prepare_cached(CROWD)?;
    let n_due: i64 = statement.query_row(params![lane.number(), now.0, WALKED], |row| row.get(0))?;
    Ok(n_due >= WALKED)
}

/// Settles some of what is due in a queue, for a reader.
///
/// # Errors
/// `Gone`, `Stale`; the driver's; `Corrupt`.
pub fn clear_the_way(ledger: &mut Ledger, queue: &QueueRef) -> Outcome<()> {
    let (mut left, mut swept) = (BLOCKS, Swept::default());
    let remove = |ledger: &mut _, queue: &mut _| step(ledger, queue, Expired::Remove, &mut left, &mut swept);
    ledger.with(queue, remove).map(drop)
}

/// Settles what is due in a queue as far as a claim must know of it, in a bounded step; false if there is
/// more. Blocks of which all has expired are passed over: to remove them, with their bodies, is left to
/// the sweep.
pub fn settle(ledger: &mut Ledger, queue: &mut Queue) -> Outcome<bool> {
    if queue.stirs > ledger.now {
        return Ok(true);
    }
    step(ledger, queue, Expired::Pass, &mut { BLOCKS }, &mut Swept::default())
}

/// What a step does about blocks of the main lane of which all has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expired {
    /// Removes them.
    Remove,
    /// Passes over them.
    Pass,
}

/// Settles what is due in a queue, in its open block, at its front and in as many others as are left at the most; false if
/// there is more.
fn step(
    ledger: &mut Ledger,
    queue: &mut Queue,
    expired: Expired,
    left: &mut usize,
    swept: &mut Swept,
) -> Outcome<bool> {
    let falls_due = if expired == Expired::Pass { queue.stirs } else { queue.tally.wakes };
    if falls_due > ledger.now {
        return Ok(true);
    }
    // First the open block: whatever comes into it later falls due behind what is passed over now. And the front, of
    // which the table may say too late an instant. Dead letters wait for their turn among those of the others.
    let beside: Vec<i64> = queue.front.iter().copied().chain([queue.open_block()]).collect();
    for key in &beside {
        if ledger.blocks.wakes(&ledger.connection, *key)? <= ledger.now {
            settle_all_but_dead_letters(ledger, queue, Lane::Main, *key, swept)?;
        }
    }
    for lane in Lane::ALL {
        let beside = if lane == Lane::Main { &beside[..] } else { &[] };
        if !closed(ledger, queue, lane, beside, expired, left, swept)? {
            return Ok(false);
        }
    }
    recheck::look(ledger, queue, swept)?;
    if !recheck::step(ledger, queue, left, swept)? {
        return Ok(false);
    }
    if expired == Expired::Remove {
        queue.passed = Wake::BEFORE_ALL;
    }
    let mut next = ledger.rechecks.falls_due(queue.id);
    for key in beside {
        next = next.min(ledger.blocks.wakes(&ledger.connection, key)?);
    }
    for lane in Lane::ALL {
        let after = if lane == Lane::Main { queue.passed } else { Wake::BEFORE_ALL };
        next = next.min(ledger.blocks.first_wake(&ledger.connection, LaneKey::new(queue.slot, lane), after)?);
    }
    queue.stirs = next;
    // As long as there is something to sweep, the queue is due.
    if !queue.has_passed() {
        queue.tally.wakes = next;
    }
    queue.changed = true;
    Ok(true)
}

/// Settles what is due in the closed blocks of a lane, and what is left in those beside them, the first due first; false if
/// there may be more.
fn closed(
    ledger: &mut Ledger,
    queue: &mut Queue,
    lane: Lane,
    beside: &[i64],
    expired: Expired,
    left: &mut usize,
    swept: &mut Swept,
) -> Outcome<bool> {
    let now = ledger.now;
    let passes = expired == Expired::Pass && lane == Lane::Main;
    let (after, limit) = if passes { (queue.passed, PASSED) } else { (Wake::BEFORE_ALL, *left) };
    let mut due = ledger.blocks.waking(&ledger.connection, LaneKey::new(queue.slot, lane), after, now, limit)?;
    let more = due.len() >= limit;
    let end = due.last().filter(|_| more).map_or((now, i64::MAX), |last| (last.at, last.key));
    due.retain(|wake| !beside.contains(&wake.key));
    for key in beside {
        let at = ledger.blocks.wakes(&ledger.connection, *key)?;
        due.extend(Some(Wake { at, key: *key }).filter(|_| (at, *key) <= end));
    }
    due.sort_unstable_by_key(|wake| (wake.at, wake.key));
    for wake in due {
        if passes && is_gone(ledger, queue, wake.key)? {
            queue.passed = wake;
            continue;
        }
        if *left == 0 {
            return Ok(false);
        }
        settle_block(ledger, queue, lane, wake.key, swept)?;
        *left -= 1;
    }
    Ok(!more)
}

/// Whether all in a block has expired, and nothing of it has used up its claims.
fn is_gone(ledger: &mut Ledger, queue: &Queue, key: i64) -> Outcome<bool> {
    let now = ledger.now;
    let is_gone = |entry: &Entry| entry.view(now) == View::Gone && !claim::exhausted(queue, entry);
    ledger.blocks.holds_only(&ledger.connection, key, is_gone)
}

/// Settles what is due in a block.
///
/// # Errors
/// The driver's; `Corrupt`.
pub fn settle_block(ledger: &mut Ledger, queue: &mut Queue, lane: Lane, key: i64, swept: &mut Swept) -> Outcome<()> {
    settle_all_but_dead_letters(ledger, queue, lane, key, swept)?;
    settle_dead_letters(ledger, queue, lane, key, swept)
}

fn settle_all_but_dead_letters(
    ledger: &mut Ledger,
    queue: &mut Queue,
    lane: Lane,
    key: i64,
    swept: &mut Swept,
) -> Outcome<()> {
    let now = ledger.now;
    let Some(block) = ledger.blocks.change(&ledger.connection, key)? else { return Ok(()) };
    let (mut expired, mut turned) = (0, Vec::new());
    for entry in block.entries_mut() {
        let before = entry.state;
        if entry.view(now) != View::Gone {
            bring_up_to_date(queue, entry, now);
        } else if !claim::exhausted(queue, entry) {
            expired |= 1 << entry.offset;
        }
        if entry.state != before {
            turned.push((before, entry.state));
        }
    }
    for (before, after) in turned {
        count::turned(queue, lane, before, after);
        swept.freed += u64::from(before == State::Claimed);
        if after == State::Ready {
            queue.stir(key);
        }
    }
    expire(ledger, queue, lane, key, expired, swept)?;
    ledger.blocks.settled(key);
    Ok(())
}

fn settle_dead_letters(ledger: &mut Ledger, queue: &mut Queue, lane: Lane, key: i64, swept: &mut Swept) -> Outcome<()> {
    let now = ledger.now;
    let Some(block) = ledger.blocks.get(&ledger.connection, key)? else { return Ok(()) };
    let (mut parting, mut exhausted) = (Vec::new(), Vec::new());
    for entry in block.entries() {
        match entry.state {
            _ if entry.view(now) == View::Gone => parting.push(entry.offset),
            State::Exhausted => exhausted.push(entry.offset),
            State::Ready | State::Claimed | State::Delayed => {}
        }
    }
    // What has used up its claims is moved though its end has come; what cannot be, expires as any other.
    if !dead_letter::move_all(ledger, queue, key, &parting, swept)? {
        let offsets = parting.iter().fold(0, |offsets, offset| offsets | 1 << offset);
        expire(ledger, queue, lane, key, offsets, swept)?;
    }
    if !exhausted.is_empty() {
        dead_letter::move_or_set_aside(ledger, queue, key, &exhausted, swept)?;
    }
    Ok(())
}

/// Takes the messages at some offsets of a block out, a bit each.
fn expire(
    ledger: &mut Ledger,
    queue: &mut Queue,
    lane: Lane,
    key: i64,
    offsets: u64,
    swept: &mut Swept,
) -> Outcome<()> {
    let Some(block) = ledger.blocks.change(&ledger.connection, key)? else { return Ok(()) };
    let expired = block.remove(offsets);
    swept.expired += expired.len() as u64;
    for entry in expired {
        count::removed(ledger, queue, lane, entry.state);
    }
    Ok(())
}

fn bring_up_to_date(queue: &Queue, entry: &mut Entry, now: Timestamp) {
    match entry.state {
        State::Claimed if entry.until <= now => claim::free(queue, entry, now),
        // By a rule that has come, or allows less.
        State::Ready | State::Delayed if claim::exhausted(queue, entry) => claim::free(queue, entry, now),
        // Its `until` stays: it says until when the delay hid it.
        State::Delayed if entry.until <= now => entry.state = State::Ready,
        // The rule has gone, or allows more.
        State::Exhausted if !claim::exhausted(queue, entry) => claim::free(queue, entry, now),
        State::Ready | State::Claimed | State::Delayed | State::Exhausted => {}
    }
}

/// Settles what is due in any queue, in a bounded step.
pub fn sweep(ledger: &mut Ledger, budget: Budget) -> Outcome<Swept> {
    let mut swept = Swept::default();
    // A share for each of the two, so that neither waits for all of the other.
    let share = (budget.items as usize).div_ceil(64).clamp(2, BLOCKS) / 2;
    let queues = ledger.due.next(ledger.now, QUEUES);
    swept.more = queues.len() >= QUEUES;
    // What is only to be removed holds up nothing else that is due.
    for expired in [Expired::Pass, Expired::Remove] {
        let mut left = share;
        for next in &queues {
            if expired == Expired::Remove {
                ledger.due.had_its_turn(*next);
            }
            // This transaction may have removed it.
            let Some(id) = queue::in_slot(&ledger.connection, next.1)? else { continue };
            let done = ledger.with_any(id, |ledger, queue| step(ledger, queue, expired, &mut left, &mut swept))?;
            if done == Some(false) || left == 0 {
                swept.more = true;
                break;
            }
        }
    }
    let connection = &ledger.connection;
    let ended = connection.prepare_cached(claim_row::DELETE_ENDED)?.execute([ledger.now.0, ROWS as i64])?;
    let forgotten = connection.prepare_cached(key::DELETE_EXPIRED)?.execute([ledger.now.0, ROWS as i64])?;
    swept.more |= ended >= ROWS || forgotten >= ROWS;
    swept.more |= garbage::sweep(ledger)?;
    // Moving pages is written to the log, too.
    if !swept.more && !ledger.sparing {
        shrink(&ledger.connection)?;
    }
    Ok(swept)
}

/// Gives free pages at the end of the file back to the disk, while they are more than what the
/// next posts will soon fill again.
fn shrink(connection: &Connection) -> Outcome<()> {
    let number = |pragma: &str| connection.prepare_cached(pragma)?.query_row([], |row| row.get::<_, i64>(0));
    let free = number("PRAGMA freelist_count")?;
    if free < SPARE.max(number("PRAGMA page_count")? / 4) {
        return Ok(());
    }
    let begun = Instant::now();
    // It takes a step of the statement for each page.
    let mut statement = connection.prepare_cached("PRAGMA incremental_vacuum(1024)")?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() && begun.elapsed() < SHRINKING {}
    Ok(())
}

/// Writes a row: whether the file can be written is seen only by doing so.
///
/// # Errors
/// The driver's.
pub fn probe(ledger: &mut Ledger) -> Outcome<()> {
    ledger.connection.prepare_cached(PROBE)?.execute([ledger.now.0])?;
    Ok(())
}
