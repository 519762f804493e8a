//! Counting: what the tallies say, less what has fallen due since and is not settled yet.

use rusqlite::{Connection, params};
use sukkal_plugin_sdk::{Lane, QueueRef, Spot, Stats, Timestamp, Usage};

use super::block::{Block, Entry, State, View};
use super::count::Totals;
use super::id::{LaneKey, id_in, place_of};
use super::list::{self, block};
use super::settle::{self, Crowded, Step};
use super::snapshot::Snapshot;
use super::{body, front, queue};
use crate::error::Outcome;
use crate::settings::Settings;
use crate::store;

pub const DUE: &str = "SELECT key FROM block WHERE key >> 34 = ?1 AND wakes <= ?2";
pub const FORWARD: &str = "SELECT block.key, coalesce(front.data, block.data) FROM block LEFT JOIN front USING (key) \
    WHERE block.key >= ?1 AND block.key <= ?2 ORDER BY block.key";
pub const BACKWARD: &str = "SELECT block.key, coalesce(front.data, block.data) FROM block LEFT JOIN front USING (key) \
    WHERE block.key >= ?1 AND block.key <= ?2 ORDER BY block.key DESC";
pub const PROBE: &str = "SELECT written FROM probe WHERE one = 0";

/// Counts a queue's main lane. `Again`, if `crowded` allows it: much is to be settled in it first.
pub fn stats(snapshot: &Snapshot<'_>, queue: &QueueRef, crowded: Crowded) -> Outcome<Step<Stats>> {
    let Snapshot { connection, now, .. } = *snapshot;
    let slot = queue::slot(connection, queue)?;
    let lane = LaneKey::new(slot, Lane::Main);
    if crowded == Crowded::Wait && settle::is_crowded(connection, lane, now)? {
        return Ok(Step::Again);
    }
    let tally = connection.prepare_cached(queue::GET_TALLY)?.query_row([slot], queue::tally)?;
    let (mut total, mut claimed, mut exhausted) = (tally.total, tally.claimed, tally.exhausted);
    let max_claims = max_claims(connection, queue)?;
    let mut settle = |block: &Block| {
        for entry in block.entries() {
            let view = entry.view(now);
            let worn = entry.claims >= max_claims;
            total -= i64::from(view == View::Gone);
            claimed -= i64::from(entry.state == State::Claimed && view != View::Claimed);
            exhausted -= i64::from(entry.state == State::Exhausted && view == View::Gone);
            exhausted += i64::from(entry.state == State::Claimed && view == View::Free && worn);
        }
    };
    let open = list::open_block(connection, lane, lane.first_block())?;
    open.iter().for_each(|(_, block)| settle(block));
    let mut keys = due(connection, lane, now)?;
    keys.extend(front::keys(connection, lane)?);
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        block(connection, key)?.iter().for_each(&mut settle);
    }
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    Ok(Step::Done(Stats {
        free: count(total - claimed),
        claimed: count(claimed),
        exhausted: count(exhausted),
        oldest: oldest(snapshot, lane, open.as_ref())?,
        newest: newest(snapshot, lane, open.as_ref())?,
        now,
        ..Stats::default()
    }))
}

fn max_claims(connection: &Connection, queue: &QueueRef) -> Outcome<u32> {
    let rule = queue::Queue::rule_of(connection, queue.id())?;
    Ok(rule.map_or(u32::MAX, |rule| rule.max_claims))
}

fn due(connection: &Connection, lane: LaneKey, now: Timestamp) -> Outcome<Vec<i64>> {
    let mut statement = connection.prepare_cached(DUE)?;
    let keys = statement.query_map(params![lane.number(), now.0], |row| row.get(0))?;
    Ok(keys.collect::<Result<_, _>>()?)
}

fn oldest(snapshot: &Snapshot<'_>, lane: LaneKey, open: Option<&(i64, Block)>) -> Outcome<Option<Spot>> {
    let first = |block: &Block| there(block, snapshot.now).next().cloned();
    match first_closed(snapshot, lane, FORWARD, first)? {
        Some(spot) => Ok(Some(spot)),
        None => open.map_or(Ok(None), |(key, block)| spot(snapshot, *key, first(block))),
    }
}

fn newest(snapshot: &Snapshot<'_>, lane: LaneKey, open: Option<&(i64, Block)>) -> Outcome<Option<Spot>> {
    let last = |block: &Block| there(block, snapshot.now).next_back().cloned();
    match open.map_or(Ok(None), |(key, block)| spot(snapshot, *key, last(block)))? {
        Some(spot) => Ok(Some(spot)),
        None => first_closed(snapshot, lane, BACKWARD, last),
    }
}

/// The first message that is found in a lane's closed blocks, in the order of a statement.
fn first_closed(
    snapshot: &Snapshot<'_>,
    lane: LaneKey,
    sql: &str,
    find: impl Fn(&Block) -> Option<Entry>,
) -> Outcome<Option<Spot>> {
    let mut statement = snapshot.connection.prepare_cached(sql)?;
    let mut rows = statement.query([lane.first_block(), lane.last_block()])?;
    while let Some(row) = rows.next()? {
        let block = Block::decode(row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?)?;
        if let Some(spot) = spot(snapshot, row.get(0)?, find(&block))? {
            return Ok(Some(spot));
        }
    }
    Ok(None)
}

fn there(block: &Block, now: Timestamp) -> impl DoubleEndedIterator<Item = &Entry> {
    block.entries().iter().filter(move |entry| entry.view(now) != View::Gone)
}

fn spot(snapshot: &Snapshot<'_>, block: i64, entry: Option<Entry>) -> Outcome<Option<Spot>> {
    let Some(entry) = entry else { return Ok(None) };
    let posted = body::posted(snapshot.connection, snapshot.runs, entry.body)?;
    Ok(Some(Spot { place: place_of(id_in(block, entry.offset)), posted }))
}

/// Reads a row: whether the file can be read is seen only by doing so.
///
/// # Errors
/// The driver's.
pub fn probe(snapshot: &Snapshot<'_>) -> Outcome<()> {
    Ok(snapshot.connection.prepare_cached(PROBE)?.query_row([], |_| Ok(()))?)
}

/// What the file holds in all.
pub fn usage(connection: &Connection, totals: &Totals, settings: &Settings) -> Outcome<Usage> {
    let (queues, messages) = totals.get();
    let (bytes, free_bytes) = store::size(connection, settings)?;
    Ok(Usage { queues, messages, bytes: Some(bytes), free_bytes, ..Usage::default() })
}
