//! Somebody at work in a queue, in a transaction that nobody else's can overlap.

use std::collections::HashMap;

use futures_util::TryStreamExt;
use mongodb::ClientSession;
use mongodb::bson::{Document, doc};
use mongodb::options::{Hint, ReturnDocument};
use sukkal_plugin_sdk::store::refusal;
use sukkal_plugin_sdk::{Lane, QueueId, QueueRef, Result, Timestamp};

use super::find::{BY_NAME, Find};
use super::head::{Head, difference};
use super::message::{name, state};
use super::shared::Shared;
use super::state::State;
use super::take::Ahead;
use crate::error::{Fail, unexpected};

/// A visit to a queue. What it inserts and deletes is written by [`Visit::flush`], together.
pub struct Visit<'v> {
    pub shared: &'v Shared,
    pub session: &'v mut ClientSession,
    pub head: Head,
    /// The server's clock.
    pub now: i64,
    /// The header as it is stored; none, if it is not yet.
    before: Option<Document>,
    pub inserts: Vec<Document>,
    pub deletes: Vec<String>,
    /// Ready messages that were read ahead of being taken.
    pub ahead: Option<Ahead>,
    /// How many messages those ask for that are still to be served.
    pub wanted: i64,
    /// Claims and keys that were read or written, by name; none where there is no such document.
    pub kept: HashMap<String, Option<Document>>,
    /// Something that was answered must be as durable as if it had been written now.
    pub confirms: bool,
    /// The queue is removed.
    pub gone: bool,
}

