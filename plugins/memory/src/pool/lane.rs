//! The lanes beside the main one: who works them, and where there is work.

use sukkal_plugin_sdk::store::refusal;
use sukkal_plugin_sdk::{Error, KnownQueue, Lane, Lease, Leased, QueueId, Result, Swept, Timestamp};

use super::queue::Visit;
use super::settle::STEP;
use super::shared::Shared;
use crate::pause::pause;

/// The lease of a lane.
#[derive(Default)]
pub struct Held {
    /// Empty when it was given up.
    holder: String,
    fence: u64,
    until: Timestamp,
}

impl Visit<'_> {
    /// Refuses who works a lane under a lease that is no longer theirs. One that has merely run
    /// out, and that nobody has taken since, still holds.
    ///
    /// # Errors
    /// `Invalid`: no fence. `Stale`: an older one, or one that was given up.
    pub fn check_fence(&self, lane: Lane, fence: Option<u64>) -> Result<()> {
        let held = &self.contents.leases[lane as usize];
        match fence {
            None => Err(refusal::no_fence()),
            Some(fence) if fence == held.fence && !held.holder.is_empty() => Ok(()),
            Some(_) => Err(refusal::old_fence()),
        }
    }

    /// Takes, renews or gives up the lease of a lane.
    ///
    /// # Errors
    /// `Invalid`: nobody asks.
    pub fn lease(&mut self, lease: &Lease) -> Result<Option<Leased>> {
        if lease.holder.is_empty() {
            return Err(Error::invalid("a lease needs a holder"));
        }
        let now = self.now;
        let held = &mut self.contents.leases[lease.lane as usize];
        let own = held.holder == lease.holder;
        let free = held.holder.is_empty() || held.until <= now;
        let gives_up = lease.ttl.is_zero();
        if !own && (!free || gives_up) {
            return Ok(None);
        }
        held.fence += u64::from(!own);
        held.until = now.after(lease.ttl);
        held.holder = if gives_up { String::new() } else { lease.holder.clone() };
        Ok(Some(Leased { fence: held.fence, until: held.until }))
    }
}

/// Queues that have due entries in a lane, by id.
pub async fn due(pool: &Shared, lane: Lane, after: Option<QueueId>, limit: u32) -> Vec<KnownQueue> {
    wake(pool, lane).await;
    let limit = limit as usize;
    let (mut found, mut after) = (Vec::new(), after);
    while found.len() < limit {
        let ids = pool.agenda.lane(lane).ready_after(after, limit - found.len());
        let Some(last) = ids.last() else { break };
        after = Some(*last);
        // One that is being dropped has no entries for anybody.
        let known = ids.iter().filter_map(|id| pool.find(*id));
        found.extend(known.filter_map(|queue| {
            let contents = queue.lock();
            (!contents.header.dropping).then(|| contents.known(queue.id))
        }));
    }
    found
}

/// Settles queues in which entries of a lane have fallen due since.
async fn wake(pool: &Shared, lane: Lane) {
    let now = pool.host.now();
    loop {
        let next = pool.agenda.lane(lane).waking.take_due(now);
        let Some(id) = next else { return };
        pool.visit_any(id, |visit| {
            visit.strike_waking(lane);
            visit.settle(STEP, &mut Swept::default());
        });
        pause().await;
    }
}
