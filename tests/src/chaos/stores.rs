//! The stores below the hosts: real servers, behind wires that can be cut.

use crate::Host;
use crate::eventually;
use crate::eventually::SOON;
use crate::host::Setup;
use crate::servers::proxy::Proxy;
use crate::servers::redis::{Cluster, Redis, Watched};
use crate::servers::{MariaDb, Postgres};

/// Which servers keep messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolKind {
    /// One Redis server.
    Redis,
    /// A cluster of three masters without replicas: what states DURABILITY.
    Masters,
    /// A cluster of three masters with a replica each, which takes over.
    Cluster,
    /// A master and its replica, watched by Sentinels.
    Sentinel,
}

/// Which server keeps the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CatalogKind {
    /// PostgreSQL.
    Postgres,
    /// MariaDB.
    MariaDb,
}

impl std::str::FromStr for PoolKind {
    type Err = String;

    fn from_str(name: &str) -> Result<PoolKind, String> {
        match name {
            "redis" => Ok(PoolKind::Redis),
            "redis-masters" => Ok(PoolKind::Masters),
            "redis-cluster" => Ok(PoolKind::Cluster),
            "redis-sentinel" => Ok(PoolKind::Sentinel),
            _ => Err("a pool is redis, redis-masters, redis-cluster or redis-sentinel".to_owned()),
        }
    }
}

impl std::str::FromStr for CatalogKind {
    type Err = String;

    fn from_str(name: &str) -> Result<CatalogKind, String> {
        match name {
            "postgres" => Ok(CatalogKind::Postgres),
            "mariadb" => Ok(CatalogKind::MariaDb),
            _ => Err("a catalog is postgres or mariadb".to_owned()),
        }
    }
}

/// The servers of a run.
#[derive(Debug)]
pub struct Stores {
    pool: Pool,
    catalog: Catalog,
    /// To the catalog first, then to each server of the pool that clients are led to by a wire.
    wires: Vec<Proxy>,
}

#[derive(Debug)]
enum Pool {
    Alone(Redis),
    Cluster(Cluster),
    Watched(Watched),
}

#[derive(Debug)]
enum Catalog {
    Postgres(Postgres),
    MariaDb(MariaDb),
}

impl Stores {
    /// Starts them. They end with the thread that does so.
    pub async fn start(pool: PoolKind, catalog: CatalogKind) -> Stores {
        let catalog = match catalog {
            CatalogKind::Postgres => Catalog::Postgres(Postgres::start().await),
            CatalogKind::MariaDb => Catalog::MariaDb(MariaDb::start().await),
        };
        let mut wires = vec![Proxy::to(catalog.port()).await];
        let pool = match pool {
            PoolKind::Redis => {
                let redis = Redis::start();
                wires.push(Proxy::to(redis.port()).await);
                Pool::Alone(redis)
            }
            PoolKind::Masters => Pool::Cluster(wired(Cluster::prepare(0), &mut wires).await),
            PoolKind::Cluster => Pool::Cluster(wired(Cluster::prepare(1), &mut wires).await),
            PoolKind::Sentinel => Pool::Watched(Watched::start()),
        };
        Stores { pool, catalog, wires }
    }

    /// A host over them.
    pub fn setup(&self) -> Setup {
        let catalog = self.catalog.uri(self.wires[0].port());
        let pool = match &self.pool {
            Pool::Alone(_) => format!("redis://127.0.0.1:{}", self.wires[1].port()),
            Pool::Cluster(cluster) => cluster.uri(),
            Pool::Watched(watched) => watched.uri(),
        };
        Host::with().top(&format!("catalog = {catalog:?}\ndefault_pool = {pool:?}"))
    }

    /// Cuts all connections of all hosts.
    pub fn cut(&self) {
        self.wires.iter().for_each(Proxy::cut);
        if let Pool::Watched(watched) = &self.pool {
            for server in &watched.servers {
                // One of them may be down.
                let _ = server.ask(&["CLIENT", "KILL", "TYPE", "normal"]);
            }
        }
    }

