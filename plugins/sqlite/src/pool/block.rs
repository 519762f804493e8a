//! The states of the messages at 64 neighbouring places of a lane.
//!
//! A message's body never changes, its state does: ready, delayed, claimed, exhausted. Kept apart and
//! side by side, the states of 64 messages are one small row: claiming ten messages rewrites one
//! row and no index, and so does freeing or deleting them. A block knows when the first thing in it
//! falls due, so that one index over blocks finds expired messages, ended claims and passed delays.

use sukkal_plugin_sdk::{ClaimId, Lane, Timestamp};

use super::id::LAST_OFFSET;
use super::run::Location;
use super::varint::{byte, bytes, read, read_signed, write, write_signed};
use crate::error::{Fail, Outcome};

/// The form in which blocks are written; a reader refuses others.
const FORM: u8 = 2;
/// Rows are as long as a multiple of so many bytes; the rest is zeros. A message takes some eight.
const STEP: usize = 64;

/// What a message is at present, as it was last written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Available.
    Ready,
    /// Held by a claim until `until`.
    Claimed,
    /// Hidden until `until`.
    Delayed,
    /// Has used up its claims; its move is tried at `until`, which is its end once it is stuck (`recheck.rs`).
    Exhausted,
}

/// What a message is at an instant, whatever was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Expired: not there.
    Gone,
    /// Neither hidden nor held. It may have used up its claims.
    Free,
    /// Held by a live claim.
    Claimed,
    /// Hidden by a delay.
    Delayed,
}

/// One message of a block.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Where in the block.
    pub offset: u8,
    /// As it was last written; see [`Entry::view`].
    pub state: State,
    /// The client that posted it: an index into the block's.
    pub client: u8,
    /// How often it was claimed.
    pub claims: u32,
    /// When it ends.
    pub expires: Timestamp,
    /// Its life in ms, where that is not from its post to its end.
    pub ttl: Option<i64>,
    /// Until when the state lasts; once passed, kept for a delay alone.
    pub until: Timestamp,
    /// The claim, where the state is `Claimed`.
    pub claim: ClaimId,
    /// Where its body lies.
    pub body: Location,
}

impl Entry {
    /// What the message is at an instant.
    pub fn view(&self, now: Timestamp) -> View {
        match self.state {
            _ if self.expires <= now => View::Gone,
            State::Claimed if self.until > now => View::Claimed,
            State::Delayed if self.until > now => View::Delayed,
            State::Ready | State::Exhausted | State::Claimed | State::Delayed => View::Free,
        }
    }

    /// Whether a live claim holds it, and this one.
    pub fn held_by(&self, claim: ClaimId, now: Timestamp) -> bool {
        self.view(now) == View::Claimed && self.claim == claim
    }

    /// When the next thing happens to it by itself.
    pub fn wakes(&self) -> Timestamp {
        match self.state {
            State::Ready => self.expires,
            State::Claimed | State::Delayed | State::Exhausted => self.expires.min(self.until),
        }
    }
}

/// What the table's columns say of the messages of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// 1: holds ready messages; 2: none, but exhausted ones; 0: neither.
    pub ready: i64,
    /// When the first thing in it falls due.
    pub wakes: Timestamp,
    /// Of other lanes than the main one: from when on something in it is ready.
    pub avail: Option<Timestamp>,
}

/// The messages at 64 neighbouring places.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
    entries: Vec<Entry>,
    clients: Vec<Box<str>>,
    /// Where bodies lie whose messages were taken out. Not written: it is made known at once.
    gone: Vec<Location>,
    /// How long its row is.
    length: usize,
}

impl Block {
    /// Its messages, in the order of their places.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Its messages, to change; not their offsets.
    pub fn entries_mut(&mut self) -> &mut [Entry] {
        &mut self.entries
    }

    /// The message at an offset.
    pub fn get(&self, offset: u8) -> Option<&Entry> {
        self.position(offset).ok().map(|index| &self.entries[index])
    }

