//! What the writing thread knows of the pool without asking the file.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, params};
use sukkal_plugin_sdk::store::refusal;
use sukkal_plugin_sdk::{QueueId, QueueRef, Result, Timestamp};

use super::blocks::Blocks;
use super::bodies::Bodies;
use super::claim_row::Claims;
use super::count::{self, Totals};
use super::due::Due;
use super::garbage::{self, Garbage};
use super::id::slot_of;
use super::open;
use super::queue::{Queue, Tally};
use super::recheck::Rechecks;
use super::runs::Runs;
use super::watch::{Watch, Watched};
use crate::error::{Outcome, of_driver};
use crate::reserve::Leaves;
use crate::writer;

/// Queues kept in memory beyond a transaction, some 250 bytes each: to read one anew makes a post a third dearer here.
const KEPT: usize = 100_000;

pub const PUT_TALLY: &str = "UPDATE tally SET next_place = ?2, total = ?3, claimed = ?4, exhausted = ?5, \
    generation = ?6, wakes = ?7, beside = ?8 WHERE slot = ?1";
pub const PUT_TALLY_AND_OPEN: &str = "UPDATE tally SET next_place = ?2, total = ?3, claimed = ?4, exhausted = ?5, \
    generation = ?6, wakes = ?7, beside = ?8, open = ?9 WHERE slot = ?1";

/// The writer's side of a pool. Operations are functions over it, one file an algorithm.
pub struct Ledger {
    pub connection: Connection,
    pub blocks: Blocks,
    pub claims: Claims,
    /// The instant of what is done now: that at which the transaction began, or at which more was added to it.
    pub now: Timestamp,
    queues: HashMap<QueueId, Queue>,
    /// Queues whose tally is to be written.
    changed: Vec<QueueId>,
    /// When which queues fall due.
    pub due: Due,
    /// Whose messages are still to be held against a rule that has changed.
    pub rechecks: Rechecks,
    /// By how much the file's totals change: queues, messages.
    change: (i64, i64),
    totals: Arc<Totals>,
    watched: Watched,
    leaves: Leaves,
    /// The file is full: what can wait does.
    pub sparing: bool,
}

impl Ledger {
    /// A ledger that knows nothing yet but the totals, what is gone, and when queues fall due.
    ///
    /// # Errors
    /// The driver's.
    pub fn new(
        connection: Connection,
        watch: Arc<Watch>,
        totals: Arc<Totals>,
        runs: Arc<Runs>,
        now: Timestamp,
    ) -> Result<Ledger> {
        let due = count::load(&connection, &totals).map_err(|error| of_driver(&error))?;
        let garbage = Garbage::load(&connection).map_err(|error| of_driver(&error))?;
        let rechecks = Rechecks::load(&connection, now).map_err(|error| of_driver(&error))?;
        Ok(Ledger {
            connection,
            blocks: Blocks::new(Bodies::new(garbage, runs)),
            claims: Claims::default(),
            now: Timestamp(0),
            queues: HashMap::new(),
            changed: Vec::new(),
            due,
            rechecks,
            change: (0, 0),
            totals,
            watched: Watched::new(watch),
            leaves: Leaves::Nothing,
            sparing: false,
        })
    }

    /// Works on a queue that the caller may act on.
    ///
    /// # Errors
    /// `Gone`, `Stale`; the work's own.
    pub fn with<T>(
        &mut self,
        queue: &QueueRef,
        work: impl FnOnce(&mut Ledger, &mut Queue) -> Outcome<T>,
    ) -> Outcome<T> {
        let outcome = self.with_any(queue.id(), |ledger, known| {
            refusal::admit(queue, known.epoch, known.dropping)?;
            work(ledger, known)
        })?;
        outcome.ok_or_else(|| refusal::gone().into())
    }

    /// Works on a queue whatever its epoch; `None` if there is no header.
    ///
    /// # Errors
    /// The work's own.
    pub fn with_any<T>(
        &mut self,
        id: QueueId,
        work: impl FnOnce(&mut Ledger, &mut Queue) -> Outcome<T>,
    ) -> Outcome<Option<T>> {
        let Some(mut queue) = self.take(id)? else { return Ok(None) };
        let outcome = work(self, &mut queue);
        // Also after a refusal: what was settled before it stays settled.
        self.put_back(queue);
        outcome.map(Some)
    }

