//! Headers: what the pool keeps of a queue, and who may act on it.

use rusqlite::{Connection, OptionalExtension, Row, params};
use sukkal_plugin_sdk::store::refusal;
use sukkal_plugin_sdk::{
    Bytes, DeadLetterRule, Error, ErrorKind, Extensions, Header, KnownQueue, Lane, QueueId, QueueRef, Timestamp, millis,
};

use super::block::Block;
use super::blocks::{Blocks, Wake};
use super::id::{END_OF_SLOTS, LaneKey, queue_id, queue_key};
use super::ledger::Ledger;
use super::{front, open};
use crate::error::{Fail, Outcome};
use crate::reserve::Leaves;

pub const GET: &str = "SELECT slot, epoch, dropping, label, dead_queue, dead_epoch, dead_placement, dead_claims, \
    dead_ttl, extensions FROM queue WHERE id = ?1";
pub const GET_TALLY: &str =
    "SELECT next_place, total, claimed, exhausted, generation, wakes, beside, open FROM tally WHERE slot = ?1";
pub const CHECK: &str = "SELECT slot, epoch, dropping FROM queue WHERE id = ?1";
pub const PUT: &str = "INSERT OR REPLACE INTO queue (id, slot, epoch, dropping, label, dead_queue, dead_epoch, \
    dead_placement, dead_claims, dead_ttl, extensions) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
pub const PUT_TALLY: &str = "INSERT INTO tally (slot, next_place, total, claimed, exhausted, generation, wakes, \
    beside, open) VALUES (?1, 1, 0, 0, 0, 0, 9223372036854775807, 0, ?2)";
pub const FREE_SLOT: &str = "SELECT slot FROM free_slot ORDER BY slot LIMIT 1";
pub const TAKE_SLOT: &str = "DELETE FROM free_slot WHERE slot = ?1";
pub const IN_SLOT: &str = "SELECT id FROM queue WHERE slot = ?1";
pub const LAST_SLOT: &str = "SELECT slot FROM queue ORDER BY slot DESC LIMIT 1";
pub const KNOWN: &str = "SELECT id, epoch, label FROM queue WHERE id > ?1 ORDER BY id LIMIT ?2";
pub const KNOWN_FIRST: &str = "SELECT id, epoch, label FROM queue ORDER BY id LIMIT ?1";

/// A queue as the writer has it in memory.
#[derive(Clone, Debug)]
pub struct Queue {
    pub id: QueueId,
    pub slot: u32,
    pub epoch: u64,
    pub dropping: bool,
    pub label: Bytes,
    pub rule: Option<Box<DeadLetterRule>>,
    pub tally: Tally,
    /// `tally.wakes` as of the last commit.
    pub known_wakes: Timestamp,
    /// No message of the main lane that can be claimed lies in a block before this one.
    pub head: i64,
    /// The blocks at its front, the last claimed from last; some may have gone from there.
    pub front: Vec<i64>,
    /// Nothing falls due before that a claim must know of: all but what has been passed over.
    pub stirs: Timestamp,
    /// Up to where the blocks of the main lane, in the order in which they fall due, hold nothing but
    /// messages that have expired. They wait for the sweep.
    pub passed: Wake,
    /// The tally differs from the table's.
    pub changed: bool,
    /// Something has become available in this transaction.
    pub stirred: bool,
}

/// The counts of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    pub next_place: u64,
    pub total: i64,
    pub claimed: i64,
    pub exhausted: i64,
    pub generation: i64,
    pub wakes: Timestamp,
    /// Messages in other lanes than the main one.
    pub beside: i64,
}

impl Tally {
    /// A new queue's.
    const NEW: Tally =
        Tally { next_place: 1, total: 0, claimed: 0, exhausted: 0, generation: 0, wakes: Timestamp::MAX, beside: 0 };
}

impl Queue {
    /// Notes that something falls due then.
    pub fn wake_by(&mut self, at: Timestamp) {
        self.stirs = self.stirs.min(at);
        if at < self.tally.wakes {
            self.tally.wakes = at;
            self.changed = true;
        }
    }

    /// Notes that something has become available in a block.
    pub fn stir(&mut self, block: i64) {
        self.stirred = true;
        self.head = self.head.min(block);
    }

    /// Whether something that has expired was passed over and waits for the sweep.
    pub fn has_passed(&self) -> bool {
        self.passed != Wake::BEFORE_ALL
    }

    /// The key of its open block.
    pub fn open_block(&self) -> i64 {
        open::key(self.slot, self.tally.next_place)
    }

