//! Emptying a queue, and removing it, in steps.

use sukkal_plugin_sdk::{Budget, Lane, Progress, QueueRef, Result};

use super::find::Find;
use super::id;
use super::message::{name, state};
use super::serve::STEP;
use super::state::{CLAIM, EMPTIED, is};
use super::visit::Visit;
use crate::error::Fail;

impl Visit<'_> {
    /// Deletes messages of the main lane, then claims, in a bounded step.
    ///
    /// # Errors
    /// The server's.
    pub async fn purge(&mut self, budget: Budget) -> Result<Progress, Fail> {
        let limit = i64::from(budget.items.clamp(1, STEP));
        let messages = self.find(Find::range(id::lane(self.id(), Lane::Main)).limit(limit).only(&["s"])).await?;
        self.remove(&messages)?;
        self.ahead = None;
        let count = messages.len() as i64;
        let mut claims = Vec::new();
        if count < limit {
            claims = self.find(Find::by_time(vec![CLAIM, EMPTIED]).limit(limit - count).only(&["s"])).await?;
        }
        for claim in &claims {
            let name = name(claim)?.to_owned();
            self.head.emptied -= i64::from(is(claim, EMPTIED));
            self.kept.insert(name.clone(), None);
            self.deletes.push(name);
        }
        // Fewer than allowed means that nothing is left.
        let done = count + (claims.len() as i64) < limit;
        Ok(Progress { done, count: count.cast_unsigned() })
    }

    /// Removes what a dropping queue holds, in a bounded step, and last the queue itself. Done at once
    /// where the header is not dropping, or newer than the caller's record.
    ///
    /// # Errors
    /// The server's.
    pub async fn drop_queue(&mut self, queue: &QueueRef, budget: Budget) -> Result<Progress, Fail> {
        if !self.head.header.dropping || self.head.header.epoch > queue.epoch() {
            return Ok(Progress { done: true, count: 0 });
        }
        let limit = i64::from(budget.items.clamp(1, STEP));
        let found = self.find(Find::range(id::all(self.id())).limit(limit).only(&["s"])).await?;
        let mut count = 0;
        for document in &found {
            if let Ok(of) = state(document) {
                self.head.counts[of] -= 1;
                count += 1;
            }
            self.deletes.push(name(document)?.to_owned());
        }
        let done = (found.len() as i64) < limit;
        self.gone = done;
        Ok(Progress { done, count })
    }
}
