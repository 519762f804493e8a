//! What never changes of messages that came in one commit, as one row: a run.
//!
//! Runs lie in the order in which they came, whatever the queues of their messages: so a commit
//! writes its bodies side by side at the end of the table, among however many queues they are. A run
//! of some size has pages of its own, all filled, which SQLite sets free without writing them again.

use rusqlite::{Connection, OptionalExtension, Row, params};
use sukkal_plugin_sdk::{Bytes, Timestamp};

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

/// Where the parts of one message lie in the data of its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    posted: Timestamp,
    has_extra: bool,
    begin: usize,
    body: usize,
    end: usize,
}

/// A run that is being put together.
#[derive(Debug, Default)]
pub struct Draft {
    heads: Vec<Head>,
    data: Vec<u8>,
}

impl Draft {
    /// How many messages it has.
    pub fn count(&self) -> u8 {
        self.heads.len() as u8
    }

    /// How many bytes they have.
    pub fn bytes(&self) -> usize {
        self.data.len()
    }

    /// Whether it can take one more message, of so many bytes.
    pub fn takes(&self, bytes: usize) -> bool {
        self.heads.is_empty() || (self.count() < MANY && self.data.len() + bytes <= LONG)
    }

    /// Adds the next message; answers which one it is.
    pub fn push(&mut self, part: Part<'_>) -> u8 {
        let begin = self.data.len();
        self.data.extend_from_slice(part.extra.unwrap_or_default());
        let body = self.data.len();
        self.data.extend_from_slice(part.body);
        let head = Head { posted: part.posted, has_extra: part.extra.is_some(), begin, body, end: self.data.len() };
        self.heads.push(head);
        self.count() - 1
    }

    /// Writes it as a new row; it is empty after that.
    ///
    /// # Errors
    /// The driver's.
    pub fn insert(&mut self, connection: &Connection, number: i64) -> Outcome<Run> {
        let heads = encode(&self.heads);
        connection.prepare_cached(INSERT)?.execute(params![number, heads, self.data])?;
        let run = Run { heads: self.heads.as_slice().into(), data: Bytes::copy_from_slice(&self.data) };
        self.heads.clear();
        self.data.clear();
        // One that a long body made large is not kept so.
        self.data.shrink_to(LONG);
        Ok(run)
    }
}

/// A run as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    heads: Box<[Head]>,
    data: Bytes,
}

impl Run {
    /// Reads a row of [`GET`].
    ///
    /// # Errors
    /// The driver's; `Corrupt`.
    pub fn of_row(row: &Row<'_>) -> Outcome<Run> {
        let blob = |column| row.get_ref(column)?.as_blob().map_err(rusqlite::Error::from);
        let (heads, data) = (blob(0)?, blob(1)?);
        let heads = decode(heads).filter(|heads| heads.last().map_or(0, |last| last.end) == data.len());
        Ok(Run { heads: heads.ok_or(UNREADABLE)?.into(), data: Bytes::copy_from_slice(data) })
    }

    /// A message of it.
    pub fn get(&self, index: u8) -> Option<Part<'_>> {
        let head = self.heads.get(usize::from(index))?;
        let extra = head.has_extra.then(|| &self.data[head.begin..head.body]);
        Some(Part { posted: head.posted, extra, body: &self.data[head.body..head.end] })
    }

    /// The body of a message of it: not a copy, so the whole run stays in memory while it does.
    pub fn body(&self, index: u8) -> Option<Bytes> {
        self.heads.get(usize::from(index)).map(|head| self.data.slice(head.body..head.end))
    }

    /// How many messages it had when it was stored.
    pub fn count(&self) -> u8 {
        self.heads.len() as u8
    }

    /// Whether nothing was taken out of it since it was stored.
    pub fn is_whole(&self) -> bool {
        self.heads.iter().all(|head| head.posted != GONE.posted)
    }

    /// Bytes that it takes up in memory.
    pub fn bytes(&self) -> usize {
        self.data.len() + size_of_val(&*self.heads) + size_of::<Run>()
    }

    /// How many of its bodies are not empty.
    #[cfg(test)]
    pub fn n_kept(&self) -> usize {
        self.heads.iter().filter(|head| head.body < head.end).count()
    }

    fn without(&self, gone: u64) -> Draft {
        let mut draft = Draft::default();
        for index in 0..self.count() {
            let is_gone = gone >> index & 1 == 1;
            draft.push(self.get(index).filter(|_| !is_gone).unwrap_or(GONE));
        }
        draft
    }
}

const UNREADABLE: Fail = Fail::Corrupt("a run of bodies cannot be read");

