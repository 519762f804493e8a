//! The server that keeps records.

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

    /// Where it listens.
    pub fn port(&self) -> u16 {
        match self {
            Catalog::Postgres(postgres) => postgres.server.port(),
            Catalog::MariaDb(mariadb) => mariadb.server.port(),
            Catalog::MongoDb(mongodb) => mongodb.server.port(),
        }
    }

    /// The URI, over a wire where the server can be led by one.
    pub fn uri(&self, wire: u16) -> String {
        let uri = match self {
            Catalog::Postgres(postgres) => postgres.uri(),
            Catalog::MariaDb(mariadb) => mariadb.uri(),
            Catalog::MongoDb(mongodb) => return mongodb.uri(),
        };
        uri.replace(&format!(":{}/", self.port()), &format!(":{wire}/"))
    }
}
