//! Lanes are worked under a lease, whose fence rises whenever it changes hands.

use sukkal_plugin_sdk::store::refusal;
use sukkal_plugin_sdk::{Lane, Lease, Leased, Result, Timestamp, millis};

use super::head::Head;
use super::visit::Visit;

impl Head {
    /// Refuses who works a lane under a lease that is no longer theirs.
    ///
    /// # Errors
    /// `Stale`: an old fence. `Invalid`: none.
    pub fn check_fence(&self, lane: Lane, fence: Option<u64>) -> Result<()> {
        let held = &self.leases[lane as usize];
        let fence = fence.ok_or_else(refusal::no_fence)?;
        if held.fence.cast_unsigned() == fence && !held.holder.is_empty() {
            return Ok(());
        }
        Err(refusal::old_fence())
    }
}

impl Visit<'_> {
    /// Takes, renews or gives up the lease of a lane; none, if somebody else holds it.
    pub fn lease(&mut self, lease: &Lease) -> Option<Leased> {
        let now = self.now;
        let until = self.at().after(lease.ttl).0;
        let held = &mut self.head.leases[lease.lane as usize];
        let (own, gives_up) = (held.holder == lease.holder, millis(lease.ttl) == 0);
        let free = held.holder.is_empty() || held.until <= now;
        if !own && (!free || gives_up) {
            return None;
        }
        held.fence += i64::from(!own);
        held.until = until;
        held.holder = if gives_up { String::new() } else { lease.holder.clone() };
        Some(Leased { fence: held.fence.cast_unsigned(), until: Timestamp(until) })
    }
}
