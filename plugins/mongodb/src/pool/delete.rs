//! Deleting messages by place.

use std::collections::{BTreeMap, HashSet};

use mongodb::bson::Document;
use sukkal_plugin_sdk::{ClaimId, Delete, Deleted, Error, ErrorKind, Guard, Lane, Refused, Result};

use super::find::Find;
use super::message::claim;
use super::visit::Visit;
use super::{MAX_BATCH, id};
use crate::error::Fail;

use super::claim_end::is_held;

impl Visit<'_> {
    /// Deletes messages by place, as far as the guard allows: all or none.
    ///
    /// # Errors
    /// `Stale`, `Invalid`: another lane than the main one, without its lease.
    pub async fn delete(&mut self, delete: &Delete) -> Result<Deleted, Fail> {
        if delete.lane != Lane::Main {
            self.head.check_fence(delete.lane, delete.fence)?;
        }
        let names: HashSet<_> = delete.places.iter().map(|place| id::message(self.id(), delete.lane, *place)).collect();
        if names.is_empty() {
            return Ok(Deleted::default());
        }
        let find = Find::named(names.into_iter().collect()).only(&["s", "k", "w", "x"]);
        let mut there = self.find(find).await?;
        there.retain(|document| document.get_i64("x").is_ok_and(|expires| expires > self.now));
        let holders = there.iter().map(|document| self.holder(document)).collect::<Vec<_>>();
        if let Some(refused) = self.refusal(&delete.guard, &holders).await? {
            return Ok(Deleted { refused: Some(refused), ..Deleted::default() });
        }
        self.remove(&there)?;
        self.ahead = None;
        let mut let_go = BTreeMap::<u128, i64>::new();
        holders.into_iter().flatten().for_each(|holder| *let_go.entry(holder.0).or_default() += 1);
        for (holder, count) in let_go {
            self.let_go(ClaimId(holder), count).await?;
        }
        Ok(Deleted { count: u32::try_from(there.len()).unwrap_or(u32::MAX), ..Deleted::default() })
    }

    /// The live claim that holds a message.
    fn holder(&self, document: &Document) -> Option<ClaimId> {
        claim(document).filter(|claim| is_held(document, *claim, self.now))
    }

    async fn refusal(&mut self, guard: &Guard, holders: &[Option<ClaimId>]) -> Result<Option<Refused>, Fail> {
        let named = match guard {
            Guard::Any => return Ok(None),
            Guard::Unclaimed => return Ok(holders.iter().any(Option::is_some).then_some(Refused::Claimed)),
            Guard::Claim(claim) => std::slice::from_ref(claim),
            Guard::EachClaimedBy(claims) => claims,
        };
        for holder in holders {
            match holder {
                None => return Ok(Some(Refused::NotClaimed)),
                Some(holder) if named.contains(holder) => {}
                Some(_) => return Ok(Some(self.other(named).await?)),
            }
        }
        Ok(None)
    }

    /// Why claims that were named do not hold a message that another holds.
    async fn other(&mut self, named: &[ClaimId]) -> Result<Refused, Fail> {
        for claim in named {
            if self.live_claim(*claim).await?.is_some() {
                return Ok(Refused::OtherClaim);
            }
        }
        Ok(Refused::ClaimGone)
    }
}

/// Whether this pool takes a deletion of this size.
///
/// # Errors
/// `TooLarge`.
pub fn check(delete: &Delete) -> Result<()> {
    let claims = if let Guard::EachClaimedBy(claims) = &delete.guard { claims.len() } else { 0 };
    if delete.places.len().max(claims) > MAX_BATCH as usize {
        let text = format!("one deletion names at most {MAX_BATCH} messages in this pool; send several");
        return Err(Error::new(ErrorKind::TooLarge, text));
    }
    Ok(())
}
