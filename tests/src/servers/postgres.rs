//! PostgreSQL.

use std::path::Path;
use std::process::Command;

use super::{Server, as_user, finish, installed};
use crate::eventually;
use crate::eventually::SOON;

/// Where Debian keeps the programs: other packages bring other versions of the same names.
const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";

/// A server with an empty database.
#[derive(Debug)]
pub struct Postgres {
    /// Its process.
    pub server: Server,
    settings: Vec<String>,
}

impl Postgres {
    /// Starts one.
    pub async fn start() -> Postgres {
        Postgres::prepare().begin().await
    }

    /// Starts one that speaks TLS, with the certificate `NAME.pem` of a folder and its key.
    pub async fn with_tls(folder: &Path, name: &str) -> Postgres {
        let mut postgres = Postgres::prepare();
        let (cert, key) = postgres.server.take_certificate(folder, name);
        postgres.settings = ["ssl=on".into(), format!("ssl_cert_file={cert}"), format!("ssl_key_file={key}")].into();
        postgres.begin().await
    }

    fn prepare() -> Postgres {
        Postgres { server: Server::new("postgres"), settings: Vec::new() }
    }

    async fn begin(mut self) -> Postgres {
        let postgres = &mut self;
        let folder = postgres.server.folder();
        std::fs::create_dir(folder.join("data")).expect("a folder can be made");
        if rustix::process::geteuid().is_root() {
            finish(Command::new("chown").args(["-R", "postgres:postgres"]).arg(folder));
        }
        let mut command = postgres.program("initdb");
        // Names must compare bytewise in any database, so in one with a collation of its own.
        finish(command.args(["--no-sync", "--auth=trust", "--username=sukkal", "--encoding=UTF8", "--locale=C.UTF-8"]));
        postgres.start_again().await;
        self
    }

    /// Starts it on the data that are there.
    pub async fn start_again(&mut self) {
        let mut command = self.program("postgres");
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "shared_buffers=16MB", "-c", "max_connections=50"]);
        // What a commit has written outlives the server all the same, though not the machine.
        command.args(["-c", "fsync=off"]);
        command.args(self.settings.iter().flat_map(|setting| ["-c", setting]));
        command.arg("-p").arg(self.server.port().to_string()).arg("-k").arg(self.server.folder());
        self.server.run(command).await;
    }

    /// `postgres://…`
    pub fn uri(&self) -> String {
        format!("postgres://sukkal@127.0.0.1:{}/postgres", self.server.port())
    }

    /// Has it do a statement, as its superuser, once it has started.
    ///
    /// # Panics
    /// When that fails.
    pub async fn sql(&self, statement: &str) {
        eventually("PostgreSQL has started", SOON, async || {
            let mut ready = Command::new(installed(&format!("{PROGRAMS}/pg_isready")));
            let ready = ready.args(["--quiet", "--dbname", &self.uri()]).status().expect("the program can be started");
            ready.success().then_some(())
        })
        .await;
        let mut command = as_user("postgres", &installed(&format!("{PROGRAMS}/psql")));
        command.current_dir(self.server.folder()).args(["--no-psqlrc", "--command", statement]);
        finish(command.arg(self.uri()));
    }

    fn program(&self, name: &str) -> Command {
        let mut command = as_user("postgres", &installed(&format!("{PROGRAMS}/{name}")));
        command.current_dir(self.server.folder()).arg("-D").arg(self.server.folder().join("data"));
        command
    }
}
