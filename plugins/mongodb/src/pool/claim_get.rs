//! Reading a claim.

use std::time::Duration;

use mongodb::bson::Document;
use sukkal_plugin_sdk::{Claim, ClaimId, Extensions, QueueRef, Result, Timestamp};

use super::claim_end::{held_names, is_held};
use super::find::Find;
use super::id;
use super::list::Moment;
use super::message::{messages, number};
use super::shared::Shared;
use crate::server::take_bytes;

impl Shared {
    /// Reads a live claim with what it holds.
    ///
    /// # Errors
    /// `Gone`, `Stale`.
    pub async fn claim_get(&self, queue: &QueueRef, claim: ClaimId) -> Result<Option<Claim>> {
        let Moment { mut session, now, .. } = self.moment(queue).await?;
        let find = Find::named(vec![id::claim(queue.id(), claim)]).with("t", mongodb::bson::doc! { "$gt": now });
        let Some(known) = self.find(&mut session, queue.id(), find).await?.pop() else { return Ok(None) };
        let names = held_names(queue.id(), &known, None);
        let mut held = match names.is_empty() {
            true => Vec::new(),
            false => self.find(&mut session, queue.id(), Find::named(names)).await?,
        };
        held.retain(|document| is_held(document, claim, now));
        Ok(Some(Claim { messages: messages(held, now)?, ..read(known, claim, now)? }))
    }
}

/// A claim as its document says, without messages.
///
/// # Errors
/// It is none that this plugin wrote.
pub fn read(mut known: Document, id: ClaimId, now: i64) -> Result<Claim> {
    Ok(Claim {
        id,
        renewed: Timestamp(number(&known, "a")?),
        ttl: Duration::from_millis(number(&known, "y")?.max(0).cast_unsigned()),
        now: Timestamp(now),
        messages: Vec::new(),
        extensions: Extensions::from_bytes(&take_bytes(&mut known, "o")?),
    })
}
