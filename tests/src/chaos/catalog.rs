//! The server that keeps records.

use crate::servers::proxy::Proxy;
use crate::servers::{MariaDb, MongoDb, Postgres, Server};

/// Which server keeps the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CatalogKind {
    /// PostgreSQL.
    Postgres,
    /// MariaDB.
    MariaDb,
    /// A replica set of one.
    MongoDb,
}

impl std::str::FromStr for CatalogKind {
    type Err = String;

    fn from_str(name: &str) -> Result<CatalogKind, String> {
        match name {
            "postgres" => Ok(CatalogKind::Postgres),
            "mariadb" => Ok(CatalogKind::MariaDb),
            "mongodb" => Ok(CatalogKind::MongoDb),
            _ => Err("a catalog is postgres, mariadb or mongodb".to_owned()),
        }
    }
}

/// Its process.
#[derive(Debug)]
pub enum Catalog {
    Postgres(Postgres),
    MariaDb(MariaDb),
    MongoDb(MongoDb),
}

impl Catalog {
    /// Starts it.
    pub async fn start(kind: CatalogKind) -> Catalog {
        match kind {
            CatalogKind::Postgres => Catalog::Postgres(Postgres::start().await),
            CatalogKind::MariaDb => Catalog::MariaDb(MariaDb::start().await),
            CatalogKind::MongoDb => Catalog::MongoDb(MongoDb::start().await),
        }
    }

    /// Starts it on its data.
    pub async fn start_again(&mut self) {
        match self {
            Catalog::Postgres(postgres) => postgres.start_again().await,
            Catalog::MariaDb(mariadb) => mariadb.start_again().await,
            Catalog::MongoDb(mongodb) => mongodb.start_again().await,
        }
    }

    /// What is killed and stopped.
    pub fn server(&mut self) -> &mut Server {
        match self {
            Catalog::Postgres(postgres) => &mut postgres.server,
            Catalog::MariaDb(mariadb) => &mut mariadb.server,
            Catalog::MongoDb(mongodb) => &mut mongodb.server,
        }
    }

    /// A wire to it, where clients can be led by one.
    pub async fn wire(&self) -> Option<Proxy> {
        match self {
            Catalog::Postgres(postgres) => Some(Proxy::to(postgres.server.port()).await),
            Catalog::MariaDb(mariadb) => Some(Proxy::to(mariadb.server.port()).await),
            // It names its address itself, so no wire would be kept to.
            Catalog::MongoDb(_) => None,
        }
    }

    /// The URI, over its wire if it has one.
    pub fn uri(&self, wire: Option<&Proxy>) -> String {
        let (uri, port) = match self {
            Catalog::Postgres(postgres) => (postgres.uri(), postgres.server.port()),
            Catalog::MariaDb(mariadb) => (mariadb.uri(), mariadb.server.port()),
            Catalog::MongoDb(mongodb) => (mongodb.uri(), mongodb.server.port()),
        };
        match wire {
            Some(wire) => uri.replace(&format!(":{port}/"), &format!(":{}/", wire.port())),
            None => uri,
        }
    }
}
