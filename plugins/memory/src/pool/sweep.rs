//! Settling what has fallen due in any queue.

use std::time::Instant;

use sukkal_plugin_sdk::{Budget, QueueId, Swept};

use super::dead_letter::{self, Moved};
use super::settle::STEP;
use super::shared::Shared;
use crate::pause::pause;

/// Settles queue by queue, the one that fell due first before others, within a budget.
pub async fn sweep(pool: &Shared, budget: Budget) -> Swept {
    let (start, mut left) = (Instant::now(), budget.items.max(1) as usize);
    let mut swept = Swept::default();
    loop {
        let next = pool.agenda.sweeps().take_due(pool.host.now());
        let Some(id) = next else { return swept };
        // A queue counts even if nothing was to be done there, so that this comes to an end.
        left = left.saturating_sub(step(pool, id, left.min(STEP), &mut swept).max(1));
        if left == 0 || start.elapsed() >= budget.time {
            let now = pool.host.now();
            swept.more = pool.agenda.sweeps().first().is_some_and(|date| date <= now);
            return swept;
        }
        pause().await;
    }
}

fn step(pool: &Shared, id: QueueId, limit: usize, swept: &mut Swept) -> usize {
    let settled = pool.visit_any(id, |visit| {
        visit.strike_sweep();
        let done = visit.settle(limit, swept);
        (done, visit.contents.has_dead_letters() && visit.contents.move_again <= visit.now)
    });
    let (done, moves) = settled.unwrap_or_default();
    let (moved, expired) = dead_letter::move_parting(pool, id);
    swept.moved += moved;
    swept.expired += expired;
    if !moves {
        return done;
    }
    match dead_letter::step(pool, id, (limit - done).max(1)) {
        Moved::Some(moved) => {
            swept.moved += moved as u64;
            done + moved
        }
        Moved::Stuck(stuck) => {
            swept.stuck += stuck;
            done
        }
    }
}
