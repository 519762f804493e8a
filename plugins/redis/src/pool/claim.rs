//! Claims: made, read, renewed, ended.

use sukkal_plugin_sdk::{
    Batch, Call, Claim, ClaimId, Claimed, Error, Lane, NewClaim, Place, QueueRef, Release, Renewal, Result, Timestamp,
};

use super::MAX_BATCH;
use super::shared::{Shared, messages};
use crate::record::{self, NEVER, claim_key, ms};
use crate::script::{Request, SCRIPTS};

impl Shared {
    /// Claims the oldest available messages.
    ///
    /// # Errors
    /// `Gone`, `Stale`.
    pub async fn claim(&self, call: &Call, queue: &QueueRef, new: &NewClaim) -> Result<Claimed> {
        if new.limit == 0 {
            return Err(Error::invalid("the limit must be at least 1"));
        }
        let request = self
            .on(&SCRIPTS.claim, queue)?
            .arg(&claim_key(new.id))
            .arg(new.limit.min(MAX_BATCH))
            .arg(ms(new.ttl))
            .arg(ms(new.grace))
            .arg(u32::from(!new.uncounted))
            .arg(new.extensions.to_bytes());
        let mut reply = self.server.run(call, request).await?;
        let (now, next_due) = (Timestamp(reply.int()?), reply.count()?);
        let messages = messages(&mut reply, Lane::Main, now)?;
        let next_due = (next_due < NEVER).then_some(Timestamp(next_due as i64));
        Ok(Claimed { batch: Batch { now, messages, ..Batch::default() }, next_due, ..Claimed::default() })
    }

    /// Reads a live claim with what it holds.
    ///
    /// # Errors
    /// `Gone`, `Stale`.
    pub async fn claim_get(&self, call: &Call, queue: &QueueRef, id: ClaimId) -> Result<Option<Claim>> {
        let request = self.on(&SCRIPTS.claim_get, queue)?.arg(&claim_key(id));
        let mut reply = self.server.run(call, request).await?;
        let now = Timestamp(reply.int()?);
        let Some(kept) = reply.bytes()? else { return Ok(None) };
        let claim = record::claim(id, kept, now)?;
        Ok(Some(Claim { messages: messages(&mut reply, Lane::Main, now)?, ..claim }))
    }

    /// Renews a live claim, or some of its messages; false without such a claim.
    ///
    /// # Errors
    /// `Gone`, `Stale`.
    pub async fn renew(&self, call: &Call, queue: &QueueRef, id: ClaimId, renewal: &Renewal) -> Result<bool> {
        let request = self.on(&SCRIPTS.renew, queue)?.arg(&claim_key(id)).arg(ms(renewal.ttl)).arg(ms(renewal.grace));
        let request = some(request, renewal.places.as_deref());
        Ok(self.server.run(call, request).await?.int()? == 1)
    }

    /// Ends a claim, or frees some of its messages; nothing without such a claim.
    ///
    /// # Errors
    /// `Gone`, `Stale`.
    pub async fn release(&self, call: &Call, queue: &QueueRef, id: ClaimId, release: &Release) -> Result<()> {
        let uncounted = if release.uncounted { "1" } else { "" };
        let request = self.on(&SCRIPTS.release, queue)?.arg(&claim_key(id)).arg(ms(release.delay)).arg(uncounted);
        self.server.run(call, some(request, release.places.as_deref())).await.map(drop)
    }
}

/// Adds the places of single messages, where some are named.
fn some(request: Request, places: Option<&[Place]>) -> Request {
    match places {
        None => request.arg(""),
        Some(places) => request.arg("1").args(places.iter().map(|place| place.0)),
    }
}
