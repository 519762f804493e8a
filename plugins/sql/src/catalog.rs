//! The catalog: an ordered record store in one database.

use sukkal_plugin_sdk::{Applied, Call, Change, Commit, Error, Health, Open, Record, RecordKey, Result, tracing};

use crate::commit::{self, Changes, Probe, Sweep};
use crate::durability::Warnings;
use crate::read::{Count, Get, GetMany, List};
use crate::schema::Migration;
use crate::server::Server;
use crate::session::Engine;
use crate::settings::Settings;

/// A catalog in one database.
pub struct Catalog {
    server: Server,
}

impl Catalog {
    /// Opens a database of PostgreSQL, making its tables if there are none; one of which requests cannot use a
    /// table is refused.
    ///
    /// # Errors
    /// `Invalid`: the URI or the settings are wrong. Else the database's.
    pub async fn postgres(open: Open<Settings>) -> Result<Catalog> {
        Catalog::open(Engine::Postgres, open).await
    }

    /// Opens a database of MySQL or MariaDB, in the same way.
    ///
    /// # Errors
    /// As [`Catalog::postgres`].
    pub async fn mysql(open: Open<Settings>) -> Result<Catalog> {
        Catalog::open(Engine::MySql, open).await
    }

    async fn open(engine: Engine, open: Open<Settings>) -> Result<Catalog> {
        let server = Server::new(engine, &open.uri, &open.settings, open.host)?;
        server.reach().await?;
        server.own_work(&Migration).await?;
        server.own_work(&Probe).await?;
        for warning in server.own_work(&Warnings).await? {
            tracing::warn!("{warning}");
        }
        Ok(Catalog { server })
    }
}

impl sukkal_plugin_sdk::Catalog for Catalog {
    async fn get(&self, call: &Call, key: RecordKey) -> Result<Option<Record>> {
        self.server.work(call, &Get { key }).await.map_err(read_only)
    }

    async fn get_many(&self, call: &Call, keys: Vec<RecordKey>) -> Result<Vec<Record>> {
        self.server.work(call, &GetMany { keys }).await.map_err(read_only)
    }

    async fn list(
        &self,
        call: &Call,
        kind: String,
        project: String,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<Record>> {
        self.server.work(call, &List { kind, project, after, limit }).await.map_err(read_only)
    }

    async fn count(&self, call: &Call, kind: String, project: String) -> Result<u64> {
        self.server.work(call, &Count { kind, project }).await.map_err(read_only)
    }

    async fn commit(&self, call: &Call, changes: Vec<Change>) -> Result<Commit> {
        commit::check(&changes)?;
        self.server.work(call, &Changes(changes)).await
    }

    async fn sweep(&self, call: &Call, limit: u32) -> Result<bool> {
        self.server.work(call, &Sweep { limit }).await
    }

    async fn health(&self, call: &Call) -> Result<Health> {
        self.server.work(call, &Probe).await?;
        let warnings = self.server.work(call, &Warnings).await?;
        Ok(Health { warnings, ..Health::default() })
    }

    async fn shutdown(&self) {
        self.server.close().await;
    }
}

/// What only reads has changed nothing, however it ended.
fn read_only(error: Error) -> Error {
    Error { applied: Applied::No, ..error }
}
