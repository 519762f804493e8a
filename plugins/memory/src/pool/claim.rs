//! Claiming and popping. What has fallen due must be settled before.

use sukkal_plugin_sdk::{Batch, Claimed, Lane, Message, NewClaim, Place};

use super::claims::Kept;
use super::entry::State;
use super::queue::Visit;
use crate::own;

impl Visit<'_> {
    /// Claims the oldest available messages.
    pub fn claim(&mut self, new: &NewClaim) -> Claimed {
        if let Some(kept) = self.contents.claims.live(new.id, self.now) {
            let batch = self.batch(self.held(new.id, kept));
            return Claimed { batch, ..Claimed::default() };
        }
        let places = self.oldest(new.limit);
        if places.is_empty() {
            // What waits for a claim that ends in a dead letter counts too: it is only looked at
            // once more than needed.
            let next_due = self.contents.lane(Lane::Main).first_wake().map(|first| first.0);
            return Claimed { batch: self.batch(Vec::new()), next_due, ..Claimed::default() };
        }
        let messages = self.hold(new, &places);
        self.keep_claim(new, places);
        Claimed { batch: self.batch(messages), ..Claimed::default() }
    }

    /// Takes the oldest available messages out.
    pub fn pop(&mut self, limit: u32) -> Batch {
        let places = self.oldest(limit);
        let mut messages = Vec::with_capacity(places.len());
        for place in places {
            messages.extend(self.contents.lane(Lane::Main).message(Lane::Main, place));
            self.remove(Lane::Main, place);
        }
        self.batch(messages)
    }

    fn oldest(&self, limit: u32) -> Vec<Place> {
        let ready = self.contents.lane(Lane::Main).in_state(State::Ready);
        let limit = usize::try_from(ready.len()).unwrap_or(usize::MAX).min(limit as usize);
        let mut places = Vec::with_capacity(limit);
        let mut next = ready.first();
        while let Some(place) = next.filter(|_| places.len() < limit) {
            places.push(place);
            next = place.0.checked_add(1).and_then(|from| ready.next(Place(from), None));
        }
        places
    }

    fn hold(&mut self, new: &NewClaim, places: &[Place]) -> Vec<Message> {
        let until = self.now.after(new.ttl);
        let entries = self.contents.lane_mut(Lane::Main);
        let mut messages = Vec::with_capacity(places.len());
        for place in places {
            entries.change(*place, |entry| {
                entry.claims = entry.claims.saturating_add(u32::from(!new.uncounted));
                entry.hold(new.id, until, new.ttl, new.grace);
            });
            messages.extend(entries.message(Lane::Main, *place));
        }
        messages
    }

    fn keep_claim(&mut self, new: &NewClaim, places: Vec<Place>) {
        let ends = self.now.after(new.ttl);
        let kept = Kept { renewed: self.now, ttl: new.ttl, ends, places, extensions: own::extensions(&new.extensions) };
        // Beyond the bound, if need be: a claim holds messages that are here, or was given some.
        self.pool.room.take(kept.size(), 0);
        let replaced = self.contents.claims.put(new.id, kept);
        self.pool.room.give_back(replaced, 0);
    }
}