fn encode(heads: &[Head]) -> Vec<u8> {
    // An instant, and two lengths below 16 KiB, most often.
    let mut out = Vec::with_capacity(heads.len() * 10);
    for head in heads {
        varint::write(&mut out, head.posted.0.cast_unsigned());
        varint::write(&mut out, if head.has_extra { (head.body - head.begin) as u64 + 1 } else { 0 });
        varint::write(&mut out, (head.end - head.body) as u64);
    }
    out
}

fn decode(mut input: &[u8]) -> Option<Vec<Head>> {
    let mut heads = Vec::new();
    let mut begin = 0_usize;
    while !input.is_empty() {
        let posted = Timestamp(varint::read(&mut input)?.cast_signed());
        let extra = varint::read(&mut input)?;
        let body = begin.checked_add(usize::try_from(extra.saturating_sub(1)).ok()?)?;
        let end = body.checked_add(usize::try_from(varint::read(&mut input)?).ok()?)?;
        heads.push(Head { posted, has_extra: extra > 0, begin, body, end });
        begin = end;
    }
    (heads.len() <= usize::from(MANY)).then_some(heads)
}

/// Reads a stored run.
///
/// # Errors
/// The driver's; `Corrupt`.
pub fn get(connection: &Connection, number: i64) -> Outcome<Option<Run>> {
    let run = |row: &Row<'_>| Ok(Run::of_row(row));
    connection.prepare_cached(GET)?.query_row([number], run).optional()?.transpose()
}

/// How many messages a stored run had when it was stored; `None` if there is no such run.
///
/// # Errors
/// The driver's; `Corrupt`.
pub fn count(connection: &Connection, number: i64) -> Outcome<Option<u8>> {
    let of_row = |row: &Row<'_>| Ok(decode(row.get_ref(0)?.as_blob()?).map(|heads| heads.len() as u8));
    let count = connection.prepare_cached(HEADS)?.query_row([number], of_row).optional()?;
    count.map(|count| count.ok_or(UNREADABLE)).transpose()
}

/// Empties the messages of a stored run that are gone, a bit each.
///
/// # Errors
/// The driver's; `Corrupt`.
pub fn thin(connection: &Connection, number: i64, gone: u64) -> Outcome<()> {
    let Some(run) = get(connection, number)? else { return Ok(()) };
    let thinned = run.without(gone);
    connection.prepare_cached(UPDATE)?.execute(params![number, encode(&thinned.heads), thinned.data])?;
    Ok(())
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
        let connection = Connection::open_in_memory().unwrap();
        crate::schema::POOL.apply(&connection).unwrap();
        let whole = Part { posted: Timestamp(-5), extra: Some(b"extra"), body: b"body" };
        let empty = Part { posted: Timestamp(7), extra: Some(b""), body: b"" };
        let mut draft = Draft::default();
        let indexes = [whole, empty].map(|part| draft.push(part));
        assert_eq!(indexes, [0, 1]);
        let run = draft.insert(&connection, 3).unwrap();
        assert_eq!(draft.count(), 0);
        assert_eq!(get(&connection, 3).unwrap().as_ref(), Some(&run));
        assert_eq!([0, 1, 2].map(|index| run.get(index)), [Some(whole), Some(empty), None]);
        assert_eq!(run.body(0).as_deref(), Some(&b"body"[..]));
        assert!(run.is_whole());
        assert_eq!(count(&connection, 3).unwrap(), Some(2));
        thin(&connection, 3, 0b10).unwrap();
        let thinned = get(&connection, 3).unwrap().unwrap();
        assert_eq!([0, 1].map(|index| thinned.get(index)), [Some(whole), Some(GONE)]);
        assert!(!thinned.is_whole());
        assert_eq!(count(&connection, 3).unwrap(), Some(2));
        assert_eq!(get(&connection, 4).unwrap(), None);
    }

    #[test]
    fn what_was_cut_off_is_not_read() {
        let mut draft = Draft::default();
        draft.push(Part { posted: Timestamp(1), extra: None, body: b"body" });
        draft.push(Part { posted: Timestamp(1), extra: Some(b"e"), body: b"b" });
        let written = encode(&draft.heads);
        assert_eq!(decode(&written), Some(draft.heads.clone()));
        assert_eq!(decode(&written[..written.len() - 1]), None);
        let connection = Connection::open_in_memory().unwrap();
        crate::schema::POOL.apply(&connection).unwrap();
        connection.prepare(INSERT).unwrap().execute(params![1, written, &draft.data[1..]]).unwrap();
        assert!(get(&connection, 1).is_err());
    }

    #[test]
    fn a_run_is_bounded() {
        let part = Part { posted: Timestamp(1), extra: None, body: b"b" };
        let mut draft = Draft::default();
        assert!(draft.takes(LONG + 1), "the first may be longer");
        draft.push(part);
        assert!(draft.takes(LONG - 1));
        assert!(!draft.takes(LONG));
        (1..MANY).for_each(|_| assert!(draft.push(part) < MANY));
        assert!(!draft.takes(1));
    }
}