impl<'v> Visit<'v> {
    /// Enters a queue: its header is written first, so of two visits one has to begin anew. None,
    /// where there is no header.
    ///
    /// # Errors
    /// The server's.
    pub async fn enter(
        shared: &'v Shared,
        session: &'v mut ClientSession,
        id: QueueId,
    ) -> Result<Option<Visit<'v>>, Fail> {
        let Some((head, now)) = lock(shared, session, id).await? else { return Ok(None) };
        let before = Some(head.document());
        Ok(Some(Visit::of(shared, session, head, before, now)))
    }

    /// Makes a queue.
    pub fn new(shared: &'v Shared, session: &'v mut ClientSession, queue: &QueueRef) -> Visit<'v> {
        // Nothing of a new queue asks for the time.
        Visit::of(shared, session, Head::new(queue), None, 0)
    }

    fn of(
        shared: &'v Shared,
        session: &'v mut ClientSession,
        head: Head,
        before: Option<Document>,
        now: i64,
    ) -> Visit<'v> {
        Visit {
            shared,
            session,
            head,
            now,
            before,
            inserts: Vec::new(),
            deletes: Vec::new(),
            ahead: None,
            wanted: 0,
            kept: HashMap::new(),
            confirms: false,
            gone: false,
        }
    }

    /// The queue.
    pub fn id(&self) -> QueueId {
        self.head.id
    }

    /// The server's clock.
    pub fn at(&self) -> Timestamp {
        Timestamp(self.now)
    }

    /// Refuses a caller that acts on another record than the header's.
    ///
    /// # Errors
    /// `Gone`, `Stale`.
    pub fn admit(&self, queue: &QueueRef) -> Result<()> {
        refusal::admit(queue, self.head.header.epoch, self.head.header.dropping)
    }

    /// Ends the visit; true if it has changed anything.
    ///
    /// # Errors
    /// The server's.
    pub async fn finish(mut self) -> Result<bool, Fail> {
        let wrote = self.flush().await? || self.confirms;
        if self.gone {
            self.shared.documents.delete_one(self.header()).session(&mut *self.session).await?;
            return Ok(true);
        }
        let after = self.head.document();
        match &self.before {
            None => {
                self.shared.documents.insert_one(after).session(&mut *self.session).await?;
                Ok(true)
            }
            Some(before) => match difference(before, &after) {
                Some(change) => {
                    self.shared.documents.update_one(self.header(), change).session(&mut *self.session).await?;
                    Ok(true)
                }
                None => Ok(wrote),
            },
        }
    }

    fn header(&self) -> Document {
        doc! { "_id": self.id().text(), "q": self.id().text() }
    }

    /// Writes what is to be deleted and inserted; true if there was anything.
    ///
    /// # Errors
    /// The server's.
    pub async fn flush(&mut self) -> Result<bool, Fail> {
        let wrote = !self.deletes.is_empty() || !self.inserts.is_empty();
        if !self.deletes.is_empty() {
            let names = std::mem::take(&mut self.deletes);
            let filter = self.named(names);
            let delete = self.shared.documents.delete_many(filter).hint(Hint::Name(BY_NAME.to_owned()));
            delete.session(&mut *self.session).await?;
        }
        if !self.inserts.is_empty() {
            let documents = std::mem::take(&mut self.inserts);
            self.shared.documents.insert_many(documents).session(&mut *self.session).await?;
        }
        self.confirms |= wrote;
        Ok(wrote)
    }

    /// Documents of the queue, by name.
    pub fn named(&self, names: Vec<String>) -> Document {
        doc! { "q": self.id().text(), "_id": { "$in": names } }
    }

    /// Reads documents of the queue, in the order of an index.
    ///
    /// # Errors
    /// The server's.
    pub async fn find(&mut self, find: Find) -> Result<Vec<Document>, Fail> {
        self.flush().await?;
        let mut cursor = find.on(self.shared, self.id()).session(&mut *self.session).await?;
        Ok(cursor.stream(self.session).try_collect().await?)
    }

    /// Changes documents of the queue, each the same way.
    ///
    /// # Errors
    /// The server's.
    pub async fn change(&mut self, names: Vec<String>, change: Document) -> Result<(), Fail> {
        if names.is_empty() {
            return Ok(());
        }
        self.flush().await?;
        let filter = self.named(names);
        let update = self.shared.documents.update_many(filter, vec![doc! { "$set": change }]);
        update.hint(Hint::Name(BY_NAME.to_owned())).session(&mut *self.session).await?;
        self.confirms = true;
        Ok(())
    }

    /// Removes messages, whose documents have name and state.
    ///
    /// # Errors
    /// One is no message.
    pub fn remove(&mut self, documents: &[Document]) -> Result<()> {
        for document in documents {
            let of = state(document)?;
            self.head.counts[of] -= 1;
            self.deletes.push(name(document)?.to_owned());
        }
        Ok(())
    }

    /// Notes that messages have changed their state.
    pub fn moved(&mut self, count: usize, from: (Lane, State), to: (Lane, State)) {
        self.head.counts[from] -= count as i64;
        self.head.counts[to] += count as i64;
        if to.1 == State::Ready && count > 0 {
            self.stir();
        }
    }

    /// Something has become available: who watches is told by the header's change.
    pub fn stir(&mut self) {
        self.head.stirred += 1;
        self.ahead = None;
    }

    /// Notes that something falls due.
    pub fn falls_due(&mut self, at: i64) {
        self.head.due = self.head.due.min(at);
    }

    /// A claim or key, by name.
    ///
    /// # Errors
    /// The server's.
    pub async fn kept(&mut self, name: String) -> Result<Option<Document>, Fail> {
        if let Some(known) = self.kept.get(&name) {
            return Ok(known.clone());
        }
        self.keep(vec![name.clone()]).await?;
        Ok(self.kept.get(&name).cloned().flatten())
    }

    /// Reads claims and keys that will be asked for, together.
    ///
    /// # Errors
    /// The server's.
    pub async fn keep(&mut self, names: Vec<String>) -> Result<(), Fail> {
        if names.is_empty() {
            return Ok(());
        }
        let found = self.find(Find::named(names.clone())).await?;
        self.kept.extend(names.into_iter().map(|name| (name, None)));
        for document in found {
            self.kept.insert(name(&document)?.to_owned(), Some(document));
        }
        Ok(())
    }

    /// Stores a claim or key anew, in place of the one of its name.
    ///
    /// # Errors
    /// The server's.
    pub async fn put(&mut self, name: String, document: Document) -> Result<(), Fail> {
        if self.kept.get(&name).is_none_or(Option::is_some) {
            self.flush().await?;
            self.deletes.push(name.clone());
        }
        self.inserts.push(document.clone());
        self.kept.insert(name, Some(document));
        Ok(())
    }
}

/// Writes a header, and reads it with the server's clock.
///
/// # Errors
/// The server's.
pub async fn lock(shared: &Shared, session: &mut ClientSession, id: QueueId) -> Result<Option<(Head, i64)>, Fail> {
    let change = vec![doc! { "$set": { "v": { "$add": [{ "$ifNull": ["$v", 0_i64] }, 1_i64] }, "at": "$$NOW" } }];
    let filter = doc! { "_id": id.text(), "q": id.text() };
    let update = shared.documents.find_one_and_update(filter, change).return_document(ReturnDocument::After);
    let Some(document) = update.session(session).await? else { return Ok(None) };
    let at = document.get_datetime("at").map_err(unexpected)?.timestamp_millis();
    Ok(Some((Head::read(document)?, at + shared.server.host().shift())))
}
