//! A whole queue, page by page, and taking such pages in.

use rusqlite::{Connection, params};
use sukkal_plugin_sdk::{Bytes, Claim, ClaimId, Cursor, Error, Export, Lane, Message, QueueRef, Timestamp, millis};

use super::block::{Entry, State, View};
use super::blocks::Wake;
use super::body::{self, Pick};
use super::id::{END_OF_PLACES, LaneKey, block_of, offset_of};
use super::ledger::Ledger;
use super::queue::{self, Queue};
use super::run::{Location, Part};
use super::snapshot::Snapshot;
use super::{claim_row, count, list};
use crate::error::{Fail, Outcome};
use crate::reserve::Leaves;

pub const BLOCKS: &str = "SELECT key FROM block WHERE key >= ?1 AND key <= ?2 ORDER BY key LIMIT ?3";

/// Blocks of one page: at most 512 messages.
const PAGE: i64 = 8;

/// One page of a queue.
pub fn export(snapshot: &Snapshot<'_>, queue: &QueueRef, from: &Cursor) -> Outcome<Export> {
    let Snapshot { connection, now, .. } = *snapshot;
    let slot = queue::slot(connection, queue)?;
    let tally = connection.prepare_cached(queue::GET_TALLY)?.query_row([slot], queue::tally)?;
    let first = LaneKey::new(slot, Lane::Main).first_block();
    let last = LaneKey::new(slot, Lane::Retry).last_block();
    // A cursor counts from the queue's first block, so that it reaches no other queue's.
    let start = match <[u8; 8]>::try_from(&from[..]) {
        Ok(offset) => first.saturating_add(i64::from_le_bytes(offset).max(0)),
        Err(_) if from.is_empty() => first,
        Err(_) => return Err(Fail::Refused(Error::invalid("the cursor is none of this pool's"))),
    };
    let mut statement = connection.prepare_cached(BLOCKS)?;
    let rows = statement.query_map(params![start, last, PAGE], |row| row.get(0))?;
    let mut keys = rows.collect::<Result<Vec<i64>, _>>()?;
    // The last of the main lane's, before those of the other lanes.
    keys.extend(list::open_block(connection, LaneKey::new(slot, Lane::Main), start)?.map(|(key, _)| key));
    keys.sort_unstable();
    keys.truncate(PAGE as usize);
    let mut picks = Vec::new();
    for key in &keys {
        let Some(block) = list::block(connection, *key)? else { continue };
        let there = block.entries().iter().filter(|entry| entry.view(now) != View::Gone);
        picks.extend(there.map(|entry| Pick::new(*key, &block, entry)));
    }
    let messages = snapshot.messages(picks)?;
    let next = keys.last().filter(|_| keys.len() as i64 >= PAGE).map(|last| (last + 1 - first).to_le_bytes());
    Ok(Export {
        claims: claims(connection, queue, tally.generation, &messages, now)?,
        messages,
        next_place: sukkal_plugin_sdk::Place(tally.next_place),
        next: next.map(|next| Bytes::copy_from_slice(&next)),
        ..Export::default()
    })
}

fn claims(
    connection: &Connection,
    queue: &QueueRef,
    generation: i64,
    messages: &[Message],
    now: Timestamp,
) -> Outcome<Vec<Claim>> {
    let mut ids: Vec<ClaimId> = messages.iter().filter_map(|message| message.claim).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut claims = Vec::with_capacity(ids.len());
    for id in ids {
        let Some(kept) = claim_row::live(connection, queue.id(), generation, id, now)? else { continue };
        claims.push(Claim {
            id,
            renewed: kept.renewed,
            ttl: std::time::Duration::from_millis(u64::try_from(kept.ttl).unwrap_or(0)),
            now,
            messages: Vec::new(),
            extensions: kept.extensions,
        });
    }
    Ok(claims)
}

/// Takes in one page.
pub fn import(ledger: &mut Ledger, queue: &QueueRef, page: &Export) -> Outcome<()> {
    ledger.with(queue, |ledger, queue| {
        let past = |message: &Message| message.place.0 >= END_OF_PLACES;
        if page.messages.iter().any(past) || page.next_place.0 > END_OF_PLACES {
            return Err(Fail::Refused(Error::invalid("the page holds places that this pool cannot have")));
        }
        ledger.leave(Leaves::All);
        // Messages may come into blocks that were passed over.
        queue.passed = Wake::BEFORE_ALL;
        for message in &page.messages {
            import_message(ledger, queue, message)?;
        }
        for claim in &page.claims {
            import_claim(ledger, queue, claim, &page.messages)?;
        }
        if queue.rule.is_some() {
            // Some may have had all the claims that it allows.
            ledger.rechecks.begin(queue.id);
        }
        // What was passed over is looked at anew.
        queue.wake_by(ledger.now);
        let after_last = page.messages.iter().map(|message| message.place.0 + 1).max().unwrap_or(0);
        let next = queue.tally.next_place.max(page.next_place.0).max(after_last);
        queue::give_places(ledger, queue, next)
    })
}

fn import_message(ledger: &mut Ledger, queue: &mut Queue, message: &Message) -> Outcome<()> {
    let Some(id) = LaneKey::new(queue.slot, message.lane).id(message.place) else { return Ok(()) };
    let extra = body::write_extra(message.origin.as_ref(), &message.extensions);
    let part = Part { posted: message.posted, extra: extra.as_deref(), body: &message.body };
    let body = ledger.blocks.bodies.add(&ledger.connection, part)?;
    let entry = entry(message, id, ledger.now, body);
    let state = entry.state;
    queue.wake_by(entry.wakes());
    queue.stir(block_of(id));
    let block = ledger.blocks.make(&ledger.connection, block_of(id))?;
    match block.put(entry, &message.client) {
        Some(before) => count::turned(queue, message.lane, before.state, state),
        None => count::added(ledger, queue, message.lane, state),
    }
    Ok(())
}

fn entry(message: &Message, id: i64, now: Timestamp, body: Location) -> Entry {
    let ttl = millis(message.ttl);
    let natural = message.expires.0.saturating_sub(message.posted.0) == ttl;
    let (state, until) = match message.claim {
        Some(_) => (State::Claimed, message.claimed_until),
        None if message.due > now => (State::Delayed, message.due),
        None => (State::Ready, message.due),
    };
    Entry {
        offset: offset_of(id),
        state,
        client: 0,
        claims: message.claims,
        expires: message.expires,
        ttl: (!natural).then_some(ttl),
        until,
        claim: message.claim.unwrap_or(ClaimId(0)),
        body,
    }
}

fn import_claim(ledger: &mut Ledger, queue: &Queue, claim: &Claim, messages: &[Message]) -> Outcome<()> {
    let held = messages.iter().filter(|message| message.claim == Some(claim.id));
    let mut ends = claim.renewed.after(claim.ttl);
    let mut places = Vec::new();
    for message in held {
        ends = ends.max(message.claimed_until);
        places.push(message.place);
    }
    // A claim can have messages on several pages.
    let before = ledger.claims.get(&ledger.connection, claim.id)?;
    if let Some(before) = before.filter(|before| before.queue == queue.id) {
        ends = ends.max(before.ends);
        places.extend(before.places);
        places.sort_unstable();
        places.dedup();
    }
    let kept = claim_row::Kept {
        queue: queue.id,
        generation: queue.tally.generation,
        renewed: claim.renewed,
        ttl: millis(claim.ttl),
        ends,
        places,
        extensions: claim.extensions.clone(),
    };
    ledger.claims.put(claim.id, kept);
    Ok(())
}
