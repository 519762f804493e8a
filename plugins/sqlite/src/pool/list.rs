//! Reading messages: listings and reads by place. Both are right whether or not what has fallen due
//! is settled yet.

use std::collections::{HashMap, VecDeque};
use std::iter::Peekable;
use std::vec::IntoIter;

use rusqlite::{CachedStatement, Connection, params};
use sukkal_plugin_sdk::{Batch, Claim, ClaimId, Lane, List, Place, QueueRef, Timestamp};

use super::block::{Block, Entry, View};
use super::body::Pick;
use super::id::{LaneKey, block_of, id_in, lane_of, offset_of, slot_of};
use super::own_blocks::{OwnBlocks, Walk};
use super::settle::{self, Crowded, Step};
use super::snapshot::Snapshot;
use super::{claim_row, lane, open, queue};
use crate::error::Outcome;

pub const ALL: &str = "SELECT key FROM block WHERE key >= ?1 AND key <= ?2 ORDER BY key";
pub const READY: &str = "SELECT key FROM block WHERE ready = 1 AND key >= ?1 AND key <= ?2 ORDER BY key";
pub const EXHAUSTED: &str = "SELECT key FROM block WHERE ready = 2 AND key >= ?1 AND key <= ?2 ORDER BY key";
// What is not settled yet: few, as a rule.
pub const DUE: &str = "SELECT key FROM block WHERE key >> 34 = ?1 AND wakes <= ?2 AND key >= ?3 ORDER BY key";
pub const GET: &str =
    "SELECT coalesce(front.data, block.data) FROM block LEFT JOIN front USING (key) WHERE block.key = ?1";
pub const GENERATION: &str = "SELECT generation FROM tally WHERE slot = ?1";

/// Reads on from a place. `Again`, if `crowded` allows it: much is to be settled in the lane first.
pub fn list(
    snapshot: &Snapshot<'_>,
    queue: &QueueRef,
    list: &List,
    own: &OwnBlocks,
    crowded: Crowded,
) -> Outcome<Step<Batch>> {
    let Snapshot { connection, now, .. } = *snapshot;
    let slot = queue::slot(connection, queue)?;
    if list.lane != Lane::Main {
        lane::check_fence(connection, queue.id(), list.lane, list.fence)?;
    }
    let lane = LaneKey::new(slot, list.lane);
    if crowded == Crowded::Wait && settle::is_crowded(connection, lane, now)? {
        return Ok(Step::Again);
    }
    let mut batch = Batch { now, ..Batch::default() };
    let first = list.after.map_or(Some(0), |after| after.0.checked_add(1));
    let Some(first) = first.and_then(|first| lane.id(Place(first))) else { return Ok(Step::Done(batch)) };
    let mut picks = Vec::with_capacity(list.limit.min(1000) as usize);
    let age = own.age();
    let client = list.not_from.as_deref().filter(|_| list.lane == Lane::Main);
    let begin = client.map_or(block_of(first), |client| own.skip(queue.id(), client, block_of(first)));
    let mut walk = client.map(|client| Walk::begin(client, begin));
    let mut blocks = Candidates::new(connection, lane, begin, list.claimed || list.delayed, now)?;
    'blocks: while let Some((key, block)) = blocks.next()? {
        if let Some(walk) = &mut walk {
            walk.meet(key, &block);
        }
        for entry in block.entries() {
            if id_in(key, entry.offset) >= first && wanted(list, &block, entry, now) {
                picks.push(Pick::new(key, &block, entry));
            }
            if picks.len() >= list.limit as usize {
                break 'blocks;
            }
        }
    }
    if let (Some(client), Some(walk)) = (client, walk) {
        own.keep(queue.id(), client, walk.end(), age);
    }
    batch.messages = snapshot.messages(picks)?;
    Ok(Step::Done(batch))
}

