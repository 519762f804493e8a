//! How deep queues are, for operators: by what the pools count anyway.

use std::time::{Duration, Instant};

use sukkal_plugin_sdk::Call;

use crate::error::{Error, Result};
use crate::name::{self, Kind, Named};
use crate::service::Service;

/// How long looking at a page of queues may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A page of a project's queues.
#[derive(Clone, Debug, Default)]
pub struct Depths {
    /// In the order of their names.
    pub queues: Vec<Depth>,
    /// The last name of the page; the next page goes on after it. None: this is the last page.
    pub next: Option<String>,
    /// How many queues are left out, since their pools did not answer.
    pub unanswered: u64,
}

/// How deep a queue is.
#[derive(Clone, Debug, PartialEq)]
pub struct Depth {
    /// Its name.
    pub queue: String,
    /// Messages that are not claimed: available, or delayed.
    pub free: u64,
    /// Messages that live claims hold.
    pub claimed: u64,
    /// Messages that have used up their claims and wait for their dead letter queue.
    pub exhausted: u64,
    /// The age of the first message, claimed or not; none: the queue is empty.
    pub oldest: Option<Duration>,
}

impl Service {
    /// A page of a project's queues: no more than `limit`, by one count of the pool for each.
    pub(crate) async fn depths(&self, project: &str, after: Option<&str>, limit: u32) -> Result<Depths> {
        if !name::is_project(project) {
            return Err(Error::value("The project id is not valid."));
        }
        let begun = Instant::now();
        let listed = async |call: Call| self.directory.list(&call, Kind::Queue, after, limit).await;
        let listed = self.own_in(project, PATIENCE, listed).await?;
        let full = listed.len() == limit as usize;
        let mut depths =
            Depths { next: listed.last().filter(|_| full).map(|last| last.name.clone()), ..Depths::default() };
        for queue in listed {
            let left = PATIENCE.saturating_sub(begun.elapsed());
            match self.own_in(project, left, async |call| self.depth(&call, queue.name).await).await {
                Ok(depth) => depths.queues.extend(depth),
                Err(error) => {
                    tracing::debug!(%error, project, "a queue's depth is not known");
                    depths.unanswered += 1;
                }
            }
        }
        Ok(depths)
    }

    /// `None`: the queue is gone.
    async fn depth(&self, call: &Call, name: String) -> Result<Option<Depth>> {
        let Some(queue) = self.directory.find(call, Named::queue(&name)).await? else { return Ok(None) };
        let counting =
            self.directory.on(call, queue, |queue| async move { queue.pool()?.stats(call, &queue.reference).await });
        let stats = counting.await?;
        Ok(stats.map(|stats| Depth {
            queue: name,
            free: stats.free.saturating_sub(stats.exhausted),
            claimed: stats.claimed,
            exhausted: stats.exhausted,
            oldest: stats.oldest.map(|oldest| {
                Duration::from_millis(u64::try_from(stats.now.0.saturating_sub(oldest.posted.0)).unwrap_or(0))
            }),
        }))
    }
}
