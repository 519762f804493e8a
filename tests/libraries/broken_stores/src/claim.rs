//! Claims and pops.

use std::sync::atomic::Ordering;
use std::time::Duration;

use sukkal_plugin_sdk::{
    Batch, Call, Claim, ClaimId, Claimed, Error, ErrorKind, List, NewClaim, Pool, QueueRef, Release, Renewal, Result,
};

use crate::broken_pool::BrokenPool;

/// Claims.
pub async fn claim(pool: &BrokenPool, call: &Call, queue: &QueueRef, mut claim: NewClaim) -> Result<Claimed> {
    let number = pool.state.claims.fetch_add(1, Ordering::Relaxed);
    match pool.case() {
        "pool.claim.repeated" => claim.id = ClaimId(claim.id.0 ^ u128::from(number)),
        "pool.claim.life" => claim.grace = Duration::ZERO,
        "pool.claim.whole_seconds" => claim.ttl += Duration::from_secs(2),
        "pool.claim.counts" => claim.uncounted = true,
        "pool.claim.extensions" => claim.extensions = Default::default(),
        "pool.claim.expires" => claim.ttl += Duration::from_secs(3600),
        "pool.delay.many" => claim.limit = claim.limit.min(50),
        _ => {}
    }
    if pool.case() == "pool.history.at_once" {
        // Who asks while another is being answered gets the same answer.
        let answer = pool.state.answer(queue);
        let claimed = answer.get_or_try_init(|| pool.inner.claim(call, queue, claim)).await.cloned();
        pool.state.answered(queue);
        return claimed;
    }
    let id = claim.id;
    let mut claimed = pool.inner.claim(call, queue, claim).await?;
    let first = claimed.batch.messages.first().map(|message| message.place);
    match pool.case() {
        "pool.claim.oldest_first" => claimed.batch.messages.reverse(),
        "pool.claim.empty" => claimed.next_due = None,
        // Now and then one message is handed out and not held.
        "pool.claim.exclusive" if number.is_multiple_of(10) && first.is_some() => {
            let release = Release { places: first.map(|place| vec![place]), uncounted: true, ..Release::default() };
            pool.inner.claim_release(call, queue, id, release).await?;
        }
        "pool.dead_letter.last_claim" => pool.inner.claim_release(call, queue, id, Release::default()).await?,
        _ => {}
    }
    Ok(claimed)
}

/// Pops.
pub async fn pop(pool: &BrokenPool, call: &Call, queue: &QueueRef, limit: u32) -> Result<Batch> {
    match pool.case() {
        // Reads, and takes nothing out.
        "pool.pop.takes" => pool.inner.list(call, queue, List { limit, ..List::default() }).await,
        // Gives up before it has come to what is alive.
        "pool.expiry.head" => Ok(Batch::default()),
        _ => pool.inner.pop(call, queue, limit).await,
    }
}

/// Reads a claim.
pub async fn get(pool: &BrokenPool, call: &Call, queue: &QueueRef, id: ClaimId) -> Result<Option<Claim>> {
    if pool.case() == "pool.claim.queues_apart" {
        // Goes by the id alone.
        for queue in pool.state.all() {
            if let Some(claim) = pool.inner.claim_get(call, &queue, id).await? {
                return Ok(Some(claim));
            }
        }
    }
    let claim = pool.inner.claim_get(call, queue, id).await?;
    Ok(match pool.case() {
        "pool.claim.read" => claim.map(|claim| Claim { renewed: claim.now, ..claim }),
        "pool.claim.emptied" => claim.filter(|claim| !claim.messages.is_empty()),
        _ => claim,
    })
}

/// Renews a claim.
pub async fn renew(
    pool: &BrokenPool,
    call: &Call,
    queue: &QueueRef,
    id: ClaimId,
    mut renewal: Renewal,
) -> Result<bool> {
    match pool.case() {
        "pool.claim.renewed" => return Ok(true),
        "pool.claim.renew_some" => renewal.places = None,
        _ => {}
    }
    let renewed = pool.inner.claim_renew(call, queue, id, renewal).await?;
    Ok(renewed || pool.case() == "pool.claim.renew_missing")
}

/// Releases a claim.
pub async fn release(
    pool: &BrokenPool,
    call: &Call,
    queue: &QueueRef,
    id: ClaimId,
    mut release: Release,
) -> Result<()> {
    match pool.case() {
        "pool.claim.released" => return Ok(()),
        "pool.claim.release_delayed" => release.delay = Duration::ZERO,
        "pool.claim.release_some" => release.places = None,
        "pool.claim.release_uncounted" => release.uncounted = false,
        "pool.claim.release_missing" if pool.inner.claim_get(call, queue, id).await?.is_none() => {
            return Err(Error::new(ErrorKind::NotFound, "there is no such claim"));
        }
        _ => {}
    }
    pool.inner.claim_release(call, queue, id, release).await
}
