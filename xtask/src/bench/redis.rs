//! `cargo xtask bench --only redis`: a pool in Redis, on a server that has each write on the disk before it answers.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::depth::{Stock, compared};
use super::rate::beside_ceiling;
use super::report::{Goal, Line};
use super::server::Setup;
use super::{Bench, depth};
use crate::failure::Failure;
use crate::project;

/// Claims use messages up: so many are there for each second.
const CLAIMED: u64 = 60_000;
/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(10);

/// Posts and claims beside the ceiling, and posts to many queues beside those to a few.
pub fn rates(bench: &Bench, tell: &mut dyn FnMut(Line)) -> Result<(), Failure> {
    let redis = Redis::start(&bench.folder)?;
    let post = bench.timed("post").with("connections", 64);
    tell(beside_ceiling(bench, "post 1 KiB, redis, 64", &redis.setup("posts"), &post, Goal::Stated)?);
    let claim = bench.timed("claim").with("connections", 64).with("fill", CLAIMED * bench.seconds);
    tell(beside_ceiling(bench, "claim 10 + delete, redis, 64", &redis.setup("claims"), &claim, Goal::Stated)?);
    let setups = ["few", "many"].map(|name| redis.setup(name));
    tell(compared(bench, "redis: ", setups, ("post", Stock::Queues(10), Stock::Queues(100_000)))?);
    Ok(())
}

/// Rates in deep queues beside those in shallow ones.
pub fn depths(bench: &Bench, tell: &mut dyn FnMut(Line)) -> Result<(), Failure> {
    for work in ["post", "cycle", "list"] {
        let redis = Redis::start(&bench.folder)?;
        let setups = ["shallow", "deep"].map(|name| redis.setup(name));
        let pair: depth::Pair = (work, Stock::Messages(1_000), Stock::Messages(1_000_000));
        tell(compared(bench, "redis: ", setups, pair)?);
    }
    Ok(())
}

/// A server on a socket; killed, and its folder removed, when dropped.
pub struct Redis {
    child: Child,
    folder: PathBuf,
}

impl Redis {
    /// Starts one that is empty.
    pub fn start(parent: &Path) -> Result<Redis, Failure> {
        let folder = parent.join("redis");
        // What an interrupted run left behind.
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).map_err(Failure::io(format!("cannot make {}", folder.display())))?;
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--save", "", "--appendonly", "yes", "--appendfsync", "always"]);
        // The server writes its log anew when it has doubled, in a process of its own that takes one of the cores
        // for seconds when much is stored: whichever turn it falls into says nothing of us.
        command.args(["--auto-aof-rewrite-percentage", "0", "--dir"]);
        command.arg(&folder).arg("--unixsocket").arg(folder.join("socket")).stdout(Stdio::null());
        let child = command.spawn().map_err(|error| project::unstartable(&command, &error))?;
        let redis = Redis { child, folder };
        let begun = Instant::now();
        while !redis.socket().exists() {
            if begun.elapsed() > PATIENCE {
                return Err(Failure::Found("redis-server does not start".to_owned()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(redis)
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    /// A host over a pool of its own there.
    pub fn setup(&self, prefix: &str) -> Setup {
        Setup::redis(format!("redis://{}?prefix={prefix}", self.socket().display()))
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // What is left behind is removed by the next run.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