    /// The message at an offset, to change.
    pub fn get_mut(&mut self, offset: u8) -> Option<&mut Entry> {
        self.position(offset).ok().map(|index| &mut self.entries[index])
    }

    /// Takes out the messages at some offsets, a bit each; see [`Block::take_gone`].
    pub fn remove(&mut self, offsets: u64) -> Vec<Entry> {
        let removed = self.entries.extract_if(.., |entry| offsets >> entry.offset & 1 == 1);
        let removed: Vec<_> = removed.collect();
        self.gone.extend(removed.iter().map(|entry| entry.body));
        removed
    }

    /// Where the bodies lie whose messages have been taken out since this was asked last.
    pub fn take_gone(&mut self) -> Vec<Location> {
        std::mem::take(&mut self.gone)
    }

    /// Puts in a message; gives back the one that was there.
    pub fn put(&mut self, mut entry: Entry, client: &str) -> Option<Entry> {
        entry.client = self.client_index(client);
        match self.position(entry.offset) {
            Ok(index) => {
                let before = std::mem::replace(&mut self.entries[index], entry);
                self.gone.push(before.body);
                Some(before)
            }
            Err(index) => {
                self.entries.insert(index, entry);
                None
            }
        }
    }

    /// The client that posted a message of this block.
    pub fn client(&self, entry: &Entry) -> &str {
        self.clients.get(usize::from(entry.client)).map_or("", |client| client)
    }

    /// What the table's columns must say.
    pub fn summary(&self, lane: Lane) -> Summary {
        let has = |state| self.entries.iter().any(|entry| entry.state == state);
        let ready = if has(State::Ready) { 1 } else { i64::from(has(State::Exhausted)) * 2 };
        let wakes = self.entries.iter().map(Entry::wakes).min().unwrap_or(Timestamp::MAX);
        let due = |entry: &Entry| if entry.state == State::Delayed { entry.until } else { Timestamp(0) };
        let avail = if lane == Lane::Main { None } else { self.entries.iter().map(due).min() };
        Summary { ready, wakes, avail }
    }

    fn position(&self, offset: u8) -> Result<usize, usize> {
        // Most often it is the next one, or nothing is missing before it.
        match self.entries.last() {
            Some(last) if last.offset < offset => Err(self.entries.len()),
            None => Err(0),
            Some(_) => self.entries.binary_search_by_key(&offset, |entry| entry.offset),
        }
    }

    fn client_index(&mut self, client: &str) -> u8 {
        // At most one a place, so the index fits.
        let found = self.clients.iter().rposition(|known| &**known == client);
        let index = found.unwrap_or_else(|| {
            self.clients.push(client.into());
            self.clients.len() - 1
        });
        u8::try_from(index).unwrap_or(u8::MAX)
    }
}

const HAS_TTL: u8 = 4;
const HAS_CLAIMS: u8 = 8;
const HAS_UNTIL: u8 = 16;

impl Block {
    /// Writes it in the table's form, as long as its row is, or longer if need be: SQLite writes a
    /// row of the same length where the old one lies, and one that outgrows a full page costs three.
    pub fn encode(&mut self, out: &mut Vec<u8>) {
        self.encode_all(out);
        if out.len() > self.length {
            self.length = out.len().next_multiple_of(STEP);
        }
        out.resize(self.length, 0);
    }

    /// The same for a row that is made only now, with some room to grow: claims take some.
    pub fn encode_new(&mut self, out: &mut Vec<u8>) {
        self.encode_all(out);
        self.length = (out.len() + out.len() / 2).next_multiple_of(STEP);
        out.resize(self.length, 0);
    }

