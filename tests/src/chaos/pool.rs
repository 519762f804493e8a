//! The servers that keep messages.

use std::time::Duration;

use crate::servers::MongoDb;
use crate::servers::proxy::Proxy;
use crate::servers::redis::{Cluster, Redis, Watched};
use crate::servers::slots::SlotMove;

/// What has a pool acknowledge what a replica has as well, and nothing sooner, on as many connections as the
/// workers of a run keep busy.
const REPLICATED: &str = "replicas=1&connections=16";

/// Which servers keep messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolKind {
    /// One Redis server.
    Redis,
    /// A cluster of three masters without replicas.
    Masters,
    /// A cluster of three masters with a replica each, which takes over.
    Cluster,
    /// A master and its replica, watched by Sentinels.
    Sentinel,
    /// A replica set of one.
    MongoDb,
}

impl std::str::FromStr for PoolKind {
    type Err = String;

    fn from_str(name: &str) -> Result<PoolKind, String> {
        match name {
            "redis" => Ok(PoolKind::Redis),
            "redis-masters" => Ok(PoolKind::Masters),
            "redis-cluster" => Ok(PoolKind::Cluster),
            "redis-sentinel" => Ok(PoolKind::Sentinel),
            "mongodb" => Ok(PoolKind::MongoDb),
            _ => Err("a pool is redis, redis-masters, redis-cluster, redis-sentinel or mongodb".to_owned()),
        }
    }
}

/// All of them. Whichever they are, what they acknowledge must outlive whatever is done to them.
#[derive(Debug)]
pub enum Pool {
    Alone(Redis),
    Cluster(Cluster),
    Watched(Watched),
    MongoDb(MongoDb),
}

impl Pool {
    /// Starts them. Where clients are led by a wire, it is among those.
    pub async fn start(kind: PoolKind, wires: &mut Vec<Proxy>) -> Pool {
        match kind {
            PoolKind::Redis => {
                let redis = Redis::start();
                wires.push(Proxy::to(redis.port()).await);
                Pool::Alone(redis)
            }
            PoolKind::Masters => Pool::Cluster(wired(Cluster::prepare(0), wires).await),
            PoolKind::Cluster => Pool::Cluster(wired(Cluster::prepare(1), wires).await),
            PoolKind::Sentinel => Pool::Watched(Watched::start()),
            // It names its address itself, so no wire would be kept to.
            PoolKind::MongoDb => Pool::MongoDb(MongoDb::start().await),
        }
    }

    /// A pool's URI, over the wire to the only server if there is but one.
    pub fn uri(&self, wire: Option<&Proxy>) -> String {
        let port = wire.map_or(0, Proxy::port);
        match self {
            Pool::Alone(_) => format!("redis://127.0.0.1:{port}"),
            Pool::Cluster(cluster) if cluster.has_replicas() => format!("{}&{REPLICATED}", cluster.uri()),
            Pool::Cluster(cluster) => cluster.uri(),
            Pool::Watched(watched) => format!("{}&{REPLICATED}", watched.uri()),
            Pool::MongoDb(mongodb) => mongodb.uri(),
        }
    }

    /// Cuts the connections of hosts that are led by no wire: Sentinels name the servers themselves. `false`:
    /// there is no way.
    pub fn cut(&self) -> bool {
        let Pool::Watched(watched) = self else { return false };
        for server in &watched.servers {
            // One of them may be down.
            let _ = server.ask(&["CLIENT", "KILL", "TYPE", "normal"]);
        }
        true
    }

    /// How many producers and consumers a queue has, and how long a producer pauses at the longest: what its servers
    /// bear. The one that stands in for MongoDB takes ten times as long for everything once some thousands of messages
    /// are there, and would answer nobody in time.
    pub fn bears(&self) -> (u64, u64, Duration) {
        match self {
            Pool::MongoDb(_) => (1, 1, Duration::from_secs(1)),
            Pool::Alone(_) | Pool::Cluster(_) | Pool::Watched(_) => (4, 4, Duration::from_millis(40)),
        }
    }

    /// Whether another server takes over when one ends.
    pub fn fails_over(&self) -> bool {
        match self {
            Pool::Alone(_) | Pool::MongoDb(_) => false,
            Pool::Cluster(cluster) => cluster.has_replicas(),
            Pool::Watched(_) => true,
        }
    }

    /// Has the primary be none for a while. `false`: nobody can be told so, or it refuses.
    pub fn step_down(&self, time: Duration) -> bool {
        let Pool::MongoDb(mongodb) = self else { return false };
        mongodb.try_command("admin", &format!(r#"{{"replSetStepDown": {}, "force": true}}"#, time.as_secs()))
    }

    /// Has one of the slots that hold something, found at a server, go half-way to another master. None: there
    /// are no slots, or a master is away or about to be replaced.
    pub fn begin_move(&self, server: usize) -> Option<SlotMove> {
        let Pool::Cluster(cluster) = self else { return None };
        let key = cluster.random_key(server).filter(|_| cluster.is_calm())?;
        let slot = cluster.slot(&key);
        let keys = cluster.keys_in(slot, cluster.owner(slot));
        let moving = cluster.begin_move(slot);
        cluster.move_keys(&moving, &keys[..keys.len() / 2]);
        Some(moving)
    }

    /// Has it go all the way.
    pub fn finish_move(&self, moving: &SlotMove) {
        if let Pool::Cluster(cluster) = self {
            cluster.finish_move(moving);
        }
    }

    /// How many there are.
    pub fn n_servers(&self) -> usize {
        match self {
            Pool::Alone(_) | Pool::MongoDb(_) => 1,
            Pool::Cluster(cluster) => cluster.nodes.len(),
            Pool::Watched(watched) => watched.servers.len(),
        }
    }

    fn redis(&mut self, server: usize) -> Option<&mut Redis> {
        match self {
            Pool::Alone(redis) => Some(redis),
            Pool::Cluster(cluster) => cluster.nodes.get_mut(server),
            Pool::Watched(watched) => watched.servers.get_mut(server),
            Pool::MongoDb(_) => None,
        }
    }

    /// Kills one with SIGKILL.
    pub fn kill(&mut self, server: usize) {
        match self {
            Pool::MongoDb(mongodb) => mongodb.server.kill(),
            _ => self.redis(server).into_iter().for_each(Redis::kill),
        }
    }

    /// Starts one on its data.
    pub async fn start_again(&mut self, server: usize) {
        match self {
            Pool::MongoDb(mongodb) => mongodb.start_again().await,
            _ => self.redis(server).into_iter().for_each(Redis::start_again),
        }
    }

    /// Stops one where it is.
    pub fn freeze(&mut self, server: usize) {
        match self {
            Pool::MongoDb(mongodb) => mongodb.server.freeze(),
            _ => self.redis(server).into_iter().for_each(|redis| redis.freeze()),
        }
    }

    /// Lets it go on.
    pub fn thaw(&mut self, server: usize) {
        match self {
            Pool::MongoDb(mongodb) => mongodb.server.thaw(),
            _ => self.redis(server).into_iter().for_each(|redis| redis.thaw()),
        }
    }

    /// A master whose replica follows it, if there is one: what it has acknowledged, the replica has.
    pub fn master(&mut self) -> Option<usize> {
        (0..self.n_servers()).find(|server| self.redis(*server).is_some_and(|redis| has_replica(redis)))
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

fn has_replica(server: &Redis) -> bool {
    let follows = |line: &str| line.starts_with("slave0:") && line.contains("state=online");
    server.ask(&["INFO", "replication"]).is_ok_and(|said| said.lines().any(follows))
}
