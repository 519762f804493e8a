//! The writer's blocks: read once, changed in memory, written once a transaction.

use std::collections::{BTreeSet, HashMap};

use rusqlite::{Connection, OptionalExtension, params};
use sukkal_plugin_sdk::Timestamp;

use super::block::{Block, Summary};
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
pub const FIRST_WAKE: &str = "SELECT wakes FROM block WHERE key >> 34 = ?1 ORDER BY wakes LIMIT 1";

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
    /// What the table's columns say; `None` while it is not in the table.
    stored: Option<Summary>,
    /// Settled: what the table says of its next wake is to be made exact.
    settled: bool,
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

    /// Says that all that was due in a block is settled, so that its next wake is worked out anew.
    pub fn settled(&mut self, key: i64) {
        if let Some(known) = self.known.get_mut(&key) {
            known.settled = true;
            self.changed.insert(key);
        }
    }

    /// The first block within a range of keys that holds ready messages.
    ///
    /// # Errors
    /// The driver's.
    pub fn next_ready(&self, connection: &Connection, mut from: i64, to: i64) -> Outcome<Option<i64>> {
        let is_ready =
            |key: &i64| self.known.get(key).is_some_and(|known| known.block.summary(lane_of(*key)).ready == 1);
        // The block where the last claim ended most often serves the next one too.
        if self.changed.contains(&from) && is_ready(&from) {
            return Ok(Some(from));
        }
        let in_memory =
            if from <= to { self.changed.range(from..=to).find(|key| is_ready(key)).copied() } else { None };
        let mut statement = connection.prepare_cached(NEXT_READY)?;
        loop {
            let stored: Option<i64> = statement.query_row([from, to], |row| row.get(0)).optional()?;
            match stored {
                // The table does not know yet that it has none left.
                Some(key) if self.changed.contains(&key) && !is_ready(&key) => from = key + 1,
                stored => return Ok(stored.into_iter().chain(in_memory).min()),
            }
        }
    }

    /// Blocks of a lane in which something is due, the first due first.
    ///
    /// # Errors
    /// The driver's; `Corrupt`.
    pub fn waking(
        &mut self,
        connection: &Connection,
        lane: LaneKey,
        due: Timestamp,
        limit: usize,
    ) -> Outcome<Vec<i64>> {
        self.write(connection)?;
        let mut statement = connection.prepare_cached(WAKING)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let keys = statement.query_map(params![lane.number(), due.0, limit], |row| row.get(0))?;
        Ok(keys.collect::<Result<_, _>>()?)
    }

    /// When something in a lane falls due, at the earliest.
    ///
    /// # Errors
    /// The driver's; `Corrupt`.
    pub fn first_wake(&mut self, connection: &Connection, lane: LaneKey) -> Outcome<Timestamp> {
        self.write(connection)?;
        let mut statement = connection.prepare_cached(FIRST_WAKE)?;
        let first = statement.query_row([lane.number()], |row| row.get(0)).optional()?;
        Ok(Timestamp(first.unwrap_or(i64::MAX)))
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
                if known.stored.is_some() {
                    connection.prepare_cached(DELETE)?.execute([key])?;
                }
                self.known.remove(&key);
                continue;
            }
            let new = known.to_store(key);
            known.block.encode(&mut self.buffer);
            put(connection, key, known.stored, new, &self.buffer)?;
            known.stored = Some(new);
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
            let summary = Summary {
                ready: row.get(0)?,
                wakes: Timestamp(row.get(1)?),
                avail: row.get::<_, Option<i64>>(2)?.map(Timestamp),
            };
            let data = row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?;
            let block = Block::decode(data)?;
            self.known.insert(key, Known { block, stored: Some(summary), settled: false });
        }
        Ok(())
    }
}

impl Known {
    /// What the table must say of it, which holds messages.
    fn to_store(&self, key: i64) -> Summary {
        let mut summary = self.block.summary(lane_of(key));
        if let Some(stored) = self.stored.filter(|_| !self.settled) {
            // Too early a wake costs one look; keeping it spares the index a change.
            summary.wakes = summary.wakes.min(stored.wakes);
        }
        summary
    }
}

fn put(connection: &Connection, key: i64, stored: Option<Summary>, new: Summary, data: &[u8]) -> Outcome<()> {
    if stored == Some(new) {
        connection.prepare_cached(UPDATE_DATA)?.execute(params![key, data])?;
        return Ok(());
    }
    let Summary { ready, wakes, avail } = new;
    let mut statement = connection.prepare_cached(if stored.is_some() { UPDATE } else { INSERT })?;
    statement.execute(params![key, ready, wakes.0, avail.map(|avail| avail.0), data])?;
    Ok(())
}
