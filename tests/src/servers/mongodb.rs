//! A server that speaks MongoDB's protocol: a replica set of one.
//!
//! MongoDB itself is in no distribution that tests run on; this one keeps what it promises in the
//! same words, at a fraction of the speed, and the slower the more there is in a collection.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Server, bound, finish};
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

    /// Starts one that can be told to fail.
    pub async fn with_faults() -> MongoDb {
        let mut mongodb = MongoDb { server: Server::new("mongodb") };
        mongodb.run(&["--enable-test-commands"]).await;
        mongodb
    }

    /// The next command of this name that the plugin sends is answered after a minute; the server is one
    /// [`MongoDb::with_faults`].
    ///
    /// # Panics
    /// When it refuses.
    pub fn hang_once(&self, command: &str) {
        let data = format!(
            r#"{{"failCommands": ["{command}"], "appName": "sukkal", "blockConnection": true, "blockTimeMS": 60000}}"#
        );
        let fault = format!(r#"{{"configureFailPoint": "failCommand", "mode": {{"times": 1}}, "data": {data}}}"#);
        self.command("admin", &fault);
    }

    /// Starts one that speaks TLS alone, with the certificate `NAME.pem` of a folder and its key.
    pub async fn with_tls(folder: &Path, name: &str) -> MongoDb {
        let mut mongodb = MongoDb { server: Server::new("mongodb") };
        let (cert, key) = mongodb.server.take_certificate(folder, name);
        mongodb.run(&["--tls-cert-file", &cert, "--tls-key-file", &key]).await;
        mongodb
    }

    /// Starts it on the data that are there.
    pub async fn start_again(&mut self) {
        self.run(&[]).await;
    }

    /// Has the server carry out a command, as JSON, on a database.
    ///
    /// # Panics
    /// When it refuses.
    pub fn command(&self, database: &str, command: &str) {
        finish(&mut self.asked(database, command));
    }

    /// The same; whether it did.
    pub fn try_command(&self, database: &str, command: &str) -> bool {
        self.asked(database, command).output().expect("the program can be started").status.success()
    }

    fn asked(&self, database: &str, command: &str) -> Command {
        const SCRIPT: &str = "import json, sys, pymongo\n\
            client = pymongo.MongoClient('127.0.0.1', int(sys.argv[1]), directConnection=True)\n\
            client[sys.argv[2]].command(json.loads(sys.argv[3]))";
        let mut ask = Command::new(programs::python());
        ask.args(["-c", SCRIPT, &self.port(), database, command]);
        ask
    }

    /// Has somebody at work in all queues of a database in a transaction, as a host is that was killed on the way,
    /// until the process is killed.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn hold_queues(&self, database: &str) -> Child {
        let mut hold = bound(&programs::python());
        hold.args(["-c", include_str!("mongodb_hold.py"), &self.port(), database])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = hold.spawn().expect("the program can be started");
        let mut said = String::new();
        let output = child.stdout.as_mut().expect("it has an output");
        BufReader::new(output).read_line(&mut said).expect("it can be read");
        assert_eq!(said, "held\n");
        child
    }

    /// From now on the database remembers what it is sent, for [`MongoDb::plans`].
    pub fn remember(&self, database: &str) {
        self.command(database, r#"{"profile": 2}"#);
    }

    /// A line for each command that the database remembers: `SCAN` or `ok`, its name, the command itself.
    ///
    /// # Panics
    /// When the server does not say.
    pub fn plans(&self, database: &str) -> Vec<String> {
        let mut ask = Command::new(programs::python());
        let output = ask.args(["-c", include_str!("mongodb_plans.py"), &self.port(), database]).output();
        let output = output.expect("the program can be started");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }

    fn port(&self) -> String {
        self.server.port().to_string()
    }

    async fn run(&mut self, further: &[&str]) {
        // The process ends with the thread that starts it.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(programs::python()).args(["-m", "secantus"]);
        command.args(["--host", "127.0.0.1", "--log-level", "ERROR", "--sync-on-commit", "--cache-size", "64M"]);
        command.arg("--port").arg(self.port());
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
