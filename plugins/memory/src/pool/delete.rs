//! Taking messages out: by place, by purge, by dropping the whole queue.

use sukkal_plugin_sdk::{Budget, ClaimId, Delete, Deleted, Guard, Lane, Place, Progress, Refused, Result};

use super::entry::State;
use super::queue::Visit;
use super::settle::STEP;

impl Visit<'_> {
    /// Deletes messages by place, as far as the guard allows: all or none.
    ///
    /// # Errors
    /// `Stale`, `Invalid`: another lane than the main one, without its lease.
    pub fn delete(&mut self, delete: &Delete) -> Result<Deleted> {
        if delete.lane != Lane::Main {
            self.check_fence(delete.lane, delete.fence)?;
        }
        if let Some(refused) = self.refusal(delete) {
            return Ok(Deleted { refused: Some(refused), ..Deleted::default() });
        }
        let holders = self.holders(delete);
        let gone = delete.places.iter().filter(|place| self.remove(delete.lane, **place).is_some()).count();
        holders.into_iter().for_each(|claim| self.let_go(claim));
        Ok(Deleted { count: u32::try_from(gone).unwrap_or(u32::MAX), ..Deleted::default() })
    }

    /// The claims that hold what is about to be deleted.
    fn holders(&self, delete: &Delete) -> Vec<ClaimId> {
        let entries = self.contents.lane(delete.lane);
        let held =
            delete.places.iter().filter_map(|place| entries.get(*place)).filter(|entry| entry.state == State::Claimed);
        let mut claims = Vec::new();
        for claim in held.map(|entry| entry.claim) {
            // Mostly all are held by the same one.
            if claims.last() != Some(&claim) {
                claims.push(claim);
            }
        }
        claims.sort_unstable();
        claims.dedup();
        claims
    }

    /// Looks whether a claim holds anything still.
    fn let_go(&mut self, claim: ClaimId) {
        let Some(kept) = self.contents.claims.live(claim, self.now) else { return };
        let entries = self.contents.lane(Lane::Main);
        if !kept.places.iter().any(|place| entries.get(*place).is_some_and(|entry| entry.held_by(claim))) {
            let freed = self.contents.claims.emptied(claim);
            self.pool.room.give_back(freed, 0);
        }
    }

    fn refusal(&self, delete: &Delete) -> Option<Refused> {
        let named: &[ClaimId] = match &delete.guard {
            Guard::Any => return None,
            Guard::Unclaimed => &[],
            Guard::Claim(claim) => std::slice::from_ref(claim),
            Guard::EachClaimedBy(claims) => claims,
        };
        let unclaimed_only = matches!(delete.guard, Guard::Unclaimed);
        let entries = self.contents.lane(delete.lane);
        delete.places.iter().filter_map(|place| entries.get(*place)).find_map(|entry| {
            match (entry.state == State::Claimed, unclaimed_only) {
                (true, true) => Some(Refused::Claimed),
                (false, false) => Some(Refused::NotClaimed),
                (true, false) if !named.contains(&entry.claim) => Some(self.other_claim(named)),
                (true, false) | (false, true) => None,
            }
        })
    }

    fn other_claim(&self, named: &[ClaimId]) -> Refused {
        let live = named.iter().any(|claim| self.contents.claims.live(*claim, self.now).is_some());
        if live { Refused::OtherClaim } else { Refused::ClaimGone }
    }

    /// Deletes messages of the main lane, then its claims, in a bounded step.
    pub fn purge(&mut self, budget: Budget) -> Progress {
        let limit = step(budget);
        self.drop_parting();
        let count = self.clear(Lane::Main, limit);
        let claims = self.drop_claims(limit - count);
        // Fewer than allowed means that nothing is left.
        Progress { done: count + claims < limit, count: count as u64 }
    }

    /// Removes what a dropping queue holds, in a bounded step, and last the queue itself.
    pub fn drop_queue(&mut self, epoch: u64, budget: Budget) -> Progress {
        let newer = self.contents.header.epoch > epoch;
        if self.contents.removed || newer || !self.contents.header.dropping {
            return Progress { done: true, count: 0 };
        }
        let limit = step(budget);
        self.drop_parting();
        let count = Lane::ALL.into_iter().fold(0, |done, lane| done + self.clear(lane, limit - done));
        let claims = self.drop_claims(limit - count);
        let keys = self.drop_keys(limit - count - claims);
        let done = count + claims + keys < limit;
        if done {
            self.strike_out();
            self.pool.room.give_back(self.contents.size(), 0);
            self.contents.removed = true;
            self.pool.forget(self.id);
        }
        Progress { done, count: count as u64 }
    }

    fn clear(&mut self, lane: Lane, limit: usize) -> usize {
        let places: Vec<_> = self.contents.lane(lane).from(Place(0)).take(limit).collect();
        for place in &places {
            self.remove(lane, *place);
        }
        places.len()
    }

    fn drop_claims(&mut self, limit: usize) -> usize {
        let freed: Vec<_> = std::iter::from_fn(|| self.contents.claims.take_any()).take(limit).collect();
        self.pool.room.give_back(freed.iter().sum(), 0);
        freed.len()
    }

    fn drop_keys(&mut self, limit: usize) -> usize {
        let freed: Vec<_> = std::iter::from_fn(|| self.contents.keys.take_any()).take(limit).collect();
        self.pool.room.give_back(freed.iter().sum(), 0);
        freed.len()
    }
}

/// What one step may do: others wait for the queue meanwhile.
fn step(budget: Budget) -> usize {
    (budget.items as usize).clamp(1, 4 * STEP)
}
