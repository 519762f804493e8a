//! Doing more than was asked: what a store without an index does.

use sukkal_plugin_sdk::{Call, Place, Pool, QueueRef, Result};

use crate::broken_pool::BrokenPool;

/// Places that are looked at together: few, so that looking where nothing is left takes its time too.
const PAGE: usize = 16;

/// Looks at all that was ever posted to a queue, or at every queue, before a listing and a claim.
pub async fn look_at_all(pool: &BrokenPool, call: &Call, queue: &QueueRef) -> Result<()> {
    match pool.case() {
        "pool.depth.queues" => {
            for queue in pool.state.all() {
                pool.inner.stats(call, &queue).await?;
            }
        }
        case if case.starts_with("pool.depth.") => {
            let places: Vec<Place> = (1..=pool.state.newest(queue).0).map(Place).collect();
            for page in places.chunks(PAGE) {
                pool.inner.get(call, queue, page.to_vec()).await?;
            }
        }
        _ => {}
    }
    Ok(())
}
