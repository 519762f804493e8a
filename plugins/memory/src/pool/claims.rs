//! The claims of a queue. What a claim holds, its messages say; here is the rest.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use sukkal_plugin_sdk::{ClaimId, Extensions, Place, Timestamp};

use crate::room::{self, OVERHEAD};

/// How many claims a queue keeps that hold nothing any more. Those before them end early, or
/// clients that are done with everything would fill the store with claims of long ttl.
const EMPTIED: usize = 1_000;

/// The claims.
#[derive(Default)]
pub struct Claims {
    by_id: HashMap<ClaimId, Kept>,
    ends: BTreeSet<(Timestamp, ClaimId)>,
    /// Those that hold nothing any more, the first emptied first; some may have ended since.
    emptied: VecDeque<ClaimId>,
}

/// A claim.
pub struct Kept {
    /// When it was made or last renewed.
    pub renewed: Timestamp,
    /// How long it lives from then on.
    pub ttl: Duration,
    /// When it ends; later than its ttl says where single messages were renewed.
    pub ends: Timestamp,
    /// What it held once: some may be gone, or free.
    pub places: Vec<Place>,
    /// Kept for the service.
    pub extensions: Extensions,
}

impl Kept {
    /// Bytes that it takes.
    pub fn size(&self) -> u64 {
        OVERHEAD + 8 * self.places.len() as u64 + room::extensions(&self.extensions)
    }
}

impl Claims {
    /// A claim, if it lives.
    pub fn live(&self, id: ClaimId, now: Timestamp) -> Option<&Kept> {
        self.by_id.get(&id).filter(|kept| kept.ends > now)
    }

    /// Puts a claim there; answers the bytes of the one that it replaces.
    pub fn put(&mut self, id: ClaimId, kept: Kept) -> u64 {
        let replaced = self.remove(id);
        self.ends.insert((kept.ends, id));
        self.by_id.insert(id, kept);
        replaced
    }

    /// Lets a claim go on; as it was made, if `ttl` is none.
    pub fn renew(&mut self, id: ClaimId, ends: Timestamp, now: Timestamp, ttl: Option<Duration>) {
        let Some(kept) = self.by_id.get_mut(&id) else { return };
        self.ends.remove(&(kept.ends, id));
        match ttl {
            Some(ttl) => (kept.renewed, kept.ttl, kept.ends) = (now, ttl, ends),
            None => kept.ends = kept.ends.max(ends),
        }
        self.ends.insert((kept.ends, id));
    }

    /// Ends a claim; answers the bytes that it took.
    pub fn remove(&mut self, id: ClaimId) -> u64 {
        let Some(kept) = self.by_id.remove(&id) else { return 0 };
        self.ends.remove(&(kept.ends, id));
        kept.size()
    }

    /// Notes that a claim holds nothing any more; answers the bytes of another one that ends for it.
    pub fn emptied(&mut self, id: ClaimId) -> u64 {
        self.emptied.push_back(id);
        let too_many = self.emptied.len() > EMPTIED;
        self.emptied.pop_front_if(|_| too_many).map_or(0, |oldest| self.remove(oldest))
    }

    /// When the first one ends.
    pub fn first_end(&self) -> Option<Timestamp> {
        self.ends.first().map(|end| end.0)
    }

    /// Ends one whose time is over; answers the bytes that it took.
    pub fn take_ended(&mut self, now: Timestamp) -> Option<u64> {
        let (_, id) = *self.ends.first().filter(|end| end.0 <= now)?;
        Some(self.remove(id))
    }

    /// Ends one of them; answers the bytes that it took.
    pub fn take_any(&mut self) -> Option<u64> {
        let (_, id) = *self.ends.first()?;
        Some(self.remove(id))
    }
}
