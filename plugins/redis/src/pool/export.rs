//! A whole queue, page by page, and taking such pages in.

use std::collections::HashMap;

use sukkal_plugin_sdk::{
    Bytes, Call, Claim, ClaimId, Cursor, Error, Export, Lane, Message, Place, QueueRef, Result, Timestamp,
};

use super::shared::Shared;
use crate::error;
use crate::record::{self, NEVER, claim_key, ms};
use crate::script::SCRIPTS;

/// Messages of one page.
const PAGE: u64 = 200;

impl Shared {
    /// One page of the queue.
    ///
    /// # Errors
    /// `Invalid`: a cursor of another pool.
    pub async fn export(&self, call: &Call, queue: &QueueRef, from: &Cursor) -> Result<Export> {
        let (lane, after) = position(from)?;
        let request = self.on(&SCRIPTS.export, queue)?.arg(lane.code()).arg(after).arg(PAGE);
        let mut reply = self.server.run(call, request).await?;
        let (now, last, count) = (Timestamp(reply.int()?), reply.count()?, reply.count()?);
        let (mut messages, mut at) = (Vec::new(), None);
        for _ in 0..count {
            let place = reply.place()?;
            let (record, state) = (reply.bytes()?, reply.bytes()?);
            at = Some(place);
            // A post that broke off has left its places without records.
            let Some(record) = record else { continue };
            messages.extend(record::message(place, lane, record, state.as_ref(), now)?);
        }
        let mut claims = Vec::new();
        while !reply.is_empty() {
            let id = reply.bytes()?.as_ref().and_then(record::claim_id);
            let id = id.ok_or_else(|| error::unexpected("no claim"))?;
            if let Some(kept) = reply.bytes()? {
                claims.push(record::claim(id, kept, now)?);
            }
        }
        let next = match at {
            Some(place) if count == PAGE => Some(cursor(lane, place.0 as i64)),
            _ => Lane::ALL.get(lane.code() as usize + 1).map(|lane| cursor(*lane, -1)),
        };
        Ok(Export { messages, claims, next_place: Place(last + 1), next, ..Export::default() })
    }

    /// Takes in one page. What is there already stays as it is.
    ///
    /// # Errors
    /// `Invalid`: a place that this pool cannot have. `Full`: nothing is taken in.
    pub async fn import(&self, call: &Call, queue: &QueueRef, page: Export) -> Result<()> {
        let last = page.messages.iter().map(|message| message.place.0).max().unwrap_or(0);
        let last = last.max(page.next_place.0.saturating_sub(1));
        if last >= NEVER {
            return Err(Error::invalid("the page holds places that this pool cannot have"));
        }
        let now = self.server.host().now();
        let mut request = self.on(&SCRIPTS.import, queue)?.arg(last).arg(page.messages.len());
        for message in &page.messages {
            let (record, state) = record::of_message(message, now)?;
            request =
                request.arg(message.lane.code()).arg(message.place.0).arg(record.as_slice()).arg(state.as_slice());
        }
        let held = held(&page.messages);
        for claim in &page.claims {
            let (places, until) = held.get(&claim.id).cloned().unwrap_or_default();
            let ends = ends(claim, until);
            request = request
                .arg(&claim_key(claim.id))
                .arg(claim.renewed.0)
                .arg(ms(claim.ttl))
                .arg(ends)
                .arg(places.as_slice())
                .arg(claim.extensions.to_bytes());
        }
        self.server.run(call, request).await.map(drop)
    }
}

/// When a claim ends: later than its ttl says where single messages were renewed.
fn ends(claim: &Claim, until: i64) -> i64 {
    claim.renewed.after(claim.ttl).0.max(until).min(NEVER as i64)
}

/// What each claim holds: the places, eight bytes each, and until when.
fn held(messages: &[Message]) -> HashMap<ClaimId, (Vec<u8>, i64)> {
    let mut held = HashMap::<ClaimId, (Vec<u8>, i64)>::new();
    for message in messages {
        if let Some(claim) = message.claim {
            let (places, until) = held.entry(claim).or_default();
            places.extend_from_slice(&message.place.0.to_be_bytes());
            *until = (*until).max(message.claimed_until.0);
        }
    }
    held
}

/// A cursor is the lane's number and the place, eight bytes of it, after which the page starts.
fn cursor(lane: Lane, after: i64) -> Cursor {
    let mut cursor = vec![u8::try_from(lane.code()).unwrap_or(u8::MAX)];
    cursor.extend(after.to_be_bytes());
    Bytes::from(cursor)
}

fn position(cursor: &Cursor) -> Result<(Lane, i64)> {
    match cursor.split_first() {
        None => Ok((Lane::Main, -1)),
        Some((lane, after)) => {
            let after = after.try_into().map_err(|_| Error::invalid("the cursor is none of this pool's"))?;
            Ok((Lane::from_code(u32::from(*lane)), i64::from_be_bytes(after)))
        }
    }
}
