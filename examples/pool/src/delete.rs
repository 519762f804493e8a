//! Taking messages out: by place, by purge, by dropping the whole queue.

use sukkal_plugin_sdk::{
    Budget, ClaimId, Delete, Deleted, Guard, Lane, Message, Place, Progress, Refused, Result,
};

use crate::timed::Timed;
use crate::visit::Visit;

/// How many claims a queue keeps that hold nothing any more. Those emptied before them end early, or
/// whoever claims and deletes all the time would fill the memory with claims of long ttl.
const EMPTIED: usize = 1000;

impl Visit<'_> {
    /// Deletes messages by place, as far as the guard allows: all or none.
    ///
    /// # Errors
    /// `Stale`, `Invalid`: another lane than the main one, without its lease.
    pub fn delete(&mut self, delete: &Delete) -> Result<Deleted> {
        self.check_fence(delete.lane, delete.fence)?;
        let there = delete
            .places
            .iter()
            .filter_map(|place| self.queue.lane(delete.lane).get(*place));
        let refused = there
            .clone()
            .find_map(|message| self.refusal(message, &delete.guard));
        if refused.is_some() {
            return Ok(Deleted {
                refused,
                ..Deleted::default()
            });
        }
        let mut claims: Vec<ClaimId> = there.filter_map(|message| message.claim).collect();
        claims.sort_unstable();
        claims.dedup();
        let entries = self.queue.lane_mut(delete.lane);
        let count = delete
            .places
            .iter()
            .filter(|place| entries.take(**place).is_some())
            .count();
        claims.into_iter().for_each(|claim| self.let_go(claim));
        Ok(Deleted {
            count: count as u32,
            ..Deleted::default()
        })
    }

    fn refusal(&self, message: &Message, guard: &Guard) -> Option<Refused> {
        let named: &[ClaimId] = match (guard, message.claim) {
            (Guard::Any, _) | (Guard::Unclaimed, None) => return None,
            (Guard::Unclaimed, Some(_)) => return Some(Refused::Claimed),
            (Guard::Claim(id), _) => std::slice::from_ref(id),
            (Guard::EachClaimedBy(ids), _) => ids,
        };
        match message.claim {
            None => Some(Refused::NotClaimed),
            Some(id) if named.contains(&id) => None,
            Some(_) if named.iter().any(|id| self.queue.claims.get(id).is_some()) => {
                Some(Refused::OtherClaim)
            }
            Some(_) => Some(Refused::ClaimGone),
        }
    }

    /// A claim has lost messages. One that holds nothing lives on, but not among too many others.
    fn let_go(&mut self, claim: ClaimId) {
        if !self.held_places(claim, None).is_empty() {
            return;
        }
        self.queue.emptied.push_back(claim);
        if self.queue.emptied.len() > EMPTIED
            && let Some(oldest) = self.queue.emptied.pop_front()
        {
            self.queue.claims.remove(&oldest);
        }
    }

    /// Deletes messages of the main lane in a bounded step, and with the last of them all claims.
    pub fn purge(&mut self, budget: Budget) -> Progress {
        let count = self.clear(Lane::Main, budget.items as usize);
        let done = self.main().len() == 0;
        if done {
            self.queue.claims = Timed::default();
            self.queue.emptied.clear();
        }
        Progress {
            done,
            count: count as u64,
        }
    }

    /// Deletes messages of all lanes in a bounded step.
    pub fn empty(&mut self, budget: Budget) -> Progress {
        let limit = budget.items as usize;
        let count = Lane::ALL
            .into_iter()
            .fold(0, |count, lane| count + self.clear(lane, limit - count));
        Progress {
            done: self.queue.len() == 0,
            count: count as u64,
        }
    }

    fn clear(&mut self, lane: Lane, limit: usize) -> usize {
        let entries = self.queue.lane_mut(lane);
        let places: Vec<Place> = entries
            .from(Place(0))
            .take(limit)
            .map(|message| message.place)
            .collect();
        places
            .iter()
            .filter(|place| entries.take(**place).is_some())
            .count()
    }
}
