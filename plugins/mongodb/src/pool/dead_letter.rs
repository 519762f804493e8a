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
/// A dead letter lives at least so long: its own end may have come.
const LEAST_LIFE: Duration = Duration::from_secs(60);

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
        let exhausted = vec![code(Lane::Main, State::Exhausted)];
        let found = self.find(Find::by_place(exhausted, -1).limit(limit.into())).await?;
        let count = found.len() as u32;
        self.move_to(&mut target, found, rule.ttl).await?;
        swept.moved += u64::from(count);
        self.head.due = self.first_due().await?;
        Ok(count)
    }

    /// Moves messages, by name, that had used up their claims when their end came. Where that cannot be, they
    /// expire as any other.
    ///
    /// # Errors
    /// The server's.
    pub async fn part(&mut self, names: Vec<String>, swept: &mut Swept) -> Result<(), Fail> {
        if names.is_empty() {
            return Ok(());
        }
        let found = self.find(Find::named(names)).await?;
        let rule = self.head.header.dead_letter.clone();
        let target = match &rule {
            Some(rule) => self.target(&rule.queue).await?,
            None => None,
        };
        let (Some(rule), Some(mut target)) = (rule, target) else {
            swept.expired += found.len() as u64;
            self.remove(&found)?;
            return Ok(());
        };
        swept.moved += found.len() as u64;
        self.move_to(&mut target, found, rule.ttl).await
    }

    async fn move_to(&mut self, target: &mut Head, found: Vec<Document>, ttl: Option<Duration>) -> Result<(), Fail> {
        let before = target.document();
        self.remove(&found)?;
        // As of no time: the end of some may have come.
        for letter in message::messages(found, i64::MIN)? {
            let letter = self.letter(letter, target, ttl);
            self.inserts.push(letter);
        }
        if let Some(change) = difference(&before, &target.document()) {
            let filter = doc! { "_id": target.id.text(), "q": target.id.text() };
            self.shared.documents.update_one(filter, change).session(&mut *self.session).await?;
        }
        Ok(())
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
        let expires = ttl.map_or_else(|| old.expires.max(now.after(LEAST_LIFE)), |ttl| now.after(ttl));
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
