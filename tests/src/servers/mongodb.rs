//! A server that speaks MongoDB's protocol: a replica set of one.
//!
//! MongoDB itself is in no distribution that tests run on; this one keeps what it promises in the
//! same words, at a fraction of the speed, and the slower the more there is in a collection.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Server;
use crate::programs;

/// A server with no databases.
#[derive(Debug)]
pub struct MongoDb {
    /// Its process.
    pub server: Server,
}

impl MongoDb {
    /// Starts one.
    pub async fn start() -> MongoDb {
        let mut mongodb = MongoDb { server: Server::new("mongodb") };
        mongodb.start_again().await;
        mongodb
    }

    /// Starts one that is no replica set.
    pub async fn start_alone() -> MongoDb {
        let mut mongodb = MongoDb { server: Server::new("mongodb") };
        mongodb.run(&["--standalone"]).await;
        mongodb
    }

    /// Starts it on the data that are there.
    pub async fn start_again(&mut self) {
        self.run(&[]).await;
    }

    async fn run(&mut self, further: &[&str]) {
        // The process ends with the thread that starts it.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(programs::python()).args(["-m", "secantus"]);
        command.args(["--host", "127.0.0.1", "--log-level", "ERROR", "--sync-on-commit", "--cache-size", "64M"]);
        command.arg("--port").arg(self.server.port().to_string());
        command.arg("--storage-path").arg(self.server.folder().join("data"));
        command.args(further);
        self.server.run(command).await;
    }

    /// `mongodb://…`, with a database of its own.
    pub fn uri(&self) -> String {
        static DATABASES: AtomicU32 = AtomicU32::new(0);
        let number = DATABASES.fetch_add(1, Ordering::Relaxed);
        format!("mongodb://127.0.0.1:{}/test{number}", self.server.port())
    }
}