    /// Takes a queue out, to be put back: so that it can be changed beside the ledger.
    pub fn take(&mut self, id: QueueId) -> Outcome<Option<Queue>> {
        match self.queues.remove(&id) {
            Some(queue) => Ok(Some(queue)),
            None => Queue::load(&self.connection, &mut self.blocks, id),
        }
    }

    /// Puts back what [`Ledger::take`] gave.
    pub fn put_back(&mut self, queue: Queue) {
        if queue.changed || queue.stirred {
            self.changed.push(queue.id);
        }
        self.queues.insert(queue.id, queue);
    }

    /// Changes the file's totals.
    pub fn total(&mut self, queues: i64, messages: i64) {
        self.change.0 += queues;
        self.change.1 += messages;
    }

    /// Says how much of the room that is held back this transaction leaves, at the least.
    pub fn leave(&mut self, leaves: Leaves) {
        self.leaves = self.leaves.max(leaves);
    }

    /// The queues that somebody waits for.
    pub fn watched(&mut self) -> &mut Watched {
        &mut self.watched
    }

    fn write_tallies(&mut self) -> Outcome<()> {
        for id in &self.changed {
            let Some(queue) = self.queues.get_mut(id) else { continue };
            if queue.changed {
                queue.changed = false;
                let open = self.blocks.take_open(queue.open_block());
                put_tally(&self.connection, queue, open)?;
            }
        }
        // Of queues whose counts are as they were.
        while let Some(key) = self.blocks.next_open() {
            let open = self.blocks.take_open(key);
            self.connection.prepare_cached(open::PUT)?.execute(params![slot_of(key), open])?;
        }
        Ok(())
    }
}

fn put_tally(connection: &Connection, queue: &Queue, open: Option<&[u8]>) -> Outcome<()> {
    let Tally { next_place, total, claimed, exhausted, generation, beside, wakes } = queue.tally;
    let (slot, next) = (queue.slot, next_place.cast_signed());
    match open {
        Some(open) => connection
            .prepare_cached(PUT_TALLY_AND_OPEN)?
            .execute(params![slot, next, total, claimed, exhausted, generation, wakes.0, beside, open])?,
        None => connection
            .prepare_cached(PUT_TALLY)?
            .execute(params![slot, next, total, claimed, exhausted, generation, wakes.0, beside])?,
    };
    Ok(())
}

impl writer::Ledger for Ledger {
    fn connection(&self) -> &Connection {
        &self.connection
    }

    fn begun(&mut self) {
        self.leaves = Leaves::Nothing;
    }

    fn at(&mut self, now: Timestamp) {
        self.now = now;
        self.blocks.at(now);
    }

    fn flush(&mut self) -> Outcome<()> {
        self.blocks.write(&self.connection)?;
        self.claims.write(&self.connection)?;
        self.write_tallies()
    }

    fn committed(&mut self) {
        self.sparing = false;
        self.totals.add(std::mem::take(&mut self.change));
        self.due.committed();
        self.rechecks.committed();
        for id in self.changed.drain(..) {
            if let Some(queue) = self.queues.get_mut(&id) {
                self.due.put(queue.slot, queue.known_wakes, queue.tally.wakes);
                queue.known_wakes = queue.tally.wakes;
                self.watched.touched(id, queue.stirs, std::mem::take(&mut queue.stirred));
            }
        }
        self.watched.tell();
        self.blocks.committed();
        if self.queues.len() > KEPT {
            self.queues.clear();
        }
    }

    fn leaves(&self) -> Leaves {
        self.leaves
    }

    fn make_room(&mut self) -> Outcome<bool> {
        garbage::make_room(self)
    }

    fn put_off(&mut self) -> bool {
        self.sparing = true;
        true
    }

    fn forget(&mut self) {
        self.sparing = false;
        self.change = (0, 0);
        self.changed.clear();
        self.queues.clear();
        self.due.forget();
        self.rechecks.forget();
        self.blocks.forget();
        self.claims.forget();
        // Who was watched is no matter of the file; what they missed is not known.
        self.watched.lost();
    }

    fn idle(&mut self, now: Timestamp) -> Option<Duration> {
        self.watched.due(now)
    }
}
