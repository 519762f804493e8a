//! Counting: a queue, and all that the pool holds.

use std::sync::Arc;

use futures_util::TryStreamExt;
use mongodb::bson::{Document, doc};
use mongodb::options::Hint;
use sukkal_plugin_sdk::{Call, Lane, QueueRef, Result, Spot, Stats, Timestamp, Usage};

use super::find::Find;
use super::list::Moment;
use super::message::{number, place};
use super::shared::Shared;
use super::state::{Counts, MAIN, State, code};

impl Shared {
    /// The counts of a queue's main lane: its header has them.
    ///
    /// # Errors
    /// `Gone`, `Stale`.
    pub async fn stats(self: &Arc<Self>, call: &Call, queue: &QueueRef) -> Result<Stats> {
        let Moment { mut session, head, now } = self.settled(call, queue).await?;
        let count = |state| u64::try_from(head.counts[(Lane::Main, state)]).unwrap_or(0);
        let states = || MAIN.map(|state| code(Lane::Main, state)).to_vec();
        let exhausted = count(State::Exhausted);
        let mut ends = Vec::new();
        for find in [Find::by_place(states(), -1).limit(1), Find::newest(states())] {
            let found = self.find(&mut session, queue.id(), find.only(&["p", "a"])).await?;
            ends.push(found.first().map(spot).transpose()?);
        }
        Ok(Stats {
            now: Timestamp(now),
            free: count(State::Ready) + count(State::Delayed) + exhausted,
            claimed: count(State::Claimed),
            exhausted,
            oldest: ends.first().copied().flatten(),
            newest: ends.last().copied().flatten(),
            ..Stats::default()
        })
    }

    /// What the pool holds in all: the sum of what the headers say. Expired messages count until they
    /// are swept.
    ///
    /// # Errors
    /// The server's.
    pub async fn usage(&self, call: &Call) -> Result<Usage> {
        let headers = vec![doc! { "$match": { "h": { "$gt": "" } } }, doc! { "$project": { "n": 1 } }];
        let read = async {
            let cursor = self.documents.aggregate(headers).hint(Hint::Name("headers".to_owned())).await?;
            cursor
                .try_fold((0, 0), |(queues, messages), header| async move {
                    let counts = header.get_document("n").map(Counts::read).unwrap_or_default();
                    Ok((queues + 1, messages + counts.all()))
                })
                .await
        };
        let (queues, messages) = self.server.read(call, Box::pin(read)).await?;
        Ok(Usage { queues, messages: u64::try_from(messages).unwrap_or(0), ..Usage::default() })
    }
}

fn spot(document: &Document) -> Result<Spot> {
    Ok(Spot { place: place(document)?, posted: Timestamp(number(document, "a")?) })
}
