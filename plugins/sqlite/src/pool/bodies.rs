//! The writer's side of bodies: those that a transaction brings, and those that it leaves behind.
//!
//! A message that is deleted leaves its block at once, and with that it is gone for every reader. Its
//! run is deleted once all of its messages are gone; of one that some stay in, an account says which
//! are.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};
use sukkal_plugin_sdk::{Message, Origin, Timestamp};

use super::body::{self, Pick};
use super::garbage::{Account, Garbage};
use super::run::{self, Draft, Location, Part};
use super::runs::{MISSING, Runs};
use crate::error::Outcome;

/// Bytes of runs that wait for the end of their transaction, about. Tests have few, so that they have both.
const WAITING: usize = if cfg!(test) { 1 << 10 } else { 2 << 20 };

/// The bodies of a transaction, and the accounts of runs that are being emptied.
pub struct Bodies {
    /// Being put together.
    open: Draft,
    /// Put together before it in this transaction, and not written yet; see `claim_row::Claims`.
    full: Vec<Draft>,
    /// The number of the next run that is written; not known after opening.
    next: Option<i64>,
    /// What is gone in this transaction, by run, a bit each.
    gone: BTreeMap<i64, u64>,
    /// What is gone of which runs.
    pub garbage: Garbage,
    runs: Arc<Runs>,
}

impl Bodies {
    /// None yet, beside what is gone.
    pub fn new(garbage: Garbage, runs: Arc<Runs>) -> Bodies {
        Bodies { open: Draft::default(), full: Vec::new(), next: None, gone: BTreeMap::new(), garbage, runs }
    }

    /// The transaction is committed.
    pub fn committed(&mut self) {
        self.garbage.committed();
    }

    /// Adds a new message's; answers where it lies.
    ///
    /// # Errors
    /// The driver's.
    pub fn add(&mut self, connection: &Connection, part: Part<'_>) -> Outcome<Location> {
        let bytes = part.body.len() + part.extra.map_or(0, <[u8]>::len);
        if !self.open.takes(bytes) {
            match self.full.iter().map(Draft::bytes).sum::<usize>() < WAITING {
                true => self.full.push(std::mem::take(&mut self.open)),
                false => self.insert(connection)?,
            }
        }
        let run = self.next(connection)? + self.full.len() as i64;
        Ok(Location { run, index: self.open.push(part) })
    }

    /// Copies a body to another message, as one posted now with an origin.
    ///
    /// # Errors
    /// The driver's; `Corrupt`.
    pub fn copy(
        &mut self,
        connection: &Connection,
        from: Location,
        now: Timestamp,
        origin: &Origin,
    ) -> Outcome<Location> {
        if self.is_unwritten(from) {
            self.insert(connection)?;
        }
        let run = self.runs.get(connection, from.run)?;
        let part = run.get(from.index).ok_or(MISSING)?;
        let (_, extensions) = body::read_extra(part.extra);
        let extra = body::write_extra(Some(origin), &extensions);
        self.add(connection, Part { posted: now, extra: extra.as_deref(), body: part.body })
    }

    /// Reads messages, those of this transaction too; see [`body::read`].
    ///
    /// # Errors
    /// The driver's; `Corrupt` when a body is missing.
    pub fn read(&mut self, connection: &Connection, picks: Vec<Pick>, now: Timestamp) -> Outcome<Vec<Message>> {
        if picks.iter().any(|pick| self.is_unwritten(pick.location())) {
            self.insert(connection)?;
        }
        body::read(connection, &self.runs, picks, now)
    }

    /// The message whose body lies there is gone.
    pub fn gone(&mut self, location: Location) {
        *self.gone.entry(location.run).or_default() |= 1 << (location.index & 63);
    }

    /// Writes all.
    ///
    /// # Errors
    /// The driver's; `Corrupt`.
    pub fn write(&mut self, connection: &Connection, now: Timestamp) -> Outcome<()> {
        self.insert(connection)?;
        while let Some((number, bits)) = self.gone.pop_first() {
            self.bury(connection, number, bits, now)?;
        }
        Ok(())
    }

    /// Empties what is gone of a run that has an account, so that its space is used again.
    ///
    /// # Errors
    /// The driver's; `Corrupt`.
    pub fn clean(&mut self, connection: &Connection, number: i64) -> Outcome<()> {
        let Some(mut account) = self.garbage.get(connection, number)? else { return Ok(()) };
        run::thin(connection, number, account.gone)?;
        account.clean();
        self.garbage.put(connection, number, account)
    }

    /// Drops all that is in memory.
    pub fn forget(&mut self) {
        self.open = Draft::default();
        self.full.clear();
        self.gone.clear();
        self.garbage.forget();
        // `next` stays: what was stored in vain may be in memory under the numbers before it.
    }

    fn next(&mut self, connection: &Connection) -> Outcome<i64> {
        if let Some(next) = self.next {
            return Ok(next);
        }
        let last: Option<i64> = connection.prepare_cached(run::LAST)?.query_row([], |row| row.get(0)).optional()?;
        let next = last.map_or(1, |last| last + 1);
        self.next = Some(next);
        Ok(next)
    }

    fn is_unwritten(&self, location: Location) -> bool {
        self.next.is_some_and(|next| location.run >= next)
    }

    fn insert(&mut self, connection: &Connection) -> Outcome<()> {
        if self.open.count() == 0 {
            return Ok(());
        }
        let mut number = self.next(connection)?;
        for draft in self.full.iter_mut().chain([&mut self.open]) {
            let run = draft.insert(connection, number)?;
            self.runs.keep(number, run);
            number += 1;
            self.next = Some(number);
        }
        self.full.clear();
        Ok(())
    }

    fn bury(&mut self, connection: &Connection, number: i64, bits: u64, now: Timestamp) -> Outcome<()> {
        let Some(mut account) = self.account(connection, number)? else { return Ok(()) };
        account.bury(bits, now);
        if !account.is_all_gone() {
            return self.garbage.put(connection, number, account);
        }
        run::delete(connection, number)?;
        self.runs.forget(number);
        self.garbage.remove(connection, number)
    }

    fn account(&self, connection: &Connection, number: i64) -> Outcome<Option<Account>> {
        match self.garbage.get(connection, number)? {
            Some(account) => Ok(Some(account)),
            None => Ok(self.runs.count(connection, number)?.map(Account::new)),
        }
    }
}
