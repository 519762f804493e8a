//! The lanes beside the main one: who works them, and where there is work.

use rusqlite::{Connection, OptionalExtension, Row, params};
use sukkal_plugin_sdk::store::refusal;
use sukkal_plugin_sdk::{Error, KnownQueue, Lane, Lease, Leased, QueueId, QueueRef, Timestamp};

use super::id::queue_key;
use super::ledger::Ledger;
use super::queue;
use super::snapshot::Snapshot;
use crate::error::{Fail, Outcome};

pub const GET: &str = "SELECT holder, fence, until FROM lease WHERE queue = ?1 AND lane = ?2";
pub const PUT: &str = "INSERT OR REPLACE INTO lease (queue, lane, holder, fence, until) VALUES (?1, ?2, ?3, ?4, ?5)";
// A queue is named once, however many of its blocks are due.
pub const DUE: &str = "SELECT q.id, q.epoch, q.label FROM queue AS q \
    JOIN (SELECT DISTINCT key >> 36 AS slot FROM block WHERE (key >> 34) & 3 = ?1 AND avail <= ?2) AS b \
    ON q.slot = b.slot WHERE q.dropping = 0 AND q.id > ?3 ORDER BY q.id LIMIT ?4";

struct Held {
    holder: String,
    fence: i64,
    until: Timestamp,
}

fn held(row: &Row<'_>) -> rusqlite::Result<Held> {
    Ok(Held { holder: row.get(0)?, fence: row.get(1)?, until: Timestamp(row.get(2)?) })
}

fn get(connection: &Connection, queue: QueueId, lane: Lane) -> Outcome<Option<Held>> {
    let mut statement = connection.prepare_cached(GET)?;
    Ok(statement.query_row(params![queue_key(queue), lane.code()], held).optional()?)
}

/// Refuses who works a lane under a lease that is no longer theirs. One that has merely run out,
/// and that nobody has taken since, still holds.
///
/// # Errors
/// `Invalid`: no fence. `Stale`: an older one, or one that was given up. The driver's.
pub fn check_fence(connection: &Connection, queue: QueueId, lane: Lane, fence: Option<u64>) -> Outcome<()> {
    let fence = fence.ok_or_else(refusal::no_fence)?;
    let valid = get(connection, queue, lane)?
        .is_some_and(|held| held.fence.cast_unsigned() == fence && !held.holder.is_empty());
    if valid { Ok(()) } else { Err(Fail::Refused(refusal::old_fence())) }
}

/// Takes, renews or gives up the lease of a lane.
pub fn lease(ledger: &mut Ledger, queue: &QueueRef, lease: &Lease) -> Outcome<Option<Leased>> {
    if lease.holder.is_empty() {
        return Err(Fail::Refused(Error::invalid("a lease needs a holder")));
    }
    ledger.with(queue, |ledger, queue| {
        let now = ledger.now;
        let held = get(&ledger.connection, queue.id, lease.lane)?;
        let own = held.as_ref().is_some_and(|held| held.holder == lease.holder);
        let free = held.as_ref().is_none_or(|held| held.holder.is_empty() || held.until <= now);
        if !own && !free {
            return Ok(None);
        }
        let last = held.map_or(0, |held| held.fence);
        let gives_up = lease.ttl.is_zero();
        if gives_up && !own {
            return Ok(None);
        }
        let fence = if own { last } else { last + 1 };
        let until = now.after(lease.ttl);
        let holder = if gives_up { "" } else { lease.holder.as_str() };
        let row = params![queue_key(queue.id), lease.lane.code(), holder, fence, until.0];
        ledger.connection.prepare_cached(PUT)?.execute(row)?;
        Ok(Some(Leased { fence: fence.cast_unsigned(), until }))
    })
}

/// Queues in which something of a lane is due.
pub fn due(snapshot: &Snapshot<'_>, lane: Lane, after: Option<QueueId>, limit: u32) -> Outcome<Vec<KnownQueue>> {
    // The queue of id 0 has the lowest key and would be left out; nobody draws that id.
    let after = after.map_or(i64::MIN, queue_key);
    let mut statement = snapshot.connection.prepare_cached(DUE)?;
    let queues = statement.query_map(params![lane.code(), snapshot.now.0, after, limit], queue::known)?;
    Ok(queues.collect::<Result<_, _>>()?)
}
