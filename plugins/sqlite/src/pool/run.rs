//! What never changes of neighbouring messages that were stored together, as one row: a run.
//!
//! A run lies within a block. One of some size has pages of its own, all filled, which SQLite sets
//! free without writing them again; rows of a message each would share pages, to be written for
//! each message that goes.

use rusqlite::{Connection, OptionalExtension, Row, params};
use sukkal_plugin_sdk::Timestamp;

use super::id::{LAST_OFFSET, block_of, id_in, offset_of};
use super::varint;
use crate::error::{Fail, Outcome};

pub const COVERING: &str = "SELECT id, heads, data FROM body WHERE id <= ?1 ORDER BY id DESC LIMIT 1";
pub const WITHIN: &str = "SELECT id, heads, data FROM body WHERE id >= ?1 AND id <= ?2 ORDER BY id";
pub const INSERT: &str = "INSERT INTO body (id, heads, data) VALUES (?1, ?2, ?3)";
pub const UPDATE: &str = "UPDATE body SET heads = ?2, data = ?3 WHERE id = ?1";
pub const DELETE: &str = "DELETE FROM body WHERE id = ?1";
pub const DELETE_RANGE: &str = "DELETE FROM body WHERE id >= ?1 AND id <= ?2";

/// A run takes no further message beyond so many bytes: who reads one message reads its run.
const LONG: usize = 32 << 10;

/// What is kept of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    pub posted: Timestamp,
    /// What is stored with it; see `body::write_extra`.
    pub extra: Option<&'a [u8]>,
    pub body: &'a [u8],
}

/// A part of which nothing is kept.
const GONE: Part<'static> = Part { posted: Timestamp(0), extra: None, body: &[] };

/// A run that is being put together.
#[derive(Debug, PartialEq, Eq)]
pub struct Run {
    first: i64,
    count: i64,
    heads: Vec<u8>,
    data: Vec<u8>,
}

impl Run {
    /// One without messages, which will begin with this.
    pub fn new(first: i64) -> Run {
        Run { first, count: 0, heads: Vec::new(), data: Vec::new() }
    }

    /// Whether a message of so many bytes can be its next one.
    pub fn takes(&self, id: i64, bytes: usize) -> bool {
        let is_next = id == self.first + self.count && block_of(id) == block_of(self.first);
        is_next && (self.count == 0 || self.data.len() + bytes <= LONG)
    }

    /// Adds the next message.
    pub fn push(&mut self, part: Part<'_>) {
        varint::write(&mut self.heads, part.posted.0.cast_unsigned());
        varint::write(&mut self.heads, part.extra.map_or(0, |extra| extra.len() as u64 + 1));
        varint::write(&mut self.heads, part.body.len() as u64);
        self.data.extend_from_slice(part.extra.unwrap_or_default());
        self.data.extend_from_slice(part.body);
        self.count += 1;
    }

    /// Writes it as a new row.
    ///
    /// # Errors
    /// The driver's.
    pub fn insert(&self, connection: &Connection) -> Outcome<()> {
        connection.prepare_cached(INSERT)?.execute(params![self.first, self.heads, self.data])?;
        Ok(())
    }

    fn update(&self, connection: &Connection) -> Outcome<()> {
        connection.prepare_cached(UPDATE)?.execute(params![self.first, self.heads, self.data])?;
        Ok(())
    }
}

/// A run as it was read.
#[derive(Debug)]
pub struct Read<'a> {
    first: i64,
    parts: Vec<Part<'a>>,
}

impl<'a> Read<'a> {
    /// Reads a row of [`COVERING`] or [`WITHIN`].
    ///
    /// # Errors
    /// The driver's; `Corrupt`.
    pub fn of_row(row: &'a Row<'_>) -> Outcome<Read<'a>> {
        let blob = |column| row.get_ref(column)?.as_blob().map_err(rusqlite::Error::from);
        let parts = parts(blob(1)?, blob(2)?).ok_or(Fail::Corrupt("a run of bodies cannot be read"))?;
        Ok(Read { first: row.get(0)?, parts })
    }

    /// A message of it.
    pub fn get(&self, id: i64) -> Option<Part<'a>> {
        usize::try_from(id - self.first).ok().and_then(|index| self.parts.get(index)).copied()
    }

    /// How many of its bodies are not empty.
    #[cfg(test)]
    pub fn n_kept(&self) -> usize {
        self.parts.iter().filter(|part| !part.body.is_empty()).count()
    }

    /// Makes it anew, with other parts by id.
    fn map(&self, part: impl Fn(i64, Part<'a>) -> Part<'a>) -> Run {
        let mut run = Run::new(self.first);
        (self.first..).zip(&self.parts).for_each(|(id, old)| run.push(part(id, *old)));
        run
    }
}

