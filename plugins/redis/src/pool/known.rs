//! Queues of all placements, by id.

use futures_util::future::try_join_all;
use sukkal_plugin_sdk::{Call, KnownQueue, Lane, QueueId, QueueRef, Result};

use super::shared::Shared;
use crate::error;
use crate::keys::Tag;
use crate::script::{Request, SCRIPTS, Step};

/// The least that is asked of one placement.
const LEAST: u32 = 4;

/// A page of one placement.
struct Page {
    queues: Vec<Found>,
    /// Where it goes on, if there may be more.
    last: Option<QueueId>,
}

/// What becomes of a placement that a cluster is moving to another node.
#[derive(Clone, Copy)]
enum Moving {
    /// It is waited for.
    Awaited,
    /// It is left out, to be asked another time.
    LeftOut,
}

struct Found {
    queue: KnownQueue,
    dropping: bool,
}

impl Shared {
    /// The queues that have a header.
    ///
    /// # Errors
    /// The server fails.
    pub async fn queues(&self, call: &Call, after: Option<QueueId>, limit: u32) -> Result<Vec<KnownQueue>> {
        let ask = |tag| self.on_tag(&SCRIPTS.queues, tag);
        let found = self.merged(call, after, limit, Moving::Awaited, ask).await?;
        Ok(found.into_iter().map(|found| found.queue).take(limit as usize).collect())
    }

    /// Queues that have due entries in a lane. One that is being dropped has none for anybody.
    ///
    /// # Errors
    /// The server fails.
    pub async fn due(&self, call: &Call, lane: Lane, after: Option<QueueId>, limit: u32) -> Result<Vec<KnownQueue>> {
        let ask = |tag| self.on_tag(&SCRIPTS.due, tag).arg(lane.code());
        let mut after = after;
        loop {
            let page = self.merged(call, after, limit, Moving::LeftOut, ask).await?;
            after = page.last().map(|found| found.queue.queue.id());
            let alive = page.into_iter().filter(|found| !found.dropping).map(|found| found.queue);
            let alive: Vec<_> = alive.take(limit as usize).collect();
            // An empty page means the end.
            if !alive.is_empty() || after.is_none() {
                return Ok(alive);
            }
        }
    }

    /// Pages of all placements, joined in the order of ids: at least `limit` queues, unless there are
    /// fewer.
    async fn merged(
        &self,
        call: &Call,
        after: Option<QueueId>,
        limit: u32,
        moving: Moving,
        ask: impl Fn(Tag) -> Request + Copy,
    ) -> Result<Vec<Found>> {
        let tags = self.tags.in_use(self, call).await?;
        let each = (limit / tags.len().max(1) as u32 * 2).clamp(LEAST, limit.max(LEAST));
        let (mut found, mut after) = (Vec::new(), after);
        while found.len() < limit as usize {
            let page = |tag: &Tag| {
                let request = ask(*tag).arg(after.map_or_else(String::new, QueueId::text)).arg(each);
                self.page_of_tag(call, *tag, request, each, moving)
            };
            let pages = try_join_all(tags.iter().map(page)).await?;
            // Beyond the end of a page that is cut there may be queues that belong in between.
            let cut = pages.iter().filter_map(|page| page.last).min();
            let within = |queue: &Found| cut.is_none_or(|cut| queue.queue.queue.id() <= cut);
            let mut joined: Vec<_> = pages.into_iter().flat_map(|page| page.queues).filter(within).collect();
            joined.sort_by_key(|queue| queue.queue.queue.id());
            found.extend(joined);
            if cut.is_none() {
                break;
            }
            after = cut;
        }
        Ok(found)
    }

    async fn page_of_tag(&self, call: &Call, tag: Tag, request: Request, limit: u32, moving: Moving) -> Result<Page> {
        let mut reply = match moving {
            Moving::Awaited => self.server.run(call, request).await?,
            Moving::LeftOut => loop {
                match self.server.step(call, &request).await? {
                    Step::Done(reply) => break reply,
                    Step::Again => {}
                    Step::Moving(_) => return Ok(Page { queues: Vec::new(), last: None }),
                }
            },
        };
        let count = reply.count()?;
        let (mut queues, mut last) = (Vec::new(), None);
        while !reply.is_empty() {
            let id = reply.bytes()?.and_then(|id| std::str::from_utf8(&id).ok()?.parse().ok());
            let id: QueueId = id.ok_or_else(|| error::unexpected("no id"))?;
            let (epoch, label, dropping) = (reply.bytes()?, reply.bytes()?, reply.bytes()?);
            last = Some(id);
            // It may be on its way out of the index.
            let Some(epoch) = epoch.and_then(|epoch| std::str::from_utf8(&epoch).ok()?.parse().ok()) else { continue };
            let queue = QueueRef::new(id, epoch, tag.token());
            let queue = KnownQueue { queue, label: label.unwrap_or_default(), extensions: Default::default() };
            queues.push(Found { queue, dropping: dropping.is_some() });
        }
        Ok(Page { queues, last: last.filter(|_| count >= u64::from(limit)) })
    }
}
