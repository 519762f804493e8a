//! Queues: all that there are, those whose lanes have work, and those in which something has fallen due.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use futures_util::TryStreamExt;
use mongodb::bson::{Document, doc};
use mongodb::options::Hint;
use sukkal_plugin_sdk::{Budget, Call, ErrorKind, KnownQueue, Lane, QueueId, QueueRef, Result, Swept};

use super::head::Head;
use super::line::{Answer, Ask};
use super::serve::STEP;
use super::shared::Shared;
use crate::error::unexpected;

/// Queues that one sweep takes at the most before it looks which are due then.
const LOOK: i64 = 64;

impl Shared {
    /// The queues that have headers, ordered by id.
    ///
    /// # Errors
    /// The server's.
    pub async fn queues(&self, call: &Call, after: Option<QueueId>, limit: u32) -> Result<Vec<KnownQueue>> {
        self.known(call, "h", "headers", after, limit).await
    }

    /// The queues that have something ready in a lane, ordered by id.
    ///
    /// # Errors
    /// The server's.
    pub async fn due(
        self: &Arc<Self>,
        call: &Call,
        lane: Lane,
        after: Option<QueueId>,
        limit: u32,
    ) -> Result<Vec<KnownQueue>> {
        // What has fallen due since the last sweep counts.
        let budget = Budget { items: STEP, time: self.server.left(call) / 2 };
        while self.sweep(call, budget).await?.more {}
        match lane {
            Lane::Outbox => self.known(call, "l1", "outbox", after, limit).await,
            Lane::Retry => self.known(call, "l2", "retry", after, limit).await,
            // Everybody looks into the main lane by themselves.
            Lane::Main => Ok(Vec::new()),
        }
    }

    async fn known(
        &self,
        call: &Call,
        field: &str,
        index: &str,
        after: Option<QueueId>,
        limit: u32,
    ) -> Result<Vec<KnownQueue>> {
        let after = after.map(QueueId::text).unwrap_or_default();
        let find = self.documents.find(doc! { field: { "$gt": after } }).sort(doc! { field: 1 });
        let find = find.limit(limit.max(1).into()).hint(Hint::Name(index.to_owned()));
        let read = async { find.await?.try_collect::<Vec<Document>>().await };
        let found = self.server.read(call, Box::pin(read)).await?;
        found.into_iter().map(|document| Ok(Head::read(document)?.known())).collect()
    }

    /// Settles queue by queue, the one that fell due first before others, within a budget.
    ///
    /// # Errors
    /// The server's.
    pub async fn sweep(self: &Arc<Self>, call: &Call, budget: Budget) -> Result<Swept> {
        let (start, mut left) = (Instant::now(), budget.items.max(1));
        let (mut all, mut held) = (Swept::default(), HashSet::new());
        loop {
            let mut due = self.fallen_due(call).await?;
            due.retain(|queue| !held.contains(&queue.id()));
            if due.is_empty() {
                return Ok(all);
            }
            // Hosts sweep side by side: each begins with another queue, so that few meet.
            let first = rand::random_range(0..due.len());
            due.rotate_left(first);
            for queue in due {
                if left == 0 || start.elapsed() >= budget.time {
                    // A queue that is held takes up the time of a sweep. Another begins elsewhere, a while later.
                    all.more = held.is_empty();
                    return Ok(all);
                }
                let swept = match self.ask(call, &queue, Ask::Settle(left.min(STEP))).await {
                    Ok(Answer::Swept(swept)) => swept,
                    Ok(_) => Swept::default(),
                    // Somebody else is at work in it, and settles it on the way; or was, and it is tried again.
                    Err(error) if error.kind == ErrorKind::TimedOut => {
                        held.insert(queue.id());
                        Swept::default()
                    }
                    Err(error) => return Err(error),
                };
                all.expired += swept.expired;
                all.freed += swept.freed;
                all.moved += swept.moved;
                all.stuck += swept.stuck;
                // A queue counts even if nothing was to be done there, so that this comes to an end.
                let done = swept.expired + swept.freed + swept.moved;
                left = left.saturating_sub(u32::try_from(done).unwrap_or(u32::MAX).max(1));
            }
        }
    }

    /// Some queues in which something has fallen due, by the server's clock.
    async fn fallen_due(&self, call: &Call) -> Result<Vec<QueueRef>> {
        let look = vec![
            doc! { "$match": { "d": { "$exists": true } } },
            doc! { "$sort": { "d": 1 } },
            doc! { "$limit": LOOK },
            doc! { "$project": { "d": 1, "now": "$$NOW" } },
        ];
        let read = async {
            let cursor = self.documents.aggregate(look).hint(Hint::Name("due".to_owned())).await?;
            cursor.try_collect::<Vec<Document>>().await
        };
        let mut due = Vec::new();
        for header in self.server.read(call, Box::pin(read)).await? {
            let now = header.get_datetime("now").map_err(unexpected)?.timestamp_millis() + self.server.host().shift();
            if header.get_i64("d").map_err(unexpected)? <= now {
                let id: QueueId = header.get_str("_id").map_err(unexpected)?.parse().map_err(unexpected)?;
                due.push(id.into());
            }
        }
        Ok(due)
    }
}
