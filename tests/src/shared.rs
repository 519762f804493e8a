//! Stores that several hosts serve from together, on servers of a test's own.

use std::any::Any;

use sukkal_plugin_sdk::load::LoadedPool;
use sukkal_plugin_sdk::testing::{TestClock, call};
use tempfile::TempDir;

use crate::Host;
use crate::host::Setup;
use crate::servers::Postgres;
use crate::servers::redis::Redis;
use crate::stores::{REDIS, Store};

/// A catalog and a default pool that hosts share.
pub struct Shared {
    catalog: String,
    pool: String,
    /// What keeps the pool.
    store: Store,
    /// They end with it.
    _servers: Box<dyn Any + Send + Sync>,
}

impl Shared {
    /// Servers, and the URIs of the catalog and the pool there.
    pub fn new(catalog: String, pool: String, store: Store, servers: impl Any + Send + Sync) -> Shared {
        println!("over {catalog} and {pool}");
        Shared { catalog, pool, store, _servers: Box::new(servers) }
    }

    /// The catalog in PostgreSQL, the pool in Redis.
    pub async fn postgresql_and_redis() -> Shared {
        let (postgres, redis) = (Postgres::start().await, Redis::in_memory());
        Shared::new(postgres.uri(), redis.uri(), REDIS, (postgres, redis))
    }

    /// One of the hosts.
    pub fn host(&self) -> Setup {
        self.over(&self.pool)
    }

    /// One without a default pool.
    pub fn host_without_pool(&self) -> Setup {
        self.over("")
    }

    fn over(&self, pool: &str) -> Setup {
        Host::with().top(&format!("catalog = {:?}", self.catalog)).top(&format!("default_pool = {pool:?}"))
    }

    /// Two hosts with the default settings.
    pub async fn pair(&self) -> [Host; 2] {
        let (one, other) = tokio::join!(self.host().start(), self.host().start());
        [one, other]
    }

    /// The pool as its library opens it, without a host.
    ///
    /// # Panics
    /// When it cannot be opened.
    pub async fn opened(&self) -> Opened {
        let (clock, folder) = (TestClock::default(), TempDir::new().expect("a temporary folder can be made"));
        let library = self.store.load(&clock, folder.path()).expect("the library can be loaded");
        let arguments = self.store.arguments(&self.pool, folder.path());
        let pool = library.open_pool(arguments).await.expect("the pool can be opened");
        Opened { pool, clock, _folder: folder }
    }
}

/// A pool without a host.
pub struct Opened {
    pool: LoadedPool,
    clock: TestClock,
    _folder: TempDir,
}

impl Opened {
    /// How many messages it holds, those of deleted queues included.
    ///
    /// # Panics
    /// When it does not say.
    pub async fn messages(&self) -> u64 {
        self.pool.usage(&call(&self.clock)).await.expect("it says what it holds").messages
    }
}
