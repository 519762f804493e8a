//! MariaDB.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Server, as_user, finish, installed};
use crate::eventually;
use crate::eventually::SOON;

/// Makes the database and the user who may use it; harmless if they are there.
const BEGINNING: &str = "CREATE DATABASE IF NOT EXISTS sukkal;
CREATE USER IF NOT EXISTS 'sukkal'@'%' IDENTIFIED BY 'very-secret';
GRANT ALL ON sukkal.* TO 'sukkal'@'%';
";

/// A server with an empty database.
#[derive(Debug)]
pub struct MariaDb {
    /// Its process.
    pub server: Server,
    settings: Vec<String>,
}

impl MariaDb {
    /// Starts one.
    pub async fn start() -> MariaDb {
        MariaDb::prepare().begin().await
    }

    /// Starts one with further settings, as on its command line.
    pub async fn with(settings: &[&str]) -> MariaDb {
        let mut mariadb = MariaDb::prepare();
        mariadb.settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        mariadb.begin().await
    }

    /// Starts one that speaks TLS, with the certificate `NAME.pem` of a folder and its key.
    pub async fn with_tls(folder: &Path, name: &str) -> MariaDb {
        let mut mariadb = MariaDb::prepare();
        let (cert, key) = mariadb.server.take_certificate(folder, name);
        mariadb.settings = [format!("--ssl-cert={cert}"), format!("--ssl-key={key}")].into();
        mariadb.begin().await
    }

    fn prepare() -> MariaDb {
        MariaDb { server: Server::new("mariadb"), settings: Vec::new() }
    }

    async fn begin(mut self) -> MariaDb {
        let mariadb = &mut self;
        let folder = mariadb.server.folder();
        std::fs::write(folder.join("beginning.sql"), BEGINNING).expect("a file can be written");
        if rustix::process::geteuid().is_root() {
            finish(Command::new("chown").args(["-R", "mysql:mysql"]).arg(folder));
        }
        let mut command = as_user("mysql", &installed("/usr/bin/mariadb-install-db"));
        command.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
        // Two at once would take each other's temporary tables for theirs.
        finish(command.arg(mariadb.data_dir()).arg(format!("--tmpdir={}", folder.display())));
        mariadb.start_again().await;
        self
    }

    /// Starts it on the data that are there.
    pub async fn start_again(&mut self) {
        let folder = self.server.folder();
        let mut command = as_user("mysql", &installed("/usr/sbin/mariadbd"));
        command.args(["--no-defaults", "--bind-address=127.0.0.1", "--skip-name-resolve"]);
        command.args(["--innodb-buffer-pool-size=16M", "--innodb-log-file-size=16M", "--performance-schema=OFF"]);
        // What a commit has written outlives the server all the same, though not the machine.
        command.args(["--innodb-flush-log-at-trx-commit=2", "--innodb-flush-method=nosync"]);
        command.args(&self.settings).arg(format!("--tmpdir={}", folder.display()));
        command.arg(self.data_dir()).arg(format!("--port={}", self.server.port()));
        command.arg(format!("--socket={}", self.socket().display()));
        command.arg(format!("--pid-file={}", folder.join("pid").display()));
        command.arg(format!("--init-file={}", folder.join("beginning.sql").display()));
        self.server.run(command).await;
    }

    /// `mysql://…`
    pub fn uri(&self) -> String {
        format!("mysql://sukkal:very-secret@127.0.0.1:{}/sukkal", self.server.port())
    }

    /// `mysql://…` over its socket.
    pub fn socket_uri(&self) -> String {
        format!("mysql://sukkal:very-secret@localhost/sukkal?socket={}", self.socket().display())
    }

    /// Has it do a statement, as its superuser, once it has started.
    ///
    /// # Panics
    /// When that fails.
    pub async fn sql(&self, statement: &str) {
        let client = || {
            let mut command = as_user("mysql", &installed("/usr/bin/mariadb"));
            command.args(["--no-defaults", "--user=root", "--database=sukkal"]);
            command.arg(format!("--socket={}", self.socket().display()));
            command
        };
        eventually("MariaDB has started", SOON, async || {
            let tried = client().arg("--execute=SELECT 1").output().expect("the program can be started");
            tried.status.success().then_some(())
        })
        .await;
        finish(client().arg(format!("--execute={statement}")));
    }

    fn socket(&self) -> PathBuf {
        self.server.folder().join("socket")
    }

    fn data_dir(&self) -> String {
        format!("--datadir={}", self.server.folder().join("data").display())
    }
}