fn wanted(list: &List, block: &Block, entry: &Entry, now: Timestamp) -> bool {
    let shown = match entry.view(now) {
        View::Gone => false,
        View::Free => true,
        View::Claimed => list.claimed,
        View::Delayed => list.delayed,
    };
    shown && list.not_from.as_deref().is_none_or(|client| client != block.client(entry))
}

/// The blocks that may hold what a listing shows, in order, each once.
struct Candidates<'c> {
    connection: &'c Connection,
    lane: LaneKey,
    begin: i64,
    /// Those that an index names.
    indexed: Vec<Keys<'c>>,
    /// Those that are not settled, in order.
    due: Peekable<IntoIter<i64>>,
    /// The open block was there: the last of all.
    ended: bool,
}

impl<'c> Candidates<'c> {
    fn new(connection: &'c Connection, lane: LaneKey, begin: i64, hidden: bool, now: Timestamp) -> Outcome<Self> {
        let indexes: &[&str] = if hidden { &[ALL] } else { &[READY, EXHAUSTED] };
        let keys = |sql: &&str| Keys::new(connection, sql, begin, lane.last_block());
        let indexed = indexes.iter().map(keys).collect::<Outcome<_>>()?;
        let due = if hidden { Vec::new() } else { due(connection, lane, begin, now)? };
        Ok(Candidates { connection, lane, begin, indexed, due: due.into_iter().peekable(), ended: false })
    }

    fn next(&mut self) -> Outcome<Option<(i64, Block)>> {
        while let Some(next) = self.next_closed()? {
            if let Some(block) = closed(self.connection, next)? {
                return Ok(Some((next, block)));
            }
        }
        if std::mem::replace(&mut self.ended, true) {
            return Ok(None);
        }
        open_block(self.connection, self.lane, self.begin)
    }

    fn next_closed(&mut self) -> Outcome<Option<i64>> {
        let mut next = self.due.peek().copied();
        for keys in &mut self.indexed {
            next = keys.first()?.into_iter().chain(next).min();
        }
        let Some(next) = next else { return Ok(None) };
        self.due.next_if_eq(&next);
        self.indexed.iter_mut().for_each(|keys| keys.take(next));
        Ok(Some(next))
    }
}

fn due(connection: &Connection, lane: LaneKey, begin: i64, now: Timestamp) -> Outcome<Vec<i64>> {
    let mut statement = connection.prepare_cached(DUE)?;
    let keys = statement.query_map(params![lane.number(), now.0, begin], |row| row.get(0))?;
    Ok(keys.collect::<Result<_, _>>()?)
}

/// Keys of blocks that an index names, in order, read ahead of whoever takes them.
struct Keys<'c> {
    statement: CachedStatement<'c>,
    from: i64,
    to: i64,
    ahead: VecDeque<i64>,
    /// How many are read ahead the next time: few at first, since most listings end in a block or two.
    n_ahead: usize,
    /// The index has no more.
    ended: bool,
}

/// Keys read ahead in one go, at first and at the most.
const AHEAD: usize = 4;
const FAR_AHEAD: usize = 256;

impl<'c> Keys<'c> {
    fn new(connection: &'c Connection, sql: &str, from: i64, to: i64) -> Outcome<Self> {
        let statement = connection.prepare_cached(sql)?;
        Ok(Keys { statement, from, to, ahead: VecDeque::new(), n_ahead: AHEAD, ended: false })
    }

    fn first(&mut self) -> Outcome<Option<i64>> {
        if self.ahead.is_empty() && !self.ended {
            self.read_ahead()?;
        }
        Ok(self.ahead.front().copied())
    }

    fn take(&mut self, key: i64) {
        self.ahead.pop_front_if(|first| *first == key);
    }

    fn read_ahead(&mut self) -> Outcome<()> {
        let mut rows = self.statement.query([self.from, self.to])?;
        while let Some(row) = rows.next()? {
            self.ahead.push_back(row.get(0)?);
            if self.ahead.len() >= self.n_ahead {
                break;
            }
        }
        self.ended = self.ahead.len() < self.n_ahead;
        self.n_ahead = (self.n_ahead * 4).min(FAR_AHEAD);
        self.from = self.ahead.back().map_or(self.from, |last| last + 1);
        Ok(())
    }
}