    fn encode_all(&self, out: &mut Vec<u8>) {
        out.clear();
        out.push(FORM);
        write(out, self.clients.len() as u64);
        for client in &self.clients {
            write(out, client.len() as u64);
            out.extend_from_slice(client.as_bytes());
        }
        let mut holds: Vec<Hold> = Vec::new();
        for hold in self.entries.iter().filter_map(Hold::of) {
            if !holds.contains(&hold) {
                holds.push(hold);
            }
        }
        write(out, holds.len() as u64);
        for hold in &holds {
            out.extend_from_slice(&hold.claim.0.to_le_bytes());
            write(out, hold.until.0.cast_unsigned());
        }
        write(out, self.entries.len() as u64);
        let (mut run, mut expires) = (0, 0);
        for entry in &self.entries {
            encode_entry(entry, &holds, out);
            // Neighbours were stored together, or soon one after the other, and mostly for as long.
            write_signed(out, entry.expires.0.wrapping_sub(expires));
            write_signed(out, entry.body.run.wrapping_sub(run));
            out.push(entry.body.index);
            (run, expires) = (entry.body.run, entry.expires.0);
        }
    }

    /// Reads what [`Block::encode`] wrote.
    ///
    /// # Errors
    /// `Corrupt`: it is nothing of the kind.
    pub fn decode(data: &[u8]) -> Outcome<Block> {
        decode(data).ok_or(Fail::Corrupt("a block of message states cannot be read"))
    }
}

/// What messages that were claimed together have alike.
#[derive(Clone, Copy, PartialEq)]
struct Hold {
    claim: ClaimId,
    until: Timestamp,
}

impl Hold {
    /// That of a message, if it is claimed.
    fn of(entry: &Entry) -> Option<Hold> {
        (entry.state == State::Claimed).then_some(Hold { claim: entry.claim, until: entry.until })
    }
}

fn encode_entry(entry: &Entry, holds: &[Hold], out: &mut Vec<u8>) {
    let mut flags = match entry.state {
        State::Ready => 0,
        State::Claimed => 1,
        State::Delayed => 2,
        State::Exhausted => 3,
    };
    let hold = Hold::of(entry);
    let has_until = hold.is_none() && entry.until.0 != 0;
    flags |= if entry.ttl.is_some() { HAS_TTL } else { 0 };
    flags |= if entry.claims > 0 { HAS_CLAIMS } else { 0 };
    flags |= if has_until { HAS_UNTIL } else { 0 };
    out.extend_from_slice(&[entry.offset, flags, entry.client]);
    if let Some(ttl) = entry.ttl {
        write(out, ttl.cast_unsigned());
    }
    if entry.claims > 0 {
        write(out, entry.claims.into());
    }
    if has_until {
        write(out, entry.until.0.cast_unsigned());
    }
    if let Some(hold) = hold {
        let index = holds.iter().position(|known| *known == hold).unwrap_or(0);
        write(out, index as u64);
    }
}

fn decode(mut data: &[u8]) -> Option<Block> {
    let input = &mut data;
    if byte(input)? != FORM {
        return None;
    }
    let mut block = Block { length: input.len() + 1, ..Block::default() };
    for _ in 0..read(input)? {
        let length = usize::try_from(read(input)?).ok()?;
        block.clients.push(std::str::from_utf8(bytes(input, length)?).ok()?.into());
    }
    let mut holds = Vec::new();
    for _ in 0..read(input)? {
        let id: [u8; 16] = bytes(input, 16)?.try_into().ok()?;
        let until = Timestamp(read(input)?.cast_signed());
        holds.push(Hold { claim: ClaimId(u128::from_le_bytes(id)), until });
    }
    let length = usize::try_from(read(input)?).ok().filter(|length| *length <= 64)?;
    block.entries.reserve_exact(length);
    let (mut run, mut expires) = (0_i64, 0_i64);
    for _ in 0..length {
        let mut entry = decode_entry(input, &holds)?;
        expires = expires.wrapping_add(read_signed(input)?);
        entry.expires = Timestamp(expires);
        run = run.wrapping_add(read_signed(input)?);
        entry.body = Location { run, index: byte(input)? };
        block.entries.push(entry);
    }
    data.iter().all(|byte| *byte == 0).then_some(block)
}

