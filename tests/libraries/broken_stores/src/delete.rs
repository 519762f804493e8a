//! Deleting messages.

use sukkal_plugin_sdk::{Call, Delete, Deleted, Guard, Pool, QueueRef, Refused, Result};

use crate::broken_pool::BrokenPool;

/// Deletes.
pub async fn delete(pool: &BrokenPool, call: &Call, queue: &QueueRef, mut delete: Delete) -> Result<Deleted> {
    match (pool.case(), &delete.guard) {
        ("pool.delete.any", Guard::Any) | ("pool.delete.with_claim", Guard::Claim(_)) => {
            delete.guard = Guard::Unclaimed;
        }
        ("pool.delete.unclaimed", Guard::Unclaimed)
        | ("pool.delete.refused", Guard::Claim(_))
        | ("pool.delete.all_or_none", Guard::EachClaimedBy(_)) => delete.guard = Guard::Any,
        ("pool.lane.fence", _) => delete.fence = pool.state.fence(queue, delete.lane).or(delete.fence),
        _ => {}
    }
    let deleted = pool.inner.delete(call, queue, delete).await?;
    if pool.case() == "pool.delete.missing" && deleted.count == 0 {
        return Ok(Deleted { refused: Some(Refused::NotClaimed), ..deleted });
    }
    Ok(deleted)
}
