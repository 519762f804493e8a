//! Reading messages: listings, and reads by place. All reads of one answer see one moment.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use mongodb::bson::doc;
use sukkal_plugin_sdk::store::Run;
use sukkal_plugin_sdk::store::refusal;
use sukkal_plugin_sdk::{Batch, Call, Key, Lane, List, Message, Place, Posted, QueueRef, Result, Timestamp};

use super::find::Find;
use super::head::Head;
use super::id;
use super::line::Ask;
use super::message::messages;
use super::post::posted;
use super::serve::STEP;
use super::shared::Shared;
use super::state::{State, code};

/// A moment of a queue: what is read in it agrees.
pub struct Moment {
    pub session: mongodb::ClientSession,
    pub head: Head,
    pub now: i64,
}

impl Shared {
    /// A moment in which everything that has fallen due is settled.
    ///
    /// # Errors
    /// `Gone`, `Stale`.
    pub async fn settled(self: &Arc<Self>, call: &Call, queue: &QueueRef) -> Result<Moment> {
        loop {
            let moment = self.moment(queue).await?;
            if moment.head.due > moment.now {
                return Ok(moment);
            }
            drop(moment);
            self.ask(call, queue, Ask::Settle(STEP)).await?;
        }
    }

    /// This moment, settled or not.
    ///
    /// # Errors
    /// `Gone`, `Stale`.
    pub async fn moment(&self, queue: &QueueRef) -> Result<Moment> {
        let mut session = self.server.session(true).await?;
        let (head, now) = self.head(&mut session, queue).await?;
        Ok(Moment { session, head, now })
    }

    /// Reads on from a place.
    ///
    /// # Errors
    /// `Stale`, `Invalid`: another lane than the main one, without its lease.
    pub async fn list(self: &Arc<Self>, call: &Call, queue: &QueueRef, list: &List) -> Result<Batch> {
        let Moment { mut session, head, now } = self.settled(call, queue).await?;
        if list.lane != Lane::Main {
            head.check_fence(list.lane, list.fence)?;
        }
        let mut states = vec![code(list.lane, State::Ready)];
        states.extend((list.lane == Lane::Main).then_some(code(Lane::Main, State::Exhausted)));
        states.extend((list.lane == Lane::Main && list.claimed).then_some(code(Lane::Main, State::Claimed)));
        states.extend(list.delayed.then_some(code(list.lane, State::Delayed)));
        let after = list.after.map_or(-1, |after| i64::try_from(after.0).unwrap_or(i64::MAX));
        // Only where nothing else can come to stand between is a run of one's own worth remembering.
        let client = list.not_from.as_deref();
        let runs = client.filter(|_| !list.claimed && !list.delayed && list.lane == Lane::Main);
        let known = runs.and_then(|client| self.own.get(queue.id(), client));
        let known = known.filter(|run| run.version == head.came_back && run.from <= after && after < run.to);
        let from = known.map_or(after, |run| run.to);
        let mut find = Find::by_place(states, from).limit(i64::from(list.limit.max(1)));
        if let Some(client) = client {
            find = find.with("c", doc! { "$ne": client });
        }
        let found = self.find(&mut session, queue.id(), find).await?;
        let messages = messages(found, now)?;
        if let Some(client) = runs {
            let to = messages.first().map_or(head.last, |first| first.place.0.cast_signed() - 1);
            let run = Run { from: after, to: to.max(from), version: head.came_back, newest: 0 };
            self.own.keep(queue.id(), client, run);
        }
        Ok(Batch { now: Timestamp(now), messages, ..Batch::default() })
    }

    /// Reads messages of the main lane by place, whatever their claim or delay.
    ///
    /// # Errors
    /// `Gone`, `Stale`.
    pub async fn get(&self, queue: &QueueRef, places: &[Place]) -> Result<Batch> {
        let Moment { mut session, now, .. } = self.moment(queue).await?;
        let mut seen = HashSet::with_capacity(places.len());
        let places: Vec<_> = places.iter().filter(|place| seen.insert(**place)).collect();
        let names: Vec<_> = places.iter().map(|place| id::message(queue.id(), Lane::Main, **place)).collect();
        let found = match names.is_empty() {
            true => Vec::new(),
            false => self.find(&mut session, queue.id(), Find::named(names)).await?,
        };
        let mut found: HashMap<Place, Message> =
            messages(found, now)?.into_iter().map(|message| (message.place, message)).collect();
        let messages = places.into_iter().filter_map(|place| found.remove(place)).collect();
        Ok(Batch { now: Timestamp(now), messages, ..Batch::default() })
    }

    /// What a post under this key stored, if its window still runs.
    ///
    /// # Errors
    /// `Conflict`: it was another post.
    pub async fn posted(&self, queue: &QueueRef, key: &Key) -> Result<Option<Posted>> {
        let mut session = self.server.session(true).await?;
        let (head, now) = self.any_head(&mut session, queue.id()).await?;
        if !head.header.dropping {
            refusal::admit(queue, head.header.epoch, head.header.dropping)?;
        }
        let find = Find::named(vec![id::key(queue.id(), key)]);
        let found = self.find(&mut session, queue.id(), find).await?.pop();
        found.map(|known| posted(known, key, now)).transpose().map(Option::flatten)
    }
}