fn parts<'a>(mut heads: &[u8], mut data: &'a [u8]) -> Option<Vec<Part<'a>>> {
    let mut parts = Vec::new();
    while !heads.is_empty() {
        let posted = Timestamp(varint::read(&mut heads)?.cast_signed());
        let length = |value: u64| usize::try_from(value).ok();
        let extra = match varint::read(&mut heads)? {
            0 => None,
            more => Some(varint::bytes(&mut data, length(more - 1)?)?),
        };
        let body = varint::bytes(&mut data, length(varint::read(&mut heads)?)?)?;
        parts.push(Part { posted, extra, body });
    }
    data.is_empty().then_some(parts)
}

/// Replaces a message of a stored run; false if none has a place for it.
///
/// # Errors
/// The driver's; `Corrupt`.
pub fn replace(connection: &Connection, id: i64, part: Part<'_>) -> Outcome<bool> {
    let read = |row: &Row<'_>| {
        Ok(Read::of_row(row).map(|read| read.get(id).map(|_| read.map(|at, old| if at == id { part } else { old }))))
    };
    let found = connection.prepare_cached(COVERING)?.query_row([id], read).optional()?;
    let Some(run) = found.transpose()?.flatten() else { return Ok(false) };
    run.update(connection)?;
    Ok(true)
}

/// Deletes what lies in a block beside the messages that are named, a bit an offset.
///
/// # Errors
/// The driver's; `Corrupt`.
pub fn keep_only(connection: &Connection, block: i64, live: u64) -> Outcome<()> {
    let mut without = Vec::new();
    let mut thinned = Vec::new();
    let mut statement = connection.prepare_cached(WITHIN)?;
    let mut rows = statement.query([id_in(block, 0), id_in(block, LAST_OFFSET)])?;
    let is_live = |id| live >> offset_of(id) & 1 == 1;
    while let Some(row) = rows.next()? {
        let read = Read::of_row(row)?;
        let n_live = (read.first..).zip(&read.parts).filter(|(id, _)| is_live(*id)).count();
        if n_live == 0 {
            without.push(read.first);
        } else if n_live < read.parts.len() {
            thinned.push(read.map(|id, part| if is_live(id) { part } else { GONE }));
        }
    }
    drop(rows);
    for first in without {
        connection.prepare_cached(DELETE)?.execute([first])?;
    }
    thinned.iter().try_for_each(|run| run.update(connection))
}

/// Deletes all of whole blocks, which are in order.
///
/// # Errors
/// The driver's.
pub fn delete_blocks(connection: &Connection, keys: &[i64]) -> Outcome<()> {
    let mut statement = connection.prepare_cached(DELETE_RANGE)?;
    for run in keys.chunk_by(|one, next| one + 1 == *next) {
        if let (Some(first), Some(last)) = (run.first(), run.last()) {
            statement.execute([id_in(*first, 0), id_in(*last, LAST_OFFSET)])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let whole = Part { posted: Timestamp(-5), extra: Some(b"extra"), body: b"body" };
        let empty = Part { posted: Timestamp(7), extra: Some(b""), body: b"" };
        let mut run = Run::new(64);
        assert!(run.takes(64, LONG + 1), "the first may be longer");
        for part in [whole, GONE, empty] {
            assert!(run.takes(64 + run.count, 100));
            run.push(part);
        }
        assert_eq!(parts(&run.heads, &run.data), Some(vec![whole, GONE, empty]));
        assert_eq!(parts(&run.heads, &run.data[1..]), None);
        assert!(!run.takes(68, 0), "a gap");
        assert!(!run.takes(67, LONG), "too long");
        assert!(!Run { first: 127, ..run }.takes(130, 0), "another block");
    }
}
