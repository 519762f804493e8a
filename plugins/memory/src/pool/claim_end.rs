//! How claims go on, and how they end. What has fallen due must be settled before.

use sukkal_plugin_sdk::{ClaimId, Lane, Place, Release, Renewal, millis};

use super::entry::State;
use super::queue::Visit;

impl Visit<'_> {
    /// Renews a live claim, or some of its messages; false without such a claim.
    pub fn renew(&mut self, id: ClaimId, renewal: &Renewal) -> bool {
        let Some(places) = self.held_places(id, renewal.places.as_deref()) else { return false };
        let ends = self.now.after(renewal.ttl);
        for place in places {
            self.change(Lane::Main, place, |entry| entry.hold(id, ends, renewal.ttl, renewal.grace));
        }
        // Where single messages are renewed the claim itself lives on as it did, but not shorter
        // than they are held.
        let ttl = renewal.places.is_none().then_some(renewal.ttl);
        self.contents.claims.renew(id, ends, self.now, ttl);
        true
    }

    /// Ends a claim, or frees some of its messages; nothing without such a claim.
    pub fn release(&mut self, id: ClaimId, release: &Release) {
        let Some(places) = self.held_places(id, release.places.as_deref()) else { return };
        for place in places {
            self.release_one(place, release);
        }
        if release.places.is_none() {
            let freed = self.contents.claims.remove(id);
            self.pool.room.give_back(freed, 0);
        }
    }

    fn release_one(&mut self, place: Place, release: &Release) {
        let Some(entry) = self.contents.lane(Lane::Main).get(place) else { return };
        let claims = entry.claims.saturating_sub(u32::from(release.uncounted));
        let delayed = millis(release.delay) > 0;
        let state = match self.contents.freed(claims) {
            State::Ready if delayed => State::Delayed,
            state => state,
        };
        let due = self.now.after(release.delay);
        self.change(Lane::Main, place, |entry| {
            entry.claims = claims;
            entry.state = state;
            if state == State::Delayed {
                entry.due = due;
            }
        });
    }

    /// Where the messages lie that a live claim holds, all or some of them; none without a claim.
    fn held_places(&self, id: ClaimId, some: Option<&[Place]>) -> Option<Vec<Place>> {
        let kept = self.contents.claims.live(id, self.now)?;
        let entries = self.contents.lane(Lane::Main);
        let held = |place: &&Place| entries.get(**place).is_some_and(|entry| entry.held_by(id));
        let mut places: Vec<_> = some.unwrap_or(&kept.places).iter().filter(held).copied().collect();
        places.sort_unstable();
        places.dedup();
        Some(places)
    }
}
