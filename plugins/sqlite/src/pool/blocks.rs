//! The writer's blocks: read once, changed in memory, written once a transaction.

use std::collections::{BTreeSet, HashMap};

use rusqlite::{Connection, OptionalExtension, params};
use sukkal_plugin_sdk::Timestamp;

use super::block::{Block, Entry, State, Summary};
use super::bodies::Bodies;
use super::id::{LaneKey, lane_of};
use crate::error::Outcome;

/// Blocks kept in memory beyond a transaction: some 3 KiB each.
const KEPT: usize = 1024;

pub const GET: &str = "SELECT ready, wakes, avail, data FROM block WHERE key = ?1";
pub const INSERT: &str = "INSERT INTO block (key, ready, wakes, avail, data) VALUES (?1, ?2, ?3, ?4, ?5)";
pub const UPDATE: &str = "UPDATE block SET ready = ?2, wakes = ?3, avail = ?4, data = ?5 WHERE key = ?1";
// Touches no index, which is all that most changes need.
pub const UPDATE_DATA: &str = "UPDATE block SET data = ?2 WHERE key = ?1";
pub const DELETE: &str = "DELETE FROM block WHERE key = ?1";
pub const NEXT_READY: &str = "SELECT key FROM block WHERE ready = 1 AND key >= ?1 AND key <= ?2 ORDER BY key LIMIT 1";
pub const WAKING: &str = "SELECT key FROM block WHERE key >> 34 = ?1 AND wakes <= ?2 ORDER BY wakes LIMIT ?3";
pub const FIRST_WAKE: &str =
    "SELECT wakes FROM block WHERE key >> 34 = ?1 AND wakes IS NOT NULL ORDER BY wakes LIMIT 1";

/// The blocks that the writer has in memory.
pub struct Blocks {
    known: HashMap<i64, Known>,
    /// Changed in this transaction and not written yet.
    changed: BTreeSet<i64>,
    buffer: Vec<u8>,
    now: Timestamp,
    /// What never changes of the messages.
    pub bodies: Bodies,
}

#[derive(Default)]
struct Known {
    block: Block,
    /// What the table's columns say.
    stored: Stored,
    /// It is the open one of its queue.
    open: bool,
    /// Settled: what the table says of its next wake is to be made exact.
    settled: bool,
}

/// What the table's columns say of a block.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Stored {
    /// It is not there.
    #[default]
    Absent,
    /// It is the open one of its queue; no index names it.
    Open,
    /// It is another one.
    Closed(Summary),
}

impl Blocks {
    /// None yet.
    pub fn new(bodies: Bodies) -> Blocks {
        let (known, changed) = (HashMap::new(), BTreeSet::new());
        Blocks { known, changed, buffer: Vec::new(), now: Timestamp(0), bodies }
    }

