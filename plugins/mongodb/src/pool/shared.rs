//! What all calls share.

use std::time::Duration;

use futures_util::TryStreamExt;
use mongodb::bson::{Document, doc};
use mongodb::options::{IndexOptions, ReadConcern};
use mongodb::{ClientSession, Collection, IndexModel};
use sukkal_plugin_sdk::store::OwnRuns;
use sukkal_plugin_sdk::store::refusal;
use sukkal_plugin_sdk::{Call, QueueId, QueueRef, Result};

use super::find::{BY_PLACE, BY_TIME, Find};
use super::head::Head;
use super::line::{Answer, Ask, Lines};
use crate::error::{of_driver, unexpected};
use crate::server::Server;

/// A pool's collection, and what this host knows of it.
pub struct Shared {
    pub server: Server,
    /// Headers, messages, claims and keys: under one shard key all of a queue stays together.
    pub documents: Collection<Document>,
    pub lines: Lines,
    pub own: OwnRuns,
}

impl Shared {
    /// A pool on a server.
    pub fn new(server: Server) -> Shared {
        let documents = server.collection("pool");
        Shared { server, documents, lines: Lines::default(), own: OwnRuns::default() }
    }

    /// Makes the indexes that every look-up relies on, where they are not.
    ///
    /// # Errors
    /// The server's.
    pub async fn make_indexes(&self, limit: Duration) -> Result<()> {
        let named = |name: &str| IndexOptions::builder().name(name.to_owned()).build();
        let index = |keys, options| IndexModel::builder().keys(keys).options(options).build();
        let sparse = |name: &str| IndexOptions::builder().name(name.to_owned()).sparse(true).build();
        let mut gone = sparse("gone");
        gone.expire_after = Some(Duration::ZERO);
        let indexes = [
            // The client last: who lists what others posted passes over its own without reading them.
            index(doc! { "q": 1, "s": 1, "p": 1, "c": 1 }, named(BY_PLACE)),
            index(doc! { "q": 1, "s": 1, "t": 1 }, named(BY_TIME)),
            // Only headers have these.
            index(doc! { "d": 1 }, sparse("due")),
            index(doc! { "h": 1 }, sparse("headers")),
            index(doc! { "l1": 1 }, sparse("outbox")),
            index(doc! { "l2": 1 }, sparse("retry")),
            // Keys of posts: the server gives back their space.
            index(doc! { "gone": 1 }, gone),
        ];
        self.server.within(limit, self.documents.create_indexes(indexes)).await.map(drop)
    }

    /// Whether the servers take writes.
    ///
    /// # Errors
    /// The server's.
    pub async fn probe(&self, call: &Call) -> Result<()> {
        let change = doc! { "$currentDate": { "at": true } };
        let filter = doc! { "_id": "probe", "q": "probe" };
        self.server.read(call, self.documents.update_one(filter, change).upsert(true)).await?;
        Ok(())
    }

    /// Asks for something to be done in a queue, in the next transaction there.
    ///
    /// # Errors
    /// What comes of it.
    pub async fn ask(self: &std::sync::Arc<Self>, call: &Call, queue: &QueueRef, ask: Ask) -> Result<Answer> {
        self.lines.ask(self, queue.clone(), ask, self.server.left(call)).await
    }

    /// A queue's header as it is now, and the server's clock.
    ///
    /// # Errors
    /// `Gone`, `Stale`: the caller acts on another record.
    pub async fn head(&self, session: &mut ClientSession, queue: &QueueRef) -> Result<(Head, i64)> {
        let (head, now) = self.any_head(session, queue.id()).await?;
        refusal::admit(queue, head.header.epoch, head.header.dropping)?;
        Ok((head, now))
    }

    /// The same for whoever asks, dropping or not.
    ///
    /// # Errors
    /// `Gone`: there is none.
    pub async fn any_head(&self, session: &mut ClientSession, queue: QueueId) -> Result<(Head, i64)> {
        let id = queue.text();
        let read = vec![doc! { "$match": { "_id": &id, "q": &id } }, doc! { "$set": { "now": "$$NOW" } }];
        let read = self.documents.aggregate(read).read_concern(ReadConcern::snapshot()).session(&mut *session);
        let mut cursor = read.await.map_err(|error| of_driver(&error))?;
        let found = cursor.stream(session).try_next().await.map_err(|error| of_driver(&error))?;
        let document = found.ok_or_else(refusal::gone)?;
        let now = document.get_datetime("now").map_err(unexpected)?.timestamp_millis();
        let head = Head::read(document)?;
        Ok((head, now + self.server.host().shift()))
    }

    /// Reads documents of a queue, in the session's moment.
    ///
    /// # Errors
    /// The server's.
    pub async fn find(&self, session: &mut ClientSession, queue: QueueId, find: Find) -> Result<Vec<Document>> {
        let found = async {
            // The driver would keep what reads have by default, which knows no moments.
            let find = find.on(self, queue).read_concern(ReadConcern::snapshot());
            let mut cursor = find.session(&mut *session).await?;
            cursor.stream(session).try_collect().await
        };
        found.await.map_err(|error: mongodb::error::Error| of_driver(&error))
    }
}
