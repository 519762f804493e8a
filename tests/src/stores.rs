//! The stores that come with Sukkal: below a host, for what must hold over each of them, and opened
//! without one, for the conformance kit and the model.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use sukkal_plugin_sdk::load::{Library, OpenArgs};
use sukkal_plugin_sdk::testing::TestClock;

use crate::host::Setup;
use crate::servers::redis;
use crate::{Host, programs};

/// A store of ours.
#[derive(Clone, Copy, Debug)]
pub struct Store {
    /// The URI scheme.
    pub scheme: &'static str,
    /// The package whose library provides it.
    pub package: &'static str,
    /// A pool's URI; see [`Store::pool_uri`].
    pub pool: &'static str,
    /// A catalog's URI.
    pub catalog: &'static str,
    /// Whether what it holds outlives its closing.
    pub reopens: bool,
}

/// SQLite.
pub const SQLITE: Store = Store {
    scheme: "sqlite",
    package: "sukkal-sqlite",
    pool: "sqlite:pool.db",
    catalog: "sqlite:catalog.db",
    reopens: true,
};

/// Memory.
pub const MEMORY: Store =
    Store { scheme: "memory", package: "sukkal-memory", pool: "memory:", catalog: "memory:", reopens: false };

/// Redis, with the catalog in SQLite.
pub const REDIS: Store =
    Store { scheme: "redis", package: "sukkal-redis", pool: "redis:", catalog: "sqlite:catalog.db", reopens: true };

/// The example that authors start from: held to what is promised, and told apart from our own.
pub const EXAMPLE: Store =
    Store { scheme: "example", package: "sukkal-example-pool", pool: "example:", catalog: "", reopens: false };

/// Every store that comes with Sukkal, but for those that are catalogs alone.
pub const STORES: [Store; 3] = [SQLITE, MEMORY, REDIS];

impl Store {
    /// The catalog of a database server, beside SQLite's pool, which no other host can reach. What it
    /// is called by lives as long as the test does.
    pub fn sql(scheme: &'static str, catalog: &str) -> Store {
        let catalog = String::leak(catalog.to_owned());
        Store { scheme, package: "sukkal-sql", pool: SQLITE.pool, catalog, reopens: true }
    }

    /// The same catalog beside a pool in Redis: what hosts that serve together have.
    pub fn beside_redis(self) -> Store {
        Store { pool: REDIS.pool, ..self }
    }

    /// Catalog and pool in one database of MongoDB. What it is called by lives as long as the test does.
    pub fn mongodb(uri: &str) -> Store {
        let uri: &'static str = String::leak(uri.to_owned());
        Store { scheme: "mongodb", package: "sukkal-mongodb", pool: uri, catalog: uri, reopens: true }
    }

    /// A host whose catalog and default pool are this store's. A test that fails shows over which.
    pub fn host(self) -> Setup {
        println!("over {}, messages in {}", self.scheme, self.pool);
        let (catalog, pool) = (format!("{:?}", self.catalog), format!("{:?}", self.pool_uri()));
        Host::with().top(&format!("catalog = {catalog}")).top(&format!("default_pool = {pool}"))
    }

    /// The URI of a pool of its own. Servers are shared by all of a process.
    pub fn pool_uri(self) -> String {
        static POOLS: AtomicU32 = AtomicU32::new(0);
        match self.pool {
            "redis:" => {
                let number = POOLS.fetch_add(1, Ordering::Relaxed);
                format!("{}?prefix=pool-{number}", redis::shared().uri())
            }
            _ => self.pool.to_owned(),
        }
    }

    /// Whether it must offer what a case of the kit needs: what goes with its process is not asked for after that.
    pub fn offers(self, case: &str) -> bool {
        self.reopens || ![".restart.", ".crash.", ".over_kills"].iter().any(|part| case.contains(part))
    }

    /// Whether it keeps catalogs too.
    pub fn has_catalog(self) -> bool {
        self.catalog.strip_prefix(self.scheme).is_some_and(|rest| rest.starts_with(':'))
    }

    /// Loads its library. All that is opened of one library in one process shares the first clock.
    ///
    /// # Errors
    /// The loader's one line.
    pub fn load(self, clock: &TestClock, directory: &Path) -> Result<Library, String> {
        Library::load(&programs::library(self.package), directory, clock.services()).map_err(|error| error.to_string())
    }

    /// What it is opened with, its files in a directory.
    pub fn arguments(self, uri: &str, directory: &Path) -> OpenArgs {
        OpenArgs {
            which: self.scheme.to_owned(),
            uri: uri.to_owned(),
            settings: "{}".to_owned(),
            data_dir: directory.to_string_lossy().into_owned(),
            host_id: "test".to_owned(),
            records: None,
            isolate: false,
        }
    }
}