    /// The dead letter rule of a queue.
    pub fn rule_of(connection: &Connection, id: QueueId) -> Outcome<Option<Box<DeadLetterRule>>> {
        let queue = connection.prepare_cached(GET)?.query_row([queue_key(id)], |row| of_row(id, row)).optional()?;
        Ok(queue.and_then(|queue| queue.rule))
    }

    /// Reads a queue, and its open block with it.
    pub fn load(connection: &Connection, blocks: &mut Blocks, id: QueueId) -> Outcome<Option<Queue>> {
        let queue = connection.prepare_cached(GET)?.query_row([queue_key(id)], |row| of_row(id, row)).optional()?;
        let Some(mut queue) = queue else { return Ok(None) };
        let mut statement = connection.prepare_cached(GET_TALLY)?;
        let mut rows = statement.query([queue.slot])?;
        let row = rows.next()?.ok_or(Fail::Corrupt("a queue has no counts"))?;
        queue.tally = tally(row)?;
        let open = row.get_ref(7)?.as_blob().map_err(rusqlite::Error::from)?;
        blocks.adopt(queue.open_block(), Block::decode(open)?);
        queue.known_wakes = queue.tally.wakes;
        queue.stirs = queue.tally.wakes;
        queue.front = front::keys(connection, LaneKey::new(queue.slot, Lane::Main))?;
        Ok(Some(queue))
    }
}

/// Reads the columns of [`GET_TALLY`].
pub fn tally(row: &Row<'_>) -> rusqlite::Result<Tally> {
    Ok(Tally {
        next_place: row.get::<_, i64>(0)?.cast_unsigned(),
        total: row.get(1)?,
        claimed: row.get(2)?,
        exhausted: row.get(3)?,
        generation: row.get(4)?,
        wakes: Timestamp(row.get(5)?),
        beside: row.get(6)?,
    })
}

fn of_row(id: QueueId, row: &Row<'_>) -> rusqlite::Result<Queue> {
    let rule = match row.get::<_, Option<i64>>(4)? {
        None => None,
        Some(queue) => {
            let placement: Vec<u8> = row.get::<_, Option<_>>(6)?.unwrap_or_default();
            let epoch = row.get::<_, Option<i64>>(5)?.unwrap_or(0).cast_unsigned();
            let ttl = row.get::<_, Option<i64>>(8)?.and_then(|ttl| u64::try_from(ttl).ok());
            Some(Box::new(DeadLetterRule {
                queue: QueueRef::new(queue_id(queue), epoch, placement),
                max_claims: row.get::<_, Option<u32>>(7)?.unwrap_or(u32::MAX),
                ttl: ttl.map(std::time::Duration::from_millis),
            }))
        }
    };
    Ok(Queue {
        id,
        slot: row.get(0)?,
        epoch: row.get::<_, i64>(1)?.cast_unsigned(),
        dropping: row.get(2)?,
        label: row.get::<_, Vec<u8>>(3)?.into(),
        rule,
        tally: Tally::NEW,
        known_wakes: Timestamp::MAX,
        head: 0,
        front: Vec::new(),
        stirs: Timestamp::MAX,
        passed: Wake::BEFORE_ALL,
        changed: false,
        stirred: false,
    })
}

/// The slot of a queue that a reader may look into.
///
/// # Errors
/// `Gone`, `Stale`; the driver's.
pub fn slot(connection: &Connection, queue: &QueueRef) -> Outcome<u32> {
    let mut statement = connection.prepare_cached(CHECK)?;
    let mut rows = statement.query([queue_key(queue.id())])?;
    let row = rows.next()?.ok_or_else(refusal::gone)?;
    refusal::admit(queue, row.get::<_, i64>(1)?.cast_unsigned(), row.get(2)?)?;
    Ok(row.get(0)?)
}

/// Lets pass who may look into a queue, and everybody where it is being dropped.
///
/// # Errors
/// `Gone`, `Stale`; the driver's.
pub fn check_or_dropping(connection: &Connection, queue: &QueueRef) -> Outcome<()> {
    let mut statement = connection.prepare_cached(CHECK)?;
    let mut rows = statement.query([queue_key(queue.id())])?;
    let row = rows.next()?.ok_or_else(refusal::gone)?;
    if !row.get(2)? {
        refusal::admit(queue, row.get::<_, i64>(1)?.cast_unsigned(), false)?;
    }
    Ok(())
}

/// Says that all places before this one are given out; their messages are in their blocks by now.
///
/// # Errors
/// The driver's; `Corrupt`.
pub fn give_places(ledger: &mut Ledger, queue: &mut Queue, next: u64) -> Outcome<()> {
    let before = queue.open_block();
    queue.tally.next_place = next;
    queue.changed = true;
    let open = queue.open_block();
    if before != open {
        ledger.blocks.close(&ledger.connection, before)?;
        ledger.blocks.open(&ledger.connection, open)?;
    }
    Ok(())
}