/// Reads all of an entry but when it ends and where its body lies.
fn decode_entry(input: &mut &[u8], holds: &[Hold]) -> Option<Entry> {
    let (offset, flags, client) = (byte(input)?, byte(input)?, byte(input)?);
    if offset > LAST_OFFSET {
        return None;
    }
    let state = match flags & 3 {
        0 => State::Ready,
        1 => State::Claimed,
        2 => State::Delayed,
        _ => State::Exhausted,
    };
    let ttl = if flags & HAS_TTL != 0 { Some(read(input)?.cast_signed()) } else { None };
    let count = if flags & HAS_CLAIMS != 0 { u32::try_from(read(input)?).ok()? } else { 0 };
    let until = if flags & HAS_UNTIL != 0 { Timestamp(read(input)?.cast_signed()) } else { Timestamp(0) };
    let Hold { claim, until } = match state {
        State::Claimed => *holds.get(usize::try_from(read(input)?).ok()?)?,
        State::Ready | State::Delayed | State::Exhausted => Hold { claim: ClaimId(0), until },
    };
    let (expires, body) = (Timestamp(0), Location::default());
    Some(Entry { offset, state, client, claims: count, expires, ttl, until, claim, body })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entries() -> impl Strategy<Value = Vec<(Entry, String)>> {
        let state = prop_oneof![Just(State::Ready), Just(State::Claimed), Just(State::Delayed), Just(State::Exhausted)];
        let entry = (0_u8..64, state, any::<u32>(), any::<i64>(), any::<Option<i64>>(), any::<i64>(), any::<u128>());
        let body = (any::<i64>(), any::<u8>()).prop_map(|(run, index)| Location { run, index });
        let entry = (entry, body, "[a-zé]{0,40}").prop_map(|(entry, body, client)| {
            let (offset, state, claims, expires, ttl, until, claim) = entry;
            let claim = ClaimId(if state == State::Claimed { claim } else { 0 });
            let (expires, until) = (Timestamp(expires), Timestamp(until));
            (Entry { offset, state, client: 0, claims, expires, ttl, until, claim, body }, client)
        });
        prop::collection::vec(entry, 0..64)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(entries in entries(), gone in prop::collection::vec(0_u8..64, 0..64)) {
            let mut block = Block::default();
            for (entry, client) in entries {
                let offset = entry.offset;
                block.put(entry, &client);
                let put = block.get(offset).unwrap();
                prop_assert_eq!(block.client(put), client);
            }
            block.take_gone();
            let removed = block.remove(gone.iter().fold(0, |offsets, offset| offsets | 1 << offset));
            prop_assert!(removed.iter().all(|entry| gone.contains(&entry.offset)));
            prop_assert!(gone.iter().all(|offset| block.get(*offset).is_none()));
            let bodies: Vec<_> = removed.iter().map(|entry| entry.body).collect();
            prop_assert_eq!(block.take_gone(), bodies);
            let mut data = Vec::new();
            block.encode(&mut data);
            prop_assert_eq!(Block::decode(&data).unwrap(), block);
        }

        #[test]
        fn no_bytes_make_it_panic(data in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Block::decode(&data);
        }
    }

    #[test]
    fn a_state_that_has_passed_is_seen_as_what_comes_after() {
        let mut entry = Entry {
            offset: 0,
            state: State::Claimed,
            client: 0,
            claims: 1,
            expires: Timestamp(100),
            ttl: None,
            until: Timestamp(50),
            claim: ClaimId(7),
            body: Location::default(),
        };
        assert_eq!(entry.view(Timestamp(49)), View::Claimed);
        assert_eq!(entry.view(Timestamp(50)), View::Free);
        assert_eq!(entry.view(Timestamp(100)), View::Gone);
        entry.state = State::Delayed;
        assert_eq!(entry.view(Timestamp(49)), View::Delayed);
        assert_eq!(entry.wakes(), Timestamp(50));
    }
}
