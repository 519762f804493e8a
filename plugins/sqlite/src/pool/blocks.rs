//! The writer's blocks: read once, changed in memory, written once a transaction.

use std::collections::{BTreeSet, HashMap};

use rusqlite::{Connection, OptionalExtension, Row, params};
use sukkal_plugin_sdk::{Lane, Timestamp};

use super::block::{Block, Entry, State, Summary};
use super::bodies::Bodies;
use super::id::{LaneKey, lane_of, slot_of};
use super::{front, open};
use crate::error::Outcome;

/// Blocks kept in memory beyond a transaction: some 3 KiB each.
const KEPT: usize = 1024;

pub const GET: &str = "SELECT ready, wakes, avail, coalesce(front.data, block.data), front.data IS NOT NULL \
    FROM block LEFT JOIN front USING (key) WHERE block.key = ?1";
pub const INSERT: &str = "INSERT INTO block (key, ready, wakes, avail, data) VALUES (?1, ?2, ?3, ?4, ?5)";
pub const UPDATE: &str = "UPDATE block SET ready = ?2, wakes = ?3, avail = ?4, data = ?5 WHERE key = ?1";
// Touches no index, which is all that most changes need.
pub const UPDATE_DATA: &str = "UPDATE block SET data = ?2 WHERE key = ?1";
pub const DELETE: &str = "DELETE FROM block WHERE key = ?1";
pub const NEXT_READY: &str = "SELECT key FROM block WHERE ready = 1 AND key >= ?1 AND key <= ?2 ORDER BY key LIMIT 1";
pub const WAKING: &str = "SELECT wakes, key FROM block \
    WHERE key >> 34 = ?1 AND (wakes, key) > (?2, ?3) AND wakes <= ?4 ORDER BY wakes, key LIMIT ?5";
pub const FIRST_WAKE: &str = "SELECT wakes FROM block \
    WHERE key >> 34 = ?1 AND (wakes, key) > (?2, ?3) ORDER BY wakes, key LIMIT 1";

/// The blocks that the writer has in memory.
pub struct Blocks {
    known: HashMap<i64, Known>,
    /// Changed in this transaction and not written yet.
    changed: BTreeSet<i64>,
    /// Open ones that have changed in this transaction: they are written with their queues' counts.
    open: BTreeSet<i64>,
    buffer: Vec<u8>,
    now: Timestamp,
    /// What never changes of the messages.
    pub bodies: Bodies,
}

#[derive(Default)]
struct Known {
    block: Block,
    /// What the table's columns say, if it has a row of its own.
    row: Option<Summary>,
    /// It is the open one of its queue: it lies with the queue's counts, and no index names it.
    open: bool,
    /// Settled: what the table says of its next wake is to be made exact.
    settled: bool,
    /// It is at the front of its queue: its row stays as it is.
    front: bool,
    /// The table of those says so, too.
    in_front: bool,
}

/// A closed block, and when the first thing in it falls due as the table has it: their order is that of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wake {
    pub at: Timestamp,
    pub key: i64,
}

impl Wake {
    /// Before all blocks.
    pub const BEFORE_ALL: Wake = Wake { at: Timestamp(i64::MIN), key: 0 };
}

impl Blocks {
    /// None yet.
    pub fn new(bodies: Bodies) -> Blocks {
        let (known, changed, open) = (HashMap::new(), BTreeSet::new(), BTreeSet::new());
        Blocks { known, changed, open, buffer: Vec::new(), now: Timestamp(0), bodies }
    }

    /// What follows is done at this instant.
    pub fn at(&mut self, now: Timestamp) {
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
        // Most often it is the open one.
        if !self.known.contains_key(&key) && !self.load_open(connection, key)? {
            self.load_closed(connection, key)?;
        }
        self.changed.insert(key);
        Ok(&mut self.known.entry(key).or_default().block)
    }

    /// Takes in the open block of a queue that was just read with it.
    pub fn adopt(&mut self, key: i64, block: Block) {
        self.known.entry(key).or_insert_with(|| Known { block, open: true, ..Known::default() });
    }

