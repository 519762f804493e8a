//! Claims: how they are made, how they go on, how they end. What has fallen due must be settled
//! before: the claims that are there live.

use std::time::Duration;

use sukkal_plugin_sdk::{
    Batch, Claim, ClaimId, Claimed, Lane, Message, NewClaim, Place, Release, Renewal, Timestamp,
};

use crate::entries::State;
use crate::queue::Kept;
use crate::visit::Visit;

impl Visit<'_> {
    /// Claims the oldest available messages.
    pub fn claim(&mut self, new: NewClaim) -> Claimed {
        if self.queue.claims.get(&new.id).is_some() {
            let batch = self.batch(self.held(new.id));
            return Claimed {
                batch,
                ..Claimed::default()
            };
        }
        let places = self.oldest(new.limit);
        if places.is_empty() {
            let next_due = self.main().next_wake();
            return Claimed {
                batch: self.batch(Vec::new()),
                next_due,
                ..Claimed::default()
            };
        }
        let until = self.now.after(new.ttl);
        let hold = |place: &Place| {
            self.change(*place, |message| {
                message.claims = message.claims.saturating_add(u32::from(!new.uncounted));
                hold(message, new.id, until, new.ttl, new.grace);
            })
        };
        let messages = places.iter().filter_map(hold).collect();
        let kept = Kept {
            renewed: self.now,
            ttl: new.ttl,
            places,
            extensions: new.extensions,
        };
        self.queue.claims.insert(new.id, until, kept);
        Claimed {
            batch: self.batch(messages),
            ..Claimed::default()
        }
    }

    /// Takes the oldest available messages out.
    pub fn pop(&mut self, limit: u32) -> Batch {
        let places = self.oldest(limit);
        let messages = places
            .into_iter()
            .filter_map(|place| self.queue.lane_mut(Lane::Main).take(place));
        let messages = messages.collect();
        self.batch(messages)
    }

    /// Reads a claim with what it holds.
    pub fn claim_get(&self, id: ClaimId) -> Option<Claim> {
        let kept = self.queue.claims.get(&id)?;
        let (renewed, ttl, extensions) = (kept.renewed, kept.ttl, kept.extensions.clone());
        Some(Claim {
            id,
            renewed,
            ttl,
            now: self.now,
            messages: self.held(id),
            extensions,
        })
    }

    /// Renews a claim, or some of its messages; false without such a claim.
    pub fn claim_renew(&mut self, id: ClaimId, renewal: &Renewal) -> bool {
        let until = self.now.after(renewal.ttl);
        for place in self.held_places(id, renewal.places.as_deref()) {
            self.change(place, |message| {
                hold(message, id, until, renewal.ttl, renewal.grace)
            });
        }
        let Some((ends, mut kept)) = self.queue.claims.remove(&id) else {
            return false;
        };
        // Where single messages are renewed the claim goes on as it did, but not shorter than they
        // are held.
        let ends = if renewal.places.is_none() {
            until
        } else {
            ends.max(until)
        };
        if renewal.places.is_none() {
            (kept.renewed, kept.ttl) = (self.now, renewal.ttl);
        }
        self.queue.claims.insert(id, ends, kept);
        true
    }

    /// Ends a claim, or frees some of its messages; nothing without such a claim.
    pub fn claim_release(&mut self, id: ClaimId, release: &Release) {
        let due = self.now.after(release.delay);
        for place in self.held_places(id, release.places.as_deref()) {
            self.change(place, |message| {
                message.claim = None;
                message.claims = message.claims.saturating_sub(u32::from(release.uncounted));
                if !release.delay.is_zero() {
                    message.due = due;
                }
            });
        }
        if release.places.is_none() {
            self.queue.claims.remove(&id);
        }
    }

    fn oldest(&self, limit: u32) -> Vec<Place> {
        self.main()
            .places(&[State::Ready], Place(0), None)
            .take(limit as usize)
            .collect()
    }

    fn held(&self, id: ClaimId) -> Vec<Message> {
        let places = self.held_places(id, None);
        places
            .into_iter()
            .filter_map(|place| self.main().get(place).cloned())
            .collect()
    }

    /// Where the messages are that a claim holds, all or some of them, in queue order.
    pub fn held_places(&self, id: ClaimId, some: Option<&[Place]>) -> Vec<Place> {
        let Some(kept) = self.queue.claims.get(&id) else {
            return Vec::new();
        };
        let held = |place: &&Place| {
            self.main()
                .get(**place)
                .is_some_and(|message| message.claim == Some(id))
        };
        let mut places: Vec<Place> = some
            .unwrap_or(&kept.places)
            .iter()
            .filter(held)
            .copied()
            .collect();
        places.sort_unstable();
        places.dedup();
        places
    }
}

/// Takes a message into a claim until an instant. One that would end before that lives for grace
/// longer; see [`Message::ttl`] for what clients read of it.
fn hold(message: &mut Message, id: ClaimId, until: Timestamp, ttl: Duration, grace: Duration) {
    (message.claim, message.claimed_until) = (Some(id), until);
    if message.expires.after(Duration::from_secs(1)) <= until {
        message.expires = until.after(grace);
        message.ttl = ttl.saturating_add(grace);
    } else {
        message.expires = message.expires.max(until);
    }
}