    /// A transaction begins, at this instant.
    pub fn begun(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// A block, if there is one.
    ///
    /// # Errors
    /// The driver's; `Corrupt`.
    pub fn get(&mut self, connection: &Connection, key: i64) -> Outcome<Option<&Block>> {
        self.load(connection, key)?;
        Ok(self.known.get(&key).map(|known| &known.block))
    }

    /// A block to change, if there is one. It is written at the end of the transaction.
    ///
    /// # Errors
    /// The driver's; `Corrupt`.
    pub fn change(&mut self, connection: &Connection, key: i64) -> Outcome<Option<&mut Block>> {
        self.load(connection, key)?;
        let known = self.known.get_mut(&key);
        if known.is_some() {
            self.changed.insert(key);
        }
        Ok(known.map(|known| &mut known.block))
    }

    /// A block to put messages into, made if there is none.
    ///
    /// # Errors
    /// The driver's; `Corrupt`.
    pub fn make(&mut self, connection: &Connection, key: i64) -> Outcome<&mut Block> {
        self.load(connection, key)?;
        self.changed.insert(key);
        Ok(&mut self.known.entry(key).or_default().block)
    }

    /// Says that a block is the open one of its queue, if there is such a block. It is in memory:
    /// messages have just come into it.
    pub fn open(&mut self, key: i64) {
        if let Some(known) = self.known.get_mut(&key).filter(|known| !known.open) {
            known.open = true;
            self.changed.insert(key);
        }
    }

    /// Says that a block is no longer the open one of its queue.
    ///
    /// # Errors
    /// The driver's; `Corrupt`.
    pub fn close(&mut self, connection: &Connection, key: i64) -> Outcome<()> {
        self.load(connection, key)?;
        if let Some(known) = self.known.get_mut(&key).filter(|known| known.open) {
            known.open = false;
            self.changed.insert(key);
        }
        Ok(())
    }

    /// Says that all that was due in a block is settled, so that its next wake is worked out anew.
    pub fn settled(&mut self, key: i64) {
        if let Some(known) = self.known.get_mut(&key) {
            known.settled = true;
            self.changed.insert(key);
        }
    }

    /// The first block of a main lane, from one on to the open one, that holds ready messages.
    ///
    /// # Errors
    /// The driver's; `Corrupt`.
    pub fn next_ready(&mut self, connection: &Connection, from: i64, open: i64) -> Outcome<Option<i64>> {
        // The block where the last claim ended most often serves the next one too.
        if self.changed.contains(&from) && self.is_ready(from) {
            return Ok(Some(from));
        }
        if from > open {
            return Ok(None);
        }
        let in_memory = self.changed.range(from..=open).copied().find(|key| self.is_ready(*key));
        if let Some(first) = self.next_indexed(connection, from, open)?.into_iter().chain(in_memory).min() {
            return Ok(Some(first));
        }
        self.load(connection, open)?;
        Ok(Some(open).filter(|open| self.is_ready(*open)))
    }

    fn next_indexed(&self, connection: &Connection, mut from: i64, to: i64) -> Outcome<Option<i64>> {
        let mut statement = connection.prepare_cached(NEXT_READY)?;
        loop {
            let stored: Option<i64> = statement.query_row([from, to], |row| row.get(0)).optional()?;
            match stored {
                // The table does not know yet that it has none left.
                Some(key) if self.changed.contains(&key) && !self.is_ready(key) => from = key + 1,
                stored => return Ok(stored),
            }
        }
    }

    /// Whether a block that is in memory holds ready messages.
    fn is_ready(&self, key: i64) -> bool {
        let is_ready = |entry: &Entry| entry.state == State::Ready;
        self.known.get(&key).is_some_and(|known| known.block.entries().iter().any(is_ready))
    }

    /// Blocks of a lane in which something is due: the first due first, and the open one, which the
    /// main lane has, last.
    ///
    /// # Errors
    /// The driver's; `Corrupt`.
    pub fn waking(
        &mut self,
        connection: &Connection,
        (lane, open): (LaneKey, Option<i64>),
        due: Timestamp,
        limit: usize,
    ) -> Outcome<Vec<i64>> {
        self.write(connection)?;
        let mut statement = connection.prepare_cached(WAKING)?;
        let rows = params![lane.number(), due.0, i64::try_from(limit).unwrap_or(i64::MAX)];
        let mut keys = statement.query_map(rows, |row| row.get(0))?.collect::<Result<Vec<_>, _>>()?;
        if let Some(open) = open.filter(|_| keys.len() < limit)
            && self.wakes(connection, open)?.is_some_and(|wakes| wakes <= due)
        {
            keys.push(open);
        }
        Ok(keys)
    }

    /// When something in a lane falls due, at the earliest.
    ///
    /// # Errors
    /// The driver's; `Corrupt`.
    pub fn first_wake(&mut self, connection: &Connection, (lane, open): (LaneKey, Option<i64>)) -> Outcome<Timestamp> {
        self.write(connection)?;
        let mut statement = connection.prepare_cached(FIRST_WAKE)?;
        let first = statement.query_row([lane.number()], |row| row.get(0)).optional()?;
        let in_open = open.map(|open| self.wakes(connection, open)).transpose()?.flatten();
        Ok(in_open.into_iter().chain(first.map(Timestamp)).min().unwrap_or(Timestamp::MAX))
    }

    fn wakes(&mut self, connection: &Connection, key: i64) -> Outcome<Option<Timestamp>> {
        self.load(connection, key)?;
        Ok(self.known.get(&key).map(|known| known.block.summary(lane_of(key)).wakes))
    }

    /// Writes what has changed to the tables.
    ///
    /// # Errors
    /// The driver's.
    pub fn write(&mut self, connection: &Connection) -> Outcome<()> {
        for key in std::mem::take(&mut self.changed) {
            let Some(known) = self.known.get_mut(&key) else { continue };
            known.block.take_gone().into_iter().for_each(|body| self.bodies.gone(body));
            if known.block.entries().is_empty() {
                if known.stored != Stored::Absent {
                    connection.prepare_cached(DELETE)?.execute([key])?;
                }
                self.known.remove(&key);
                continue;
            }
            let new = known.to_store(key);
            known.block.encode(&mut self.buffer);
            put(connection, key, known.stored, new, &self.buffer)?;
            known.stored = new;
            known.settled = false;
        }
        self.bodies.write(connection, self.now)
    }

    /// Keeps memory bounded; called between transactions.
    pub fn trim(&mut self) {
        if self.known.len() > KEPT {
            self.known.clear();
        }
    }

    /// Drops all that is in memory.
    pub fn forget(&mut self) {
        self.known.clear();
        self.changed.clear();
        self.bodies.forget();
    }

    fn load(&mut self, connection: &Connection, key: i64) -> Outcome<()> {
        if self.known.contains_key(&key) {
            return Ok(());
        }
        let mut statement = connection.prepare_cached(GET)?;
        let mut rows = statement.query([key])?;
        if let Some(row) = rows.next()? {
            let avail = row.get::<_, Option<i64>>(2)?.map(Timestamp);
            let stored = match (row.get(0)?, row.get(1)?) {
                (Some(ready), Some(wakes)) => Stored::Closed(Summary { ready, wakes: Timestamp(wakes), avail }),
                _ => Stored::Open,
            };
            let block = Block::decode(row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?)?;
            self.known.insert(key, Known { block, stored, open: stored == Stored::Open, settled: false });
        }
        Ok(())
    }
}

impl Known {
    /// What the table must say of it, which holds messages.
    fn to_store(&self, key: i64) -> Stored {
        if self.open {
            return Stored::Open;
        }
        let mut summary = self.block.summary(lane_of(key));
        if let Stored::Closed(stored) = self.stored
            && !self.settled
        {
            // Too early a wake costs one look; keeping it spares the index a change.
            summary.wakes = summary.wakes.min(stored.wakes);
        }
        Stored::Closed(summary)
    }
}

fn put(connection: &Connection, key: i64, stored: Stored, new: Stored, data: &[u8]) -> Outcome<()> {
    if stored == new {
        connection.prepare_cached(UPDATE_DATA)?.execute(params![key, data])?;
        return Ok(());
    }
    let summary = if let Stored::Closed(summary) = new { Some(summary) } else { None };
    let (ready, wakes) = (summary.map(|summary| summary.ready), summary.map(|summary| summary.wakes.0));
    let avail = summary.and_then(|summary| summary.avail).map(|avail| avail.0);
    let mut statement = connection.prepare_cached(if stored == Stored::Absent { INSERT } else { UPDATE })?;
    statement.execute(params![key, ready, wakes, avail, data])?;
    Ok(())
}
