//! Taking messages out: by place, by purge, by dropping the whole queue.

use sukkal_plugin_sdk::{
    Budget, Call, ClaimId, Delete, Deleted, Error, ErrorKind, Guard, Progress, QueueRef, Refused, Result,
};

use super::MAX_BATCH;
use super::post::fence;
use super::shared::Shared;
use crate::error;
use crate::keys::Tag;
use crate::record::{NEVER, claim_key};
use crate::script::{Reply, Request, SCRIPTS};

/// What one step removes at the most: others wait for it.
const STEP: u32 = 500;

impl Shared {
    /// Deletes messages by place, as far as the guard allows: all or none.
    ///
    /// # Errors
    /// `Stale`, `Invalid`: another lane than the main one, without its lease. `TooLarge`.
    pub async fn delete(&self, call: &Call, queue: &QueueRef, delete: &Delete) -> Result<Deleted> {
        let mut places: Vec<u64> = delete.places.iter().map(|place| place.0.min(NEVER)).collect();
        places.sort_unstable();
        places.dedup();
        let (guard, claims): (_, &[ClaimId]) = match &delete.guard {
            Guard::Any => ("a", &[]),
            Guard::Unclaimed => ("u", &[]),
            Guard::Claim(claim) => ("c", std::slice::from_ref(claim)),
            Guard::EachClaimedBy(claims) => ("c", claims),
        };
        if places.len().max(claims.len()) > MAX_BATCH as usize {
            let text = format!("one deletion names at most {MAX_BATCH} messages in this pool; send several");
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        let mut request = self
            .on(&SCRIPTS.delete, queue)?
            .arg(delete.lane.code())
            .arg(guard)
            .arg(fence(delete.fence))
            .arg(claims.len());
        for claim in claims {
            request = request.arg(&claim_key(*claim));
        }
        let mut reply = self.server.run(call, request.args(places)).await?;
        let count = u32::try_from(reply.count()?).unwrap_or(u32::MAX);
        let refused = match reply.int()? {
            0 => None,
            1 => Some(Refused::Claimed),
            2 => Some(Refused::NotClaimed),
            3 => Some(Refused::ClaimGone),
            4 => Some(Refused::OtherClaim),
            _ => return Err(error::unexpected("an unknown reason")),
        };
        Ok(Deleted { count, refused, ..Deleted::default() })
    }

    /// Deletes messages of the main lane, then its claims, in a bounded step.
    ///
    /// # Errors
    /// `Gone`, `Stale`.
    pub async fn purge(&self, call: &Call, queue: &QueueRef, budget: Budget) -> Result<Progress> {
        let request = self.on(&SCRIPTS.purge, queue)?.arg(step(budget));
        progress(self.server.run(call, request).await?)
    }

    /// Removes what a dropping queue holds, in a bounded step, and last the queue itself.
    ///
    /// # Errors
    /// The server fails.
    pub async fn drop_queue(&self, call: &Call, queue: &QueueRef, budget: Budget) -> Result<Progress> {
        let key = self.keys.queue(Tag::of(queue)?, queue.id());
        let request = Request::new(&SCRIPTS.drop, key.as_bytes(), self.shift()).arg(queue.epoch()).arg(step(budget));
        progress(self.server.run(call, request).await?)
    }
}

fn step(budget: Budget) -> u32 {
    budget.items.clamp(1, STEP)
}

fn progress(mut reply: Reply) -> Result<Progress> {
    Ok(Progress { done: reply.int()? == 1, count: reply.count()? })
}
