//! Who works a lane.

use sukkal_plugin_sdk::{Error, Lease, Leased, Result};

use crate::visit::Visit;

impl Visit<'_> {
    /// Takes, renews or gives up the lease of a lane. None: somebody else holds it.
    ///
    /// # Errors
    /// `Invalid`: nobody asks.
    pub fn lease(&mut self, lease: &Lease) -> Result<Option<Leased>> {
        if lease.holder.is_empty() {
            return Err(Error::invalid("a lease needs a holder"));
        }
        let held = &mut self.queue.leases[lease.lane as usize];
        let own = held.holder == lease.holder;
        let free = held.holder.is_empty() || held.until <= self.now;
        let gives_up = lease.ttl.is_zero();
        if !own && (!free || gives_up) {
            return Ok(None);
        }
        held.fence += u64::from(!own);
        held.until = self.now.after(lease.ttl);
        held.holder = if gives_up {
            String::new()
        } else {
            lease.holder.clone()
        };
        Ok(Some(Leased {
            fence: held.fence,
            until: held.until,
        }))
    }
}