/// Makes or replaces a header.
pub fn configure(ledger: &mut Ledger, id: QueueId, header: &Header) -> Outcome<()> {
    let known = ledger.take(id)?;
    if let Some(known) = &known
        && known.epoch > header.epoch
    {
        ledger.put_back(known.clone());
        return Err(Fail::Refused(refusal::old_epoch()));
    }
    let slot = match &known {
        Some(known) => known.slot,
        None => new_slot(&ledger.connection)?,
    };
    store(&ledger.connection, id, slot, header)?;
    let Some(mut queue) = known else {
        // Dropping must go on when the file is full, and ends with the room given back.
        ledger.leave(if header.dropping { Leaves::Nothing } else { Leaves::All });
        ledger.connection.prepare_cached(PUT_TALLY)?.execute(params![slot, open::empty()])?;
        ledger.total(1, 0);
        return Ok(());
    };
    queue.epoch = header.epoch;
    queue.dropping = header.dropping;
    // Who waits looks, and finds that it is gone.
    queue.stirred |= header.dropping;
    queue.label = header.label.clone();
    if queue.rule.as_deref() != header.dead_letter.as_ref() {
        queue.rule = header.dead_letter.clone().map(Box::new);
        if queue.tally.total > 0 {
            // What could not move may do so now, or may be claimed again; and others may have used up their claims.
            ledger.rechecks.begin(id);
            queue.wake_by(ledger.now);
        }
    }
    ledger.put_back(queue);
    Ok(())
}

fn store(connection: &Connection, id: QueueId, slot: u32, header: &Header) -> Outcome<()> {
    let rule = header.dead_letter.as_ref();
    connection.prepare_cached(PUT)?.execute(params![
        queue_key(id),
        slot,
        header.epoch.cast_signed(),
        header.dropping,
        &header.label[..],
        rule.map(|rule| queue_key(rule.queue.id())),
        rule.map(|rule| rule.queue.epoch().cast_signed()),
        rule.map(|rule| rule.queue.placement()),
        rule.map(|rule| rule.max_claims),
        rule.and_then(|rule| rule.ttl).map(millis),
        extensions(&header.extensions),
    ])?;
    Ok(())
}

/// The column form of extensions: null for none.
pub fn extensions(extensions: &Extensions) -> Option<Vec<u8>> {
    (!extensions.is_empty()).then(|| extensions.to_bytes())
}

fn new_slot(connection: &Connection) -> Outcome<u32> {
    if let Some(slot) = connection.prepare_cached(FREE_SLOT)?.query_row([], |row| row.get(0)).optional()? {
        connection.prepare_cached(TAKE_SLOT)?.execute([slot])?;
        return Ok(slot);
    }
    let last: Option<u32> = connection.prepare_cached(LAST_SLOT)?.query_row([], |row| row.get(0)).optional()?;
    let next = last.map_or(0, |last| last + 1);
    if next >= END_OF_SLOTS {
        return Err(Fail::Refused(Error::new(ErrorKind::Full, "the pool's file holds all the queues that it can")));
    }
    Ok(next)
}

/// The queue in a slot, if there is one.
///
/// # Errors
/// The driver's.
pub fn in_slot(connection: &Connection, slot: u32) -> Outcome<Option<QueueId>> {
    let id = connection.prepare_cached(IN_SLOT)?.query_row([slot], |row| row.get(0)).optional()?;
    Ok(id.map(queue_id))
}

/// The queues that have headers, by id.
pub fn list(connection: &Connection, after: Option<QueueId>, limit: u32) -> Outcome<Vec<KnownQueue>> {
    let known = |row: &Row<'_>| known(row);
    let queues = match after {
        None => connection.prepare_cached(KNOWN_FIRST)?.query_map([limit], known)?.collect::<Result<_, _>>()?,
        Some(after) => connection
            .prepare_cached(KNOWN)?
            .query_map(params![queue_key(after), limit], known)?
            .collect::<Result<_, _>>()?,
    };
    Ok(queues)
}

/// Reads the columns id, epoch, label.
pub fn known(row: &Row<'_>) -> rusqlite::Result<KnownQueue> {
    let epoch = row.get::<_, i64>(1)?.cast_unsigned();
    Ok(KnownQueue {
        queue: QueueRef::new(queue_id(row.get(0)?), epoch, Bytes::new()),
        label: row.get::<_, Vec<u8>>(2)?.into(),
        extensions: Extensions::new(),
    })
}
