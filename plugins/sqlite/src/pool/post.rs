//! Storing messages.

use sukkal_plugin_sdk::{Error, ErrorKind, Lane, NewMessage, Place, Post, Posted, QueueRef, Timestamp, millis};

use super::block::{Entry, State};
use super::id::{END_OF_PLACES, LaneKey, block_of, offset_of};
use super::ledger::Ledger;
use super::queue::{self, Queue};
use super::run::{Location, Part};
use super::{body, count, delete, key, lane};
use crate::error::{Fail, Outcome};
use crate::reserve::Leaves;

/// Stores a batch, all or nothing; with it goes what it settles.
pub fn post(ledger: &mut Ledger, queue: &QueueRef, post: &Post) -> Outcome<Posted> {
    ledger.with(queue, |ledger, queue| {
        check_fence(ledger, queue, post)?;
        if let Some(key) = &post.key
            && let Some(places) = key::find(&ledger.connection, queue.id, key, ledger.now)?
        {
            return Ok(Posted { places, repeated: true, ..Posted::default() });
        }
        let first = queue.tally.next_place;
        let next = first.saturating_add(post.messages.len() as u64);
        if next > END_OF_PLACES {
            let message = "the queue has given out all of its places; delete it and make it anew";
            return Err(Fail::Refused(Error::new(ErrorKind::Full, message)));
        }
        let places: Vec<_> = (first..next).map(Place).collect();
        for (lane, place) in &post.settles {
            delete::remove(ledger, queue, *lane, &[*place])?;
        }
        store(ledger, queue, post, &places, post.lane)?;
        if post.outbox && post.lane != Lane::Outbox {
            store(ledger, queue, post, &places, Lane::Outbox)?;
        }
        queue::give_places(ledger, queue, next)?;
        if let Some(key) = &post.key {
            key::keep(&ledger.connection, queue.id, key, &places, ledger.now)?;
        }
        Ok(Posted { places, repeated: false, ..Posted::default() })
    })
}

fn check_fence(ledger: &Ledger, queue: &Queue, post: &Post) -> Outcome<()> {
    if post.settles.is_empty() && post.fence.is_none() {
        return Ok(());
    }
    for lane in Lane::ALL {
        let touched = post.settles.iter().any(|(settled, _)| *settled == lane);
        if touched || (post.settles.is_empty() && post.lane == lane && lane != Lane::Main) {
            lane::check_fence(&ledger.connection, queue.id, lane, post.fence)?;
        }
    }
    Ok(())
}

fn store(ledger: &mut Ledger, queue: &mut Queue, post: &Post, places: &[Place], lane: Lane) -> Outcome<()> {
    // Without messages it only settles.
    if !post.messages.is_empty() {
        ledger.leave(Leaves::All);
    }
    let keys = LaneKey::new(queue.slot, lane);
    for (message, place) in post.messages.iter().zip(places) {
        // Checked against the end of places by the caller.
        let Some(id) = keys.id(*place) else { continue };
        let extra = body::write_extra(None, &message.extensions);
        let now = ledger.now;
        let part = Part { posted: now, extra: extra.as_deref(), body: &message.body };
        let body = ledger.blocks.bodies.add(&ledger.connection, part)?;
        let entry = entry(message, id, now, body);
        let (state, wakes) = (entry.state, entry.wakes());
        ledger.blocks.make(&ledger.connection, block_of(id))?.put(entry, &post.client);
        queue.wake_by(wakes);
        count::added(ledger, queue, lane, state);
        if state == State::Ready {
            queue.stir(block_of(id));
        }
    }
    Ok(())
}

fn entry(message: &NewMessage, id: i64, now: Timestamp, body: Location) -> Entry {
    let delayed = millis(message.delay) > 0;
    Entry {
        offset: offset_of(id),
        state: if delayed { State::Delayed } else { State::Ready },
        client: 0,
        claims: 0,
        expires: now.after(message.ttl),
        ttl: None,
        until: if delayed { now.after(message.delay) } else { Timestamp(0) },
        claim: sukkal_plugin_sdk::ClaimId(0),
        body,
    }
}