    /// Whether another server takes over when one of the pool ends.
    pub fn fails_over(&self) -> bool {
        match &self.pool {
            Pool::Alone(_) => false,
            Pool::Cluster(cluster) => cluster.has_replicas(),
            Pool::Watched(_) => true,
        }
    }

    /// The servers that keep messages.
    pub fn servers(&mut self) -> &mut [Redis] {
        match &mut self.pool {
            Pool::Alone(redis) => std::slice::from_mut(redis),
            Pool::Cluster(cluster) => &mut cluster.nodes,
            Pool::Watched(watched) => &mut watched.servers,
        }
    }

    /// Kills a master whose replica has all that was acknowledged; which one. None has, or is there.
    ///
    /// Redis answers before it replicates, so a master that simply ends may take acknowledged messages along,
    /// and says so: such a pool does not state DURABILITY. Writes are held up first, so that what is tried is
    /// the failover, and not what Redis does not promise.
    pub async fn fail_over(&mut self) -> Option<usize> {
        let servers = self.servers();
        let master = (0..servers.len()).find(|server| replicated(&servers[*server]).is_some())?;
        servers[master].ask(&["CLIENT", "PAUSE", "20000", "WRITE"]).ok()?;
        let server = &servers[master];
        let all = async || replicated(server).filter(|(written, copied)| copied >= written).map(drop);
        eventually("the replica has all that is written", SOON, all).await;
        servers[master].kill();
        Some(master)
    }

    /// Ends the catalog's server at once.
    pub fn kill_catalog(&mut self) {
        match &mut self.catalog {
            Catalog::Postgres(postgres) => postgres.server.kill(),
            Catalog::MariaDb(mariadb) => mariadb.server.kill(),
        }
    }

    /// Starts it on its data.
    pub async fn start_catalog(&mut self) {
        match &mut self.catalog {
            Catalog::Postgres(postgres) => postgres.start_again().await,
            Catalog::MariaDb(mariadb) => mariadb.start_again().await,
        }
    }

    /// Stops the catalog's server where it is, or lets it go on.
    pub fn freeze_catalog(&self, frozen: bool) {
        let server = match &self.catalog {
            Catalog::Postgres(postgres) => &postgres.server,
            Catalog::MariaDb(mariadb) => &mariadb.server,
        };
        if frozen { server.freeze() } else { server.thaw() }
    }
}

impl Catalog {
    fn port(&self) -> u16 {
        match self {
            Catalog::Postgres(postgres) => postgres.server.port(),
            Catalog::MariaDb(mariadb) => mariadb.server.port(),
        }
    }

    /// The URI, over a wire.
    fn uri(&self, wire: u16) -> String {
        let uri = match self {
            Catalog::Postgres(postgres) => postgres.uri(),
            Catalog::MariaDb(mariadb) => mariadb.uri(),
        };
        uri.replace(&format!(":{}/", self.port()), &format!(":{wire}/"))
    }
}

/// Has each node of a cluster name a wire as its address, to clients and to its like.
async fn wired(mut cluster: Cluster, wires: &mut Vec<Proxy>) -> Cluster {
    for node in &mut cluster.nodes {
        let wire = Proxy::to(node.port()).await;
        node.announce(wire.port());
        wires.push(wire);
    }
    cluster.join();
    cluster
}

/// How much a master with a replica has written, and how much of it the replica has; none of others.
fn replicated(server: &Redis) -> Option<(u64, u64)> {
    let said = server.ask(&["INFO", "replication"]).ok()?;
    let field = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let replica = field("slave0:").filter(|replica| replica.contains("state=online"))?;
    let copied = replica.split(',').find_map(|part| part.strip_prefix("offset="))?;
    Some((field("master_repl_offset:")?.parse().ok()?, copied.parse().ok()?))
}
