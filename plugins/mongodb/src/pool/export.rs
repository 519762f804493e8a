//! A whole queue, page by page, and taking such pages in.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use mongodb::bson::{Bson, Document, doc};
use sukkal_plugin_sdk::{Bytes, Call, Claim, ClaimId, Cursor, Error, Export, Message, Place, QueueRef, Result, millis};

use super::find::Find;
use super::list::Moment;
use super::message::{self, messages, name};
use super::shared::Shared;
use super::state::{CLAIM, State};
use super::visit::Visit;
use super::{claim_get, id};
use crate::error::Fail;
use crate::server::binary;

/// Messages of one page.
const PAGE: usize = 200;

impl Shared {
    /// One page of the queue.
    ///
    /// # Errors
    /// `Invalid`: a cursor of another pool.
    pub async fn export(self: &Arc<Self>, call: &Call, queue: &QueueRef, from: &Cursor) -> Result<Export> {
        if !from.is_empty() && !id::is_message(queue.id(), from) {
            return Err(Error::invalid("the cursor is none of this pool's"));
        }
        let Moment { mut session, head, now } = self.settled(call, queue).await?;
        let from = if from.is_empty() { queue.id().text() } else { String::from_utf8_lossy(from).into_owned() };
        let range = doc! { "$gt": from, "$lt": format!("{}3", queue.id()) };
        let found = self.find(&mut session, queue.id(), Find::range(range).limit(PAGE as i64)).await?;
        let last = found.last().map(name).transpose()?.map(str::to_owned);
        let next = last.filter(|_| found.len() == PAGE).map(Bytes::from);
        let messages = messages(found, now)?;
        let held: HashSet<ClaimId> = messages.iter().filter_map(|message| message.claim).collect();
        let mut claims = Vec::new();
        for claim in held {
            let find = Find::named(vec![id::claim(queue.id(), claim)]);
            if let Some(known) = self.find(&mut session, queue.id(), find).await?.pop() {
                claims.push(claim_get::read(known, claim, now)?);
            }
        }
        let next_place = Place(head.last.cast_unsigned() + 1);
        Ok(Export { messages, claims, next_place, next, ..Export::default() })
    }
}

impl Visit<'_> {
    /// Takes in one page. What is there already stays as it is.
    ///
    /// # Errors
    /// The server's.
    pub async fn import(&mut self, page: &Export) -> Result<(), Fail> {
        self.head.last = self.head.last.max(last_place(page)?);
        let names = page.messages.iter().map(|message| id::message(self.id(), message.lane, message.place)).collect();
        let there = self.find(Find::named(names).only(&["s"])).await?;
        let there: HashSet<_> = there.iter().map(name).collect::<Result<_>>()?;
        for message in &page.messages {
            if there.contains(id::message(self.id(), message.lane, message.place).as_str()) {
                continue;
            }
            let state = match message.claim {
                Some(_) => State::Claimed,
                None if message.due.0 > self.now => State::Delayed,
                None => State::Ready,
            };
            self.head.counts[(message.lane, state)] += 1;
            self.inserts.push(message::document(self.id(), message, state));
        }
        let mut held = HashMap::<ClaimId, Vec<&Message>>::new();
        for message in &page.messages {
            if let Some(claim) = message.claim {
                held.entry(claim).or_default().push(message);
            }
        }
        for claim in &page.claims {
            self.import_claim(claim, held.get(&claim.id).map(Vec::as_slice).unwrap_or_default()).await?;
        }
        // Some may have had all the claims that the rule of this queue allows.
        if self.head.header.dead_letter.is_some() {
            self.head.recheck = Some(-1);
        }
        self.head.came_back += 1;
        self.falls_due(self.now);
        self.stir();
        Ok(())
    }

    async fn import_claim(&mut self, claim: &Claim, held: &[&Message]) -> Result<(), Fail> {
        let name = id::claim(self.id(), claim.id);
        let mut places: Vec<i64> = held.iter().map(|message| message.place.0.cast_signed()).collect();
        // Later than its ttl says where single messages were renewed.
        let until = held.iter().map(|message| message.claimed_until.0).max().unwrap_or(0);
        let mut ends = claim.renewed.after(claim.ttl).0.max(until);
        // A claim can have messages on several pages.
        if let Some(known) = self.kept(name.clone()).await? {
            let before = known.get_array("places").map(Vec::as_slice).unwrap_or_default();
            places.extend(before.iter().filter_map(Bson::as_i64));
            ends = ends.max(known.get_i64("t").unwrap_or(0));
        }
        places.sort_unstable();
        places.dedup();
        let mut document: Document = doc! {
            "_id": &name,
            "q": self.id().text(),
            "s": CLAIM,
            "t": ends,
            "a": claim.renewed.0,
            "y": millis(claim.ttl),
            "n": places.len() as i64,
            "places": places,
        };
        if !claim.extensions.is_empty() {
            document.insert("o", binary(claim.extensions.to_bytes()));
        }
        self.put(name, document).await
    }
}

/// The last place of a page, or before those that are still to be given out.
fn last_place(page: &Export) -> Result<i64> {
    let last = page.messages.iter().map(|message| message.place.0).max().unwrap_or(0);
    let last = last.max(page.next_place.0.saturating_sub(1));
    let last = i64::try_from(last).ok().filter(|last| *last < i64::MAX);
    last.ok_or_else(|| Error::invalid("the page holds places that this pool cannot have"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_that_do_not_fit_are_refused() {
        let page = |next| Export { next_place: Place(next), ..Export::default() };
        assert_eq!(last_place(&page(8)).ok(), Some(7));
        assert!(last_place(&page(u64::MAX)).is_err());
    }
}
