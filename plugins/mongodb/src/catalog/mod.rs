//! The catalog: an ordered record store in two collections.
//!
//! A record is one document of `catalog`, named by kind, project and name with a zero byte between
//! them. Strings compare bytewise in MongoDB, so the one index that every collection has gives the
//! order that listings need. (Binary values would not do: they compare by their length first.)

mod commit;
mod name;
mod read;
mod sweep;

use std::time::Duration;

use mongodb::bson::{Document, doc};
use mongodb::options::IndexOptions;
use mongodb::{Collection, IndexModel};
use sukkal_plugin_sdk::{Call, Change, Commit, Health, Open, Record, RecordKey, Result};

use self::commit::Changes;
use crate::server::Server;
use crate::settings::Settings;

/// The last moment of the year 9999, in milliseconds: later dates are beyond what many tools can read.
const NEVER: i64 = 253_402_300_799_999;

/// A catalog in one database.
pub struct Catalog {
    server: Server,
    /// The records.
    records: Collection<Document>,
    /// What is written by whoever changes records of a kind and project.
    stripes: Collection<Document>,
}

impl Catalog {
    /// Opens a database, making its index if there is none.
    ///
    /// # Errors
    /// `Invalid`: the URI, the settings or the servers are wrong. `Unavailable`: nothing answers.
    pub async fn open(open: Open<Settings>) -> Result<Catalog> {
        let server = Server::open(&open.uri, &open.settings, open.host).await?;
        let (records, stripes) = (server.collection("catalog"), server.collection("catalog_stripe"));
        // The server gives back the space of what has expired. Readers do not rely on when.
        let options = IndexOptions::builder().name("expires".to_owned()).sparse(true).expire_after(Duration::ZERO);
        let index = IndexModel::builder().keys(doc! { "x": 1 }).options(options.build()).build();
        server.within(open.settings.timeout(), records.create_index(index)).await?;
        Ok(Catalog { server, records, stripes })
    }
}

impl sukkal_plugin_sdk::Catalog for Catalog {
    async fn get(&self, call: &Call, key: RecordKey) -> Result<Option<Record>> {
        self.read(call, key).await
    }

    async fn get_many(&self, call: &Call, keys: Vec<RecordKey>) -> Result<Vec<Record>> {
        self.read_many(call, keys).await
    }

    async fn list(
        &self,
        call: &Call,
        kind: String,
        project: String,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<Record>> {
        self.read_on(call, &kind, &project, after.as_deref(), limit).await
    }

    async fn count(&self, call: &Call, kind: String, project: String) -> Result<u64> {
        self.count_of(call, &kind, &project).await
    }

    async fn commit(&self, call: &Call, changes: Vec<Change>) -> Result<Commit> {
        let mut changes = Changes::of(self, changes)?;
        self.server.transaction(self.server.left(call), &mut changes).await
    }

    async fn sweep(&self, call: &Call, limit: u32) -> Result<bool> {
        self.remove_expired(call, limit).await
    }

    async fn health(&self, call: &Call) -> Result<Health> {
        self.probe(call).await?;
        Ok(Health::default())
    }

    async fn shutdown(&self) {
        self.server.close().await;
    }
}
