//! Moving messages that have used up their claims to their dead letter queue, in the transaction of
//! both queues.

use std::time::Duration;

use mongodb::bson::{Document, doc};
use sukkal_plugin_sdk::{Lane, Message, MessageId, Origin, Place, QueueRef, Reason, Result, Swept, Timestamp};

use super::find::Find;
use super::head::{Head, difference};
use super::message;
use super::state::{State, code};
use super::visit::{Visit, lock};
use crate::error::Fail;

/// How long after messages could not move it is tried again, in ms.
const TRY_AGAIN: i64 = 5_000;

impl Visit<'_> {
    /// Moves at most so many; how many.
    ///
    /// # Errors
    /// The server's.
    pub async fn bury(&mut self, limit: u32, swept: &mut Swept) -> Result<u32, Fail> {
        let waiting = self.head.counts[(Lane::Main, State::Exhausted)];
        let Some(rule) = self.head.header.dead_letter.clone() else { return Ok(0) };
        if waiting <= 0 || self.head.again > self.now || limit == 0 {
            return Ok(0);
        }
        let Some(mut target) = self.target(&rule.queue).await? else {
            self.head.again = self.now + TRY_AGAIN;
            self.head.due = self.first_due().await?;
            swept.stuck += waiting.cast_unsigned();
            return Ok(0);
        };
        let before = target.document();
        let exhausted = vec![code(Lane::Main, State::Exhausted)];
        let found = self.find(Find::by_place(exhausted, -1).limit(limit.into())).await?;
        self.remove(&found)?;
        let count = found.len() as u32;
        for letter in message::messages(found, self.now)? {
            let letter = self.letter(letter, &mut target, rule.ttl);
            self.inserts.push(letter);
        }
        if let Some(change) = difference(&before, &target.document()) {
            let filter = doc! { "_id": target.id.text(), "q": target.id.text() };
            self.shared.documents.update_one(filter, change).session(&mut *self.session).await?;
        }
        swept.moved += u64::from(count);
        self.head.due = self.first_due().await?;
        Ok(count)
    }

    /// The dead letter queue, locked too; none, if it is gone.
    async fn target(&mut self, queue: &QueueRef) -> Result<Option<Head>, Fail> {
        if queue.id() == self.id() {
            return Ok(None);
        }
        self.flush().await?;
        let found = lock(self.shared, self.session, queue.id()).await?;
        Ok(found.map(|(head, _)| head).filter(|head| !head.header.dropping))
    }

    /// A new message that knows where it came from.
    fn letter(&self, old: Message, target: &mut Head, ttl: Option<Duration>) -> Document {
        let now = self.at();
        let expires = ttl.map_or(old.expires, |ttl| now.after(ttl));
        target.last += 1;
        target.counts[(Lane::Main, State::Ready)] += 1;
        target.due = target.due.min(expires.0);
        target.stirred += 1;
        let origin = Origin {
            label: self.head.header.label.clone(),
            id: MessageId { queue: self.id(), place: old.place },
            claims: old.claims,
            reason: Reason::ClaimsExhausted,
        };
        let letter = Message {
            place: Place(target.last.cast_unsigned()),
            posted: now,
            ttl: expires.since(now),
            expires,
            due: now,
            claim: None,
            claimed_until: Timestamp(0),
            claims: 0,
            origin: Some(origin),
            ..old
        };
        message::document(target.id, &letter, State::Ready)
    }
}
