//! A whole queue, page by page, and taking such pages in.

use sukkal_plugin_sdk::{Bytes, Claim, ClaimId, Cursor, Error, Export, Lane, Message, Place, Result};

use super::claims::Kept;
use super::entry::{Entry, size};
use super::queue::Visit;
use crate::own;

/// Messages of one page.
const PAGE: usize = 512;

impl Visit<'_> {
    /// One page of the queue. What has fallen due must be settled before.
    ///
    /// # Errors
    /// `Invalid`: a cursor of another pool.
    pub fn export(&self, from: &Cursor) -> Result<Export> {
        let (first_lane, first_place) = position(from)?;
        let mut messages = Vec::new();
        let mut next = None;
        for lane in Lane::ALL.into_iter().filter(|lane| lane.code() >= first_lane.code()) {
            let entries = self.contents.lane(lane);
            let mut places = entries.from(if lane == first_lane { first_place } else { Place(0) });
            let left = PAGE - messages.len();
            messages.extend(places.by_ref().take(left).filter_map(|place| entries.message(lane, place)));
            if let Some(place) = places.next() {
                next = Some(cursor(lane, place));
                break;
            }
        }
        let (claims, next_place) = (self.claims_of(&messages), Place(self.contents.next_place));
        Ok(Export { messages, claims, next_place, next, ..Export::default() })
    }

    fn claims_of(&self, messages: &[Message]) -> Vec<Claim> {
        let mut ids: Vec<ClaimId> = messages.iter().filter_map(|message| message.claim).collect();
        ids.sort_unstable();
        ids.dedup();
        let claim = |id| {
            let kept = self.contents.claims.live(id, self.now)?;
            let (renewed, ttl, extensions) = (kept.renewed, kept.ttl, kept.extensions.clone());
            Some(Claim { id, renewed, ttl, now: self.now, messages: Vec::new(), extensions })
        };
        ids.into_iter().filter_map(claim).collect()
    }

    /// Takes in one page. What is there already stays as it is.
    ///
    /// # Errors
    /// `Invalid`: a place that this pool cannot have. `Full`: nothing is taken in.
    pub fn import(&mut self, page: Export) -> Result<()> {
        let after_last = page.messages.iter().map(|message| message.place.0.saturating_add(1)).max().unwrap_or(0);
        let next_place = page.next_place.0.max(after_last).max(self.contents.next_place);
        if next_place == u64::MAX {
            return Err(Error::invalid("the page holds places that this pool cannot have"));
        }
        let mut new = Vec::with_capacity(page.messages.len());
        for message in page.messages {
            if self.contents.lane(message.lane).get(message.place).is_none() {
                new.push(message);
            }
        }
        new.sort_by_key(|message| (message.lane.code(), message.place));
        new.dedup_by_key(|message| (message.lane.code(), message.place));
        self.pool.room.reserve(new.iter().map(bytes).sum(), new.len() as u64)?;
        for claim in page.claims {
            self.import_claim(claim, &new);
        }
        for message in new {
            self.import_message(message);
        }
        self.contents.next_place = next_place;
        // Some may have had all the claims that the rule of this queue allows.
        self.contents.recheck = Some(Place(0));
        self.stirred = true;
        Ok(())
    }

    fn import_message(&mut self, message: Message) {
        let (lane, place, bytes) = (message.lane, message.place, bytes(&message));
        let entries = self.contents.lane_mut(lane);
        let client = entries.clients.hold(&message.client, 1);
        entries.insert(place, Box::new(Entry::imported(message, client, bytes, self.now)));
    }

    fn import_claim(&mut self, claim: Claim, messages: &[Message]) {
        let mut ends = claim.renewed.after(claim.ttl);
        let mut places = Vec::new();
        for message in messages.iter().filter(|message| message.claim == Some(claim.id)) {
            ends = ends.max(message.claimed_until);
            places.push(message.place);
        }
        // A claim can have messages on several pages.
        if let Some(before) = self.contents.claims.live(claim.id, self.now) {
            ends = ends.max(before.ends);
            places.extend(&before.places);
        }
        places.sort_unstable();
        places.dedup();
        let kept = Kept {
            renewed: claim.renewed,
            ttl: claim.ttl,
            ends,
            places,
            extensions: own::extensions(&claim.extensions),
        };
        self.pool.room.take(kept.size(), 0);
        let replaced = self.contents.claims.put(claim.id, kept);
        self.pool.room.give_back(replaced, 0);
    }
}

fn bytes(message: &Message) -> u64 {
    size(&message.body, &message.client, &message.extensions, message.origin.as_ref())
}

/// A cursor is the lane's number and the place, eight bytes of it, at which the page starts.
fn cursor(lane: Lane, place: Place) -> Cursor {
    let mut cursor = vec![u8::try_from(lane.code()).unwrap_or(u8::MAX)];
    cursor.extend(place.0.to_be_bytes());
    Bytes::from(cursor)
}

fn position(cursor: &Cursor) -> Result<(Lane, Place)> {
    match cursor.split_first() {
        None => Ok((Lane::Main, Place(0))),
        Some((lane, place)) => {
            let place = place.try_into().map_err(|_| Error::invalid("the cursor is none of this pool's"))?;
            Ok((Lane::from_code(u32::from(*lane)), Place(u64::from_be_bytes(place))))
        }
    }
}
