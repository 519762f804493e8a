//! Reading messages: listings, and reads by place. What has fallen due must be settled before.

use std::collections::HashSet;

use sukkal_plugin_sdk::{Batch, Claim, ClaimId, Lane, List, Message, Place, Result};

use super::claims::Kept;
use super::entry::State;
use super::queue::Visit;

/// Room for a result is made for at most so many at once, whatever was asked for.
const PAGE: u32 = 256;

impl Visit<'_> {
    /// Reads on from a place.
    ///
    /// # Errors
    /// `Stale`, `Invalid`: another lane than the main one, without its lease.
    pub fn list(&self, list: &List) -> Result<Batch> {
        if list.lane != Lane::Main {
            self.check_fence(list.lane, list.fence)?;
        }
        let mut batch = self.batch(Vec::new());
        let Some(from) = list.after.map_or(Some(0), |after| after.0.checked_add(1)).map(Place) else {
            return Ok(batch);
        };
        let entries = self.contents.lane(list.lane);
        let own = list.not_from.as_deref().and_then(|client| entries.clients.number(client));
        let others = |place: &Place| own.is_none() || entries.get(*place).map(|entry| entry.client) != own;
        let mut states = vec![State::Ready, State::Exhausted];
        states.extend(list.claimed.then_some(State::Claimed));
        states.extend(list.delayed.then_some(State::Delayed));
        let places = entries.merged(&states, from, own).filter(others).take(list.limit as usize);
        batch.messages.reserve(list.limit.min(PAGE) as usize);
        batch.messages.extend(places.filter_map(|place| entries.message(list.lane, place)));
        Ok(batch)
    }

    /// Reads messages of the main lane by place, whatever their claim or delay.
    pub fn get(&self, places: &[Place]) -> Batch {
        let entries = self.contents.lane(Lane::Main);
        let mut seen = HashSet::with_capacity(places.len());
        let once = places.iter().filter(|place| seen.insert(**place));
        self.batch(once.filter_map(|place| entries.message(Lane::Main, *place)).collect())
    }

    /// Reads a live claim with what it holds.
    pub fn claim_get(&self, id: ClaimId) -> Option<Claim> {
        let kept = self.contents.claims.live(id, self.now)?;
        Some(Claim {
            id,
            renewed: kept.renewed,
            ttl: kept.ttl,
            now: self.now,
            messages: self.held(id, kept),
            extensions: kept.extensions.clone(),
        })
    }

    /// The messages that a claim still holds.
    pub fn held(&self, id: ClaimId, kept: &Kept) -> Vec<Message> {
        let entries = self.contents.lane(Lane::Main);
        let held = |place: &&Place| entries.get(**place).is_some_and(|entry| entry.held_by(id));
        kept.places.iter().filter(held).filter_map(|place| entries.message(Lane::Main, *place)).collect()
    }

    /// Messages, as they were read now.
    pub fn batch(&self, messages: Vec<Message>) -> Batch {
        Batch { now: self.now, messages, ..Batch::default() }
    }
}
