//! Bringing a queue up to date: expired messages go, claims and delays end, keys are forgotten, and
//! messages are held against a rule that has changed. Each is met once, in bounded steps.

use sukkal_plugin_sdk::{Lane, Place, Swept};

use super::entry::{Entry, State};
use super::queue::Visit;

/// What one step does while it holds a queue: well below a millisecond.
pub const STEP: usize = 512;

impl Visit<'_> {
    /// Settles what has fallen due, at most `limit` things; answers how many. Fewer than `limit`
    /// means that nothing is left.
    pub fn settle(&mut self, limit: usize, swept: &mut Swept) -> usize {
        let mut done = 0;
        for lane in Lane::ALL {
            done += self.expire(lane, limit - done, swept);
            done += self.wake(lane, limit - done, swept);
        }
        done += self.end_claims(limit - done);
        done += self.forget_keys(limit - done);
        done + self.recheck(limit - done)
    }

    fn expire(&mut self, lane: Lane, limit: usize, swept: &mut Swept) -> usize {
        let mut done = 0;
        while done < limit
            && let Some((_, place)) = self.contents.lane(lane).first_expiry().filter(|first| first.0 <= self.now)
        {
            if !self.part(lane, place) {
                self.remove(lane, place);
                swept.expired += 1;
            }
            done += 1;
        }
        done
    }

    fn wake(&mut self, lane: Lane, limit: usize, swept: &mut Swept) -> usize {
        let mut done = 0;
        while done < limit
            && let Some((_, place)) = self.contents.lane(lane).first_wake().filter(|first| first.0 <= self.now)
        {
            swept.freed += u64::from(self.free(lane, place));
            done += 1;
        }
        done
    }

    /// Turns a message whose delay or claim has ended into what it is now; true for a claim.
    fn free(&mut self, lane: Lane, place: Place) -> bool {
        let Some(entry) = self.contents.lane(lane).get(place) else { return false };
        let (claimed, state) = (entry.state == State::Claimed, self.contents.freed(entry.claims));
        self.change(lane, place, |entry| entry.state = state);
        claimed
    }

    fn end_claims(&mut self, limit: usize) -> usize {
        let mut done = 0;
        while done < limit
            && let Some(bytes) = self.contents.claims.take_ended(self.now)
        {
            self.pool.room.give_back(bytes, 0);
            done += 1;
        }
        done
    }

    fn forget_keys(&mut self, limit: usize) -> usize {
        let mut done = 0;
        while done < limit
            && let Some(bytes) = self.contents.keys.take_ended(self.now)
        {
            self.pool.room.give_back(bytes, 0);
            done += 1;
        }
        done
    }

    /// Holds messages that have been claimed before against the rule as it is now.
    fn recheck(&mut self, limit: usize) -> usize {
        let Some(from) = self.contents.recheck.filter(|_| limit > 0) else { return 0 };
        let places: Vec<_> = self.contents.lane(Lane::Main).used_from(from).take(limit).collect();
        for place in &places {
            let Some(claims) = self.contents.lane(Lane::Main).get(*place).map(|entry| entry.claims) else { continue };
            let worn = self.contents.is_worn(claims);
            self.change(Lane::Main, *place, |entry| entry.state = held_against(entry, worn));
        }
        let next = places.last().and_then(|last| last.0.checked_add(1)).map(Place);
        self.contents.recheck = next.filter(|_| places.len() == limit);
        places.len()
    }
}

fn held_against(entry: &Entry, worn: bool) -> State {
    match entry.state {
        State::Ready | State::Delayed if worn => State::Exhausted,
        State::Exhausted if !worn => State::Ready,
        state => state,
    }
}

impl super::queue::Contents {
    /// What a message is that was claimed so often, once no claim and no delay holds it.
    pub fn freed(&self, claims: u32) -> State {
        if self.is_worn(claims) { State::Exhausted } else { State::Ready }
    }
}
