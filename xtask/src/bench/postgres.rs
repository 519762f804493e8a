//! PostgreSQL, for hosts that share a catalog.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::project;

/// Where Debian keeps the programs.
const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";
/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server on a socket; killed, and its folder removed, when dropped.
pub struct Postgres {
    child: Child,
    folder: PathBuf,
}

impl Postgres {
    /// Starts one with an empty database.
    pub fn start(parent: &Path) -> Result<Postgres, Failure> {
        let folder = parent.join("postgres");
        // What an interrupted run left behind.
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).map_err(Failure::io(format!("cannot make {}", folder.display())))?;
        let is_root = folder.metadata().is_ok_and(|of| std::os::unix::fs::MetadataExt::uid(&of) == 0);
        if is_root {
            project::run(Command::new("chown").arg("postgres").arg(&folder))?;
        }
        let mut init = program("initdb", is_root);
        init.args(["--no-sync", "--auth=trust", "--username=sukkal", "--encoding=UTF8", "--locale=C.UTF-8", "-D"]);
        project::output(init.arg(folder.join("data")))?;
        let mut command = program("postgres", is_root);
        command.args(["-c", "listen_addresses=", "-D"]).arg(folder.join("data")).arg("-k").arg(&folder);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.map_err(|error| project::unstartable(&command, &error))?;
        let postgres = Postgres { child, folder };
        let begun = Instant::now();
        while !postgres.folder.join(".s.PGSQL.5432").exists() {
            if begun.elapsed() > PATIENCE {
                return Err(Failure::Found("postgres does not start".to_owned()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(postgres)
    }

    /// The catalog's URI.
    pub fn uri(&self) -> String {
        let socket = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://sukkal@{socket}/postgres")
    }
}

/// A program of PostgreSQL's, which refuses to be the superuser.
fn program(name: &str, is_root: bool) -> Command {
    let path = Path::new(PROGRAMS).join(name);
    if !is_root {
        return Command::new(path);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]).arg(path);
    command
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // What is left behind is removed by the next run.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
