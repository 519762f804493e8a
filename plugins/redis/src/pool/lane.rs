//! The lanes beside the main one: who works them.

use sukkal_plugin_sdk::{Call, Error, Lease, Leased, QueueRef, Result};

use super::shared::Shared;
use crate::record::{instant, ms};
use crate::script::SCRIPTS;

impl Shared {
    /// Takes, renews or gives up the lease of a lane.
    ///
    /// # Errors
    /// `Invalid`: nobody asks.
    pub async fn lease(&self, call: &Call, queue: &QueueRef, lease: &Lease) -> Result<Option<Leased>> {
        if lease.holder.is_empty() {
            return Err(Error::invalid("a lease needs a holder"));
        }
        let request = self.on(&SCRIPTS.lease, queue)?.arg(lease.lane.code()).arg(&lease.holder).arg(ms(lease.ttl));
        let mut reply = self.server.run(call, request).await?;
        if reply.is_empty() {
            return Ok(None);
        }
        Ok(Some(Leased { fence: reply.count()?, until: instant(reply.int()?) }))
    }
}
