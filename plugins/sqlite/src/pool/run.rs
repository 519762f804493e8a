//! What never changes of messages that came in one commit, as one row: a run.
//!
//! Runs lie in the order in which they came, whatever the queues of their messages: so a commit
//! writes its bodies side by side at the end of the table, among however many queues they are. A run
//! of some size has pages of its own, all filled, which SQLite sets free without writing them again.

use rusqlite::{Connection, OptionalExtension, Row, params};
use sukkal_plugin_sdk::Timestamp;

use super::varint;
use crate::error::{Fail, Outcome};

pub const GET: &str = "SELECT heads, data FROM body WHERE run = ?1";
pub const HEADS: &str = "SELECT heads FROM body WHERE run = ?1";
pub const LAST: &str = "SELECT run FROM body ORDER BY run DESC LIMIT 1";
pub const INSERT: &str = "INSERT INTO body (run, heads, data) VALUES (?1, ?2, ?3)";
pub const UPDATE: &str = "UPDATE body SET heads = ?2, data = ?3 WHERE run = ?1";
pub const DELETE: &str = "DELETE FROM body WHERE run = ?1";

/// A run takes no further message beyond so many bytes: who reads one message reads its run.
const LONG: usize = 32 << 10;
/// A run takes no further message beyond so many: one bit each says which of them are gone.
const MANY: u8 = 64;

/// Where what never changes of a message lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The number of the run.
    pub run: i64,
    /// Which of its messages, from 0.
    pub index: u8,
}

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
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Run {
    count: u8,
    heads: Vec<u8>,
    data: Vec<u8>,
}

impl Run {
    /// How many messages it has.
    pub fn count(&self) -> u8 {
        self.count
    }

    /// Whether it can take one more message, of so many bytes.
    pub fn takes(&self, bytes: usize) -> bool {
        self.count == 0 || (self.count < MANY && self.data.len() + bytes <= LONG)
    }

    /// Adds the next message; answers which one it is.
    pub fn push(&mut self, part: Part<'_>) -> u8 {
        varint::write(&mut self.heads, part.posted.0.cast_unsigned());
        varint::write(&mut self.heads, part.extra.map_or(0, |extra| extra.len() as u64 + 1));
        varint::write(&mut self.heads, part.body.len() as u64);
        self.data.extend_from_slice(part.extra.unwrap_or_default());
        self.data.extend_from_slice(part.body);
        self.count += 1;
        self.count - 1
    }

    /// Writes it as a new row.
    ///
    /// # Errors
    /// The driver's.
    pub fn insert(&self, connection: &Connection, number: i64) -> Outcome<()> {
        connection.prepare_cached(INSERT)?.execute(params![number, self.heads, self.data])?;
        Ok(())
    }
}

/// A run as it was read.
#[derive(Debug)]
pub struct Read<'a> {
    parts: Vec<Part<'a>>,
}

impl<'a> Read<'a> {
    /// Reads a row of [`GET`].
    ///
    /// # Errors
    /// The driver's; `Corrupt`.
    pub fn of_row(row: &'a Row<'_>) -> Outcome<Read<'a>> {
        let blob = |column| row.get_ref(column)?.as_blob().map_err(rusqlite::Error::from);
        Ok(Read { parts: parts(blob(0)?, blob(1)?).ok_or(UNREADABLE)? })
    }

    /// A message of it.
    pub fn get(&self, index: u8) -> Option<Part<'a>> {
        self.parts.get(usize::from(index)).copied()
    }

    /// How many of its bodies are not empty.
    #[cfg(test)]
    pub fn n_kept(&self) -> usize {
        self.parts.iter().filter(|part| !part.body.is_empty()).count()
    }
}

const UNREADABLE: Fail = Fail::Corrupt("a run of bodies cannot be read");

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

/// How many messages a stored run had when it was stored; `None` if there is no such run.
///
/// # Errors
/// The driver's; `Corrupt`.
pub fn count(connection: &Connection, number: i64) -> Outcome<Option<u8>> {
    let of_row = |row: &Row<'_>| Ok(heads_in(row.get_ref(0)?.as_blob()?));
    let count = connection.prepare_cached(HEADS)?.query_row([number], of_row).optional()?;
    count.map(|count| count.ok_or(UNREADABLE)).transpose()
}

fn heads_in(mut heads: &[u8]) -> Option<u8> {
    let mut count = 0_u8;
    while !heads.is_empty() {
        for _ in 0..3 {
            varint::read(&mut heads)?;
        }
        count = count.checked_add(1)?;
    }
    Some(count)
}

/// Empties the messages of a stored run that are gone, a bit each.
///
/// # Errors
/// The driver's; `Corrupt`.
pub fn thin(connection: &Connection, number: i64, gone: u64) -> Outcome<()> {
    let thinned = |row: &Row<'_>| Ok(Read::of_row(row).map(|read| without(&read, gone)));
    let Some(run) = connection.prepare_cached(GET)?.query_row([number], thinned).optional()? else { return Ok(()) };
    let run = run?;
    connection.prepare_cached(UPDATE)?.execute(params![number, run.heads, run.data])?;
    Ok(())
}

fn without(read: &Read<'_>, gone: u64) -> Run {
    let mut run = Run::default();
    for (index, part) in read.parts.iter().enumerate() {
        run.push(if gone >> index & 1 == 1 { GONE } else { *part });
    }
    run
}

/// Deletes a run.
///
/// # Errors
/// The driver's.
pub fn delete(connection: &Connection, number: i64) -> Outcome<()> {
    connection.prepare_cached(DELETE)?.execute([number])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let whole = Part { posted: Timestamp(-5), extra: Some(b"extra"), body: b"body" };
        let empty = Part { posted: Timestamp(7), extra: Some(b""), body: b"" };
        let mut run = Run::default();
        let indexes = [whole, GONE, empty].map(|part| run.push(part));
        assert_eq!(indexes, [0, 1, 2]);
        assert_eq!(parts(&run.heads, &run.data), Some(vec![whole, GONE, empty]));
        assert_eq!(parts(&run.heads, &run.data[1..]), None);
        assert_eq!(heads_in(&run.heads), Some(3));
        assert_eq!(heads_in(&run.heads[..run.heads.len() - 1]), None);
        let read = Read { parts: parts(&run.heads, &run.data).unwrap() };
        let thinned = without(&read, 0b100);
        assert_eq!(parts(&thinned.heads, &thinned.data), Some(vec![whole, GONE, GONE]));
    }

    #[test]
    fn a_run_is_bounded() {
        let part = Part { posted: Timestamp(1), extra: None, body: b"b" };
        let mut run = Run::default();
        assert!(run.takes(LONG + 1), "the first may be longer");
        run.push(part);
        assert!(run.takes(LONG - 1));
        assert!(!run.takes(LONG));
        (1..MANY).for_each(|_| assert!(run.push(part) < MANY));
        assert!(!run.takes(1));
    }
}
