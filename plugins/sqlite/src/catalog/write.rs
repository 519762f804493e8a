//! Changing records: all of a commit, or nothing.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};
use sukkal_plugin_sdk::{Change, Commit, Expect, RecordKey, Timestamp, Write};

use crate::error::Outcome;
use crate::reserve::Leaves;
use crate::writer;

pub const GET_REVISION: &str = "SELECT revision, expires FROM record WHERE kind = ?1 AND project = ?2 AND name = ?3";
pub const PUT: &str = "INSERT OR REPLACE INTO record (kind, project, name, revision, expires, value, extensions) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
pub const DELETE: &str = "DELETE FROM record WHERE kind = ?1 AND project = ?2 AND name = ?3";
pub const COUNT_UP: &str = "INSERT INTO tally (kind, project, records) VALUES (?1, ?2, ?3) \
    ON CONFLICT DO UPDATE SET records = records + excluded.records";
pub const COUNT_OUT: &str = "DELETE FROM tally WHERE kind = ?1 AND project = ?2 AND records = 0";
pub const EXPIRED: &str =
    "SELECT kind, project, name FROM record WHERE expires IS NOT NULL AND expires <= ?1 ORDER BY expires LIMIT ?2";
pub const NEXT_REVISION: &str = "UPDATE counter SET revision = revision + 1 WHERE one = 0 RETURNING revision";
pub const PROBE: &str = "UPDATE counter SET revision = revision WHERE one = 0";

/// The writer's side of a catalog.
pub struct Ledger {
    connection: Connection,
    now: Timestamp,
    leaves: Leaves,
}

impl Ledger {
    /// The ledger of a file.
    pub fn new(connection: Connection) -> Ledger {
        Ledger { connection, now: Timestamp(0), leaves: Leaves::Nothing }
    }
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
    }

    fn leaves(&self) -> Leaves {
        self.leaves
    }

    fn flush(&mut self) -> Outcome<()> {
        Ok(())
    }

    fn committed(&mut self) {}

    fn forget(&mut self) {}

    fn idle(&mut self, _now: Timestamp) -> Option<Duration> {
        None
    }
}

/// About what a change writes.
pub fn bytes(change: &Change) -> usize {
    let names = change.key.kind.len() + change.key.project.len() + change.key.name.len();
    match &change.write {
        Write::Put { value, .. } => names + value.len() + super::SMALL,
        Write::Delete | Write::Check => names + super::SMALL,
    }
}

/// Makes all changes, or none.
pub fn commit(ledger: &mut Ledger, changes: &[Change]) -> Outcome<Commit> {
    let mut there = Vec::with_capacity(changes.len());
    for (index, change) in (0..).zip(changes) {
        let known = known(&ledger.connection, &change.key)?;
        let live = known.filter(|known| known.1.is_none_or(|expires| expires > ledger.now.0)).map(|known| known.0);
        let holds = match change.expect {
            Expect::Any => true,
            Expect::Absent => live.is_none(),
            Expect::Revision(revision) => live.map(i64::cast_unsigned) == Some(revision),
        };
        if !holds {
            return Ok(Commit::Failed(index));
        }
        there.push((known.is_some(), live));
    }
    let mut revisions = Vec::with_capacity(changes.len());
    for (change, (known, live)) in changes.iter().zip(there) {
        if !known && matches!(change.write, Write::Put { .. }) {
            ledger.leaves = Leaves::All;
        }
        revisions.push(apply(ledger, change, known, live)?);
    }
    Ok(Commit::Done(revisions))
}

/// Removes what has expired, in a bounded step; true while there is more.
pub fn sweep(ledger: &mut Ledger, limit: u32) -> Outcome<bool> {
    type Names = (Vec<u8>, Vec<u8>, Vec<u8>);
    let names = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let mut statement = ledger.connection.prepare_cached(EXPIRED)?;
    let expired: Vec<Names> =
        statement.query_map(params![ledger.now.0, limit.max(1)], names)?.collect::<Result<_, _>>()?;
    for (kind, project, name) in &expired {
        ledger.connection.prepare_cached(DELETE)?.execute(params![kind, project, name])?;
        count(&ledger.connection, kind, project, -1)?;
    }
    Ok(expired.len() >= limit.max(1) as usize)
}

/// Writes a row anew as it is: whether the file can be written is seen only by doing so.
pub fn probe(ledger: &mut Ledger) -> Outcome<()> {
    ledger.connection.prepare_cached(PROBE)?.execute([])?;
    Ok(())
}

/// Revision and end of a record, an expired one too.
fn known(connection: &Connection, key: &RecordKey) -> Outcome<Option<(i64, Option<i64>)>> {
    let names = params![key.kind.as_bytes(), key.project.as_bytes(), key.name.as_bytes()];
    let mut statement = connection.prepare_cached(GET_REVISION)?;
    Ok(statement.query_row(names, |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

/// Makes one change; answers the record's revision from then on. `known`: the table has such a row,
/// be it expired.
fn apply(ledger: &Ledger, change: &Change, known: bool, live: Option<i64>) -> Outcome<u64> {
    let connection = &ledger.connection;
    let (kind, project, name) = (change.key.kind.as_bytes(), change.key.project.as_bytes(), change.key.name.as_bytes());
    match &change.write {
        Write::Check => Ok(live.unwrap_or(0).cast_unsigned()),
        Write::Delete => {
            if known {
                connection.prepare_cached(DELETE)?.execute(params![kind, project, name])?;
                count(connection, kind, project, -1)?;
            }
            Ok(0)
        }
        Write::Put { value, expires_in, extensions } => {
            let revision: i64 = connection.prepare_cached(NEXT_REVISION)?.query_row([], |row| row.get(0))?;
            let expires = expires_in.map(|life| ledger.now.after(life).0);
            let extensions = (!extensions.is_empty()).then(|| extensions.to_bytes());
            let row = params![kind, project, name, revision, expires, &value[..], extensions];
            connection.prepare_cached(PUT)?.execute(row)?;
            if !known {
                count(connection, kind, project, 1)?;
            }
            Ok(revision.cast_unsigned())
        }
    }
}

fn count(connection: &Connection, kind: &[u8], project: &[u8], by: i64) -> Outcome<()> {
    connection.prepare_cached(COUNT_UP)?.execute(params![kind, project, by])?;
    if by < 0 {
        connection.prepare_cached(COUNT_OUT)?.execute(params![kind, project])?;
    }
    Ok(())
}
