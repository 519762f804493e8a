//! Reading messages: listings, and reads by place.

use std::collections::HashSet;

use sukkal_plugin_sdk::store::Run;
use sukkal_plugin_sdk::{Batch, Bytes, Call, Error, Lane, List, Message, Place, QueueRef, Result, Timestamp};

use super::post::fence;
use super::shared::{Shared, batch, messages};
use crate::record::{self, NEVER};
use crate::script::SCRIPTS;

/// Messages that one script reads: others wait for it.
const PAGE: u32 = 250;

/// A page of a listing.
struct Page {
    now: Timestamp,
    messages: Vec<Message>,
    /// Where to go on, if the script has looked through as much as it may.
    more: Option<String>,
}

impl Page {
    /// Where to go on, if there may be more.
    fn next(&self, wanted: usize) -> Option<String> {
        let full = self.messages.last().filter(|_| self.messages.len() == wanted);
        self.more.clone().or_else(|| full.map(|last| last.place.0.to_string()))
    }
}

impl Shared {
    /// Reads on from a place.
    ///
    /// # Errors
    /// `Stale`, `Invalid`: another lane than the main one, without its lease.
    pub async fn list(&self, call: &Call, queue: &QueueRef, list: &List) -> Result<Batch> {
        let own = list.not_from.as_deref().map(record::client).transpose()?.unwrap_or_default();
        let mut all = Batch::default();
        let mut after = list.after.map_or_else(|| "-1".to_owned(), |after| after.0.min(NEVER).to_string());
        loop {
            let wanted = (list.limit as usize).saturating_sub(all.messages.len()).min(PAGE as usize);
            let page = self.page(call, queue, list, &own, &after, wanted).await?;
            all.now = page.now;
            let next = page.next(wanted);
            all.messages.extend(page.messages);
            match next {
                Some(next) if all.messages.len() < list.limit as usize => after = next,
                _ => return Ok(all),
            }
        }
    }

    /// What one script reads of a listing.
    async fn page(
        &self,
        call: &Call,
        queue: &QueueRef,
        list: &List,
        own: &[u8],
        after: &str,
        wanted: usize,
    ) -> Result<Page> {
        // Only where nothing else can come to stand between is a run of one's own worth remembering.
        let client = list.not_from.as_deref().filter(|_| !list.claimed && !list.delayed && list.lane == Lane::Main);
        let run = client.and_then(|client| self.own.get(queue.id(), client)).unwrap_or_default();
        let flag = |set| if set { "1" } else { "" };
        let request = self
            .on(&SCRIPTS.list, queue)?
            .arg(list.lane.code())
            .arg(after)
            .arg(wanted)
            .arg(flag(list.claimed))
            .arg(flag(list.delayed))
            .arg(fence(list.fence))
            .arg(own)
            .arg(run.from)
            .arg(run.to)
            .arg(run.version)
            .arg(run.newest);
        let mut reply = self.server.run(call, request).await?;
        let now = Timestamp(reply.int()?);
        let more = reply.bytes()?.filter(|more| !more.is_empty());
        let (to, version, newest) = (number(reply.bytes()?), number(reply.bytes()?), reply.int()?);
        if let (Some(client), Some(to), Some(version)) = (client, to, version) {
            self.own.keep(queue.id(), client, Run { from: after.parse().unwrap_or(-1), to, version, newest });
        }
        let more = more.map(|more| String::from_utf8_lossy(&more).into_owned());
        Ok(Page { now, more, messages: messages(&mut reply, list.lane, now)? })
    }

    /// Reads messages of the main lane by place, whatever their claim or delay.
    ///
    /// # Errors
    /// `Gone`, `Stale`.
    pub async fn get(&self, call: &Call, queue: &QueueRef, places: &[Place]) -> Result<Batch> {
        let mut seen = HashSet::with_capacity(places.len());
        let places: Vec<_> = places.iter().filter(|place| seen.insert(**place)).map(|place| place.0).collect();
        let mut all = Batch::default();
        // At least once, for the epoch.
        for page in places.chunks(PAGE as usize).chain(places.is_empty().then_some(&[NEVER][..])) {
            let request = self.on(&SCRIPTS.get, queue)?.args(page.iter().copied());
            let read = batch(self.server.run(call, request).await?, Lane::Main)?;
            all.now = read.now;
            all.messages.extend(read.messages);
        }
        Ok(all)
    }

    /// Takes the oldest available messages out.
    ///
    /// # Errors
    /// `Gone`, `Stale`.
    pub async fn pop(&self, call: &Call, queue: &QueueRef, limit: u32) -> Result<Batch> {
        if limit == 0 {
            return Err(Error::invalid("the limit must be at least 1"));
        }
        let request = self.on(&SCRIPTS.pop, queue)?.arg(limit.min(super::MAX_BATCH));
        batch(self.server.run(call, request).await?, Lane::Main)
    }
}

fn number(digits: Option<Bytes>) -> Option<i64> {
    std::str::from_utf8(&digits?).ok()?.parse().ok()
}