/// Reads messages of the main lane by place, whatever their claim or delay.
pub fn get(snapshot: &Snapshot<'_>, queue: &QueueRef, places: &[Place]) -> Outcome<Batch> {
    let Snapshot { connection, now, .. } = *snapshot;
    let slot = queue::slot(connection, queue)?;
    let mut asked = places.to_vec();
    asked.sort_unstable();
    asked.dedup();
    let picks = find(connection, slot, &asked, now, |_| true)?;
    let mut found = snapshot.messages(picks)?;
    // Of a place that is asked for twice, the first counts.
    let order: HashMap<Place, usize> = places.iter().enumerate().rev().map(|(at, place)| (*place, at)).collect();
    found.sort_by_key(|message| order.get(&message.place).copied());
    Ok(Batch { now, messages: found, ..Batch::default() })
}

/// Reads a live claim with what it holds.
pub fn claim_get(snapshot: &Snapshot<'_>, queue: &QueueRef, id: ClaimId) -> Outcome<Option<Claim>> {
    let Snapshot { connection, now, .. } = *snapshot;
    let slot = queue::slot(connection, queue)?;
    let generation = connection.prepare_cached(GENERATION)?.query_row([slot], |row| row.get(0))?;
    let Some(kept) = claim_row::live(connection, queue.id(), generation, id, now)? else { return Ok(None) };
    let picks = find(connection, slot, &kept.places, now, |entry| entry.held_by(id, now))?;
    Ok(Some(Claim {
        id,
        renewed: kept.renewed,
        ttl: std::time::Duration::from_millis(u64::try_from(kept.ttl).unwrap_or(0)),
        now,
        messages: snapshot.messages(picks)?,
        extensions: kept.extensions,
    }))
}

/// The messages of the main lane at some places, in their order.
fn find(
    connection: &Connection,
    slot: u32,
    places: &[Place],
    now: Timestamp,
    wanted: impl Fn(&Entry) -> bool,
) -> Outcome<Vec<Pick>> {
    let lane = LaneKey::new(slot, Lane::Main);
    let ids: Vec<_> = places.iter().filter_map(|place| lane.id(*place)).collect();
    let mut picks = Vec::with_capacity(ids.len());
    for ids in ids.chunk_by(|one, next| block_of(*one) == block_of(*next)) {
        let Some(key) = ids.first().map(|id| block_of(*id)) else { continue };
        let Some(block) = block(connection, key)? else { continue };
        for entry in ids.iter().filter_map(|id| block.get(offset_of(*id))) {
            if entry.view(now) != View::Gone && wanted(entry) {
                picks.push(Pick::new(key, &block, entry));
            }
        }
    }
    Ok(picks)
}

/// The open block of a lane with its key, if the lane has one that holds messages, not before a block.
///
/// # Errors
/// The driver's; `Corrupt`.
pub fn open_block(connection: &Connection, lane: LaneKey, from: i64) -> Outcome<Option<(i64, Block)>> {
    let key = lane.first_block();
    if lane_of(key) != Lane::Main {
        return Ok(None);
    }
    Ok(open::get(connection, slot_of(key))?.filter(|(key, block)| *key >= from && !block.entries().is_empty()))
}

/// Reads a block.
///
/// # Errors
/// The driver's; `Corrupt`.
pub fn block(connection: &Connection, key: i64) -> Outcome<Option<Block>> {
    if let Some(block) = closed(connection, key)? {
        return Ok(Some(block));
    }
    if lane_of(key) != Lane::Main {
        return Ok(None);
    }
    Ok(open::get(connection, slot_of(key))?.filter(|(open, _)| *open == key).map(|(_, block)| block))
}

fn closed(connection: &Connection, key: i64) -> Outcome<Option<Block>> {
    let mut statement = connection.prepare_cached(GET)?;
    let mut rows = statement.query([key])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Block::decode(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?).map(Some)
}