    /// Says that a block, which may be empty, is the open one of its queue from now on.
    ///
    /// # Errors
    /// The driver's; `Corrupt`.
    pub fn open(&mut self, connection: &Connection, key: i64) -> Outcome<()> {
        self.load(connection, key)?;
        self.known.entry(key).or_default().open = true;
        self.changed.insert(key);
        Ok(())
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

    /// Brings a block of a main lane, which is in memory, to the front, if its row can stand for it there. True: it was
    /// not there before.
    pub fn bring_to_front(&mut self, key: i64) -> bool {
        let has_ready = |row: Summary| row.ready == 1;
        let Some(known) = self.known.get_mut(&key) else { return false };
        let comes = !known.open && !known.front && known.row.is_some_and(has_ready);
        known.front |= comes;
        comes
    }

    /// Takes a block away from the front, if it is still there.
    ///
    /// # Errors
    /// The driver's; `Corrupt`.
    pub fn take_from_front(&mut self, connection: &Connection, key: i64) -> Outcome<()> {
        self.load(connection, key)?;
        if let Some(known) = self.known.get_mut(&key).filter(|known| known.front) {
            known.front = false;
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

    /// Closed blocks of a lane in which something is due, behind one of them: the first due first.
    ///
    /// # Errors
    /// The driver's; `Corrupt`.
    pub fn waking(
        &mut self,
        connection: &Connection,
        lane: LaneKey,
        after: Wake,
        due: Timestamp,
        limit: usize,
    ) -> Outcome<Vec<Wake>> {
        self.write(connection)?;
        let mut statement = connection.prepare_cached(WAKING)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = params![lane.number(), after.at.0, after.key, due.0, limit];
        let wake = |row: &Row<'_>| Ok(Wake { at: Timestamp(row.get(0)?), key: row.get(1)? });
        Ok(statement.query_map(rows, wake)?.collect::<Result<_, _>>()?)
    }

    /// When something in the closed blocks of a lane falls due, behind one of them, at the earliest.
    ///
    /// # Errors
    /// The driver's; `Corrupt`.
    pub fn first_wake(&mut self, connection: &Connection, lane: LaneKey, after: Wake) -> Outcome<Timestamp> {
        self.write(connection)?;
        let mut statement = connection.prepare_cached(FIRST_WAKE)?;
        let rows = params![lane.number(), after.at.0, after.key];
        let first = statement.query_row(rows, |row| row.get(0)).optional()?;
        Ok(first.map_or(Timestamp::MAX, Timestamp))
    }

    /// Whether a block holds no messages but such ones. One that is read to see that is not kept if it does.
    ///
    /// # Errors
    /// The driver's; `Corrupt`.
    pub fn holds_only(&mut self, connection: &Connection, key: i64, such: impl Fn(&Entry) -> bool) -> Outcome<bool> {
        let read = if self.known.contains_key(&key) { None } else { read(connection, key)? };
        let Some(known) = read.as_ref().or_else(|| self.known.get(&key)) else { return Ok(true) };
        let only = known.block.entries().iter().all(such);
        if let Some(read) = read.filter(|_| !only) {
            self.known.insert(key, read);
        }
        Ok(only)
    }

    /// When the first thing in a block falls due.
    ///
    /// # Errors
    /// The driver's; `Corrupt`.
    pub fn wakes(&mut self, connection: &Connection, key: i64) -> Outcome<Timestamp> {
        self.load(connection, key)?;
        Ok(self.known.get(&key).map_or(Timestamp::MAX, |known| known.block.summary(lane_of(key)).wakes))
    }

    /// Writes what has changed to the tables, but for open blocks: see [`Blocks::take_open`].
    ///
    /// # Errors
    /// The driver's.
    pub fn write(&mut self, connection: &Connection) -> Outcome<()> {
        for key in std::mem::take(&mut self.changed) {
            let Some(known) = self.known.get_mut(&key) else { continue };
            known.block.take_gone().into_iter().for_each(|body| self.bodies.gone(body));
            let is_empty = known.block.entries().is_empty();
            if known.front && !is_empty && !known.has_settled(self.now) {
                known.in_front = true;
                known.block.encode(&mut self.buffer);
                front::put(connection, key, &self.buffer)?;
                continue;
            }
            known.front = false;
            if std::mem::take(&mut known.in_front) {
                front::delete(connection, key)?;
            }
            if known.open || is_empty {
                if known.row.take().is_some() {
                    connection.prepare_cached(DELETE)?.execute([key])?;
                }
                if known.open {
                    self.open.insert(key);
                } else {
                    self.open.remove(&key);
                    self.known.remove(&key);
                }
                continue;
            }
            self.open.remove(&key);
            let new = known.to_store(key);
            known.put(connection, key, new, &mut self.buffer)?;
            known.settled = false;
        }
        self.bodies.write(connection, self.now)
    }

    /// What is to be stored of an open block with its queue's counts; `None` if it has not changed.
    /// All else is written by then.
    pub fn take_open(&mut self, key: i64) -> Option<&[u8]> {
        if !self.open.remove(&key) {
            return None;
        }
        self.known.get_mut(&key)?.block.encode(&mut self.buffer);
        Some(&self.buffer)
    }

    /// An open block that [`Blocks::take_open`] was not asked for yet.
    pub fn next_open(&self) -> Option<i64> {
        self.open.first().copied()
    }

    /// Lets go of the open block of a queue that is gone; what was in it is written by then.
    pub fn drop_open(&mut self, key: i64) {
        self.open.remove(&key);
        self.known.remove(&key);
    }

    /// The transaction is committed. Keeps memory bounded.
    pub fn committed(&mut self) {
        self.bodies.committed();
        if self.known.len() > KEPT {
            self.known.clear();
        }
    }

    /// Drops all that is in memory.
    pub fn forget(&mut self) {
        self.known.clear();
        self.changed.clear();
        self.open.clear();
        self.bodies.forget();
    }

    fn load(&mut self, connection: &Connection, key: i64) -> Outcome<()> {
        if !self.known.contains_key(&key) && !self.load_closed(connection, key)? {
            self.load_open(connection, key)?;
        }
        Ok(())
    }

    /// Reads a block that has a row of its own; false if there is none.
    fn load_closed(&mut self, connection: &Connection, key: i64) -> Outcome<bool> {
        let Some(known) = read(connection, key)? else { return Ok(false) };
        self.known.insert(key, known);
        Ok(true)
    }

    /// Reads a block that is the open one of its queue; false if it is not.
    fn load_open(&mut self, connection: &Connection, key: i64) -> Outcome<bool> {
        if lane_of(key) != Lane::Main {
            return Ok(false);
        }
        let Some((open, block)) = open::get(connection, slot_of(key))? else { return Ok(false) };
        if open != key {
            return Ok(false);
        }
        self.adopt(key, block);
        Ok(true)
    }
}

fn read(connection: &Connection, key: i64) -> Outcome<Option<Known>> {
    let mut statement = connection.prepare_cached(GET)?;
    let mut rows = statement.query([key])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let avail = row.get::<_, Option<i64>>(2)?.map(Timestamp);
    let summary = Summary { ready: row.get(0)?, wakes: Timestamp(row.get(1)?), avail };
    let block = Block::decode(row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?)?;
    let front = row.get(4)?;
    Ok(Some(Known { block, row: Some(summary), front, in_front: front, ..Known::default() }))
}

impl Known {
    /// Whether what its row says is due was settled, so that the row must say something else.
    fn has_settled(&self, now: Timestamp) -> bool {
        self.settled && self.row.is_none_or(|row| row.wakes <= now)
    }

    /// What the table must say of it, which is closed and holds messages.
    fn to_store(&self, key: i64) -> Summary {
        let mut summary = self.block.summary(lane_of(key));
        if let Some(stored) = self.row
            && !self.settled
        {
            // Too early a wake costs one look; keeping it spares the index a change.
            summary.wakes = summary.wakes.min(stored.wakes);
        }
        summary
    }

    fn put(&mut self, connection: &Connection, key: i64, new: Summary, data: &mut Vec<u8>) -> Outcome<()> {
        let before = self.row.replace(new);
        if before.is_none() {
            self.block.encode_new(data);
        } else {
            self.block.encode(data);
        }
        if before == Some(new) {
            connection.prepare_cached(UPDATE_DATA)?.execute(params![key, &data[..]])?;
            return Ok(());
        }
        let sql = if before.is_none() { INSERT } else { UPDATE };
        let avail = new.avail.map(|avail| avail.0);
        connection.prepare_cached(sql)?.execute(params![key, new.ready, new.wakes.0, avail, &data[..]])?;
        Ok(())
    }
}
