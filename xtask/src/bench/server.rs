//! The two servers that are compared, each on a port of its own.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::project;

/// How long a server may take to tell its address.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running server; killed, and its folder removed, when dropped.
#[derive(Debug)]
pub struct Server {
    pub address: SocketAddr,
    child: Child,
    folder: PathBuf,
}

impl Server {
    /// The same HTTP server as the host's, answering every request with a constant.
    pub fn ceiling(parent: &Path) -> Result<Server, Failure> {
        let mut command = Command::new(project::target().join("release/examples/ceiling"));
        command.arg("127.0.0.1:0");
        Server::start(command, parent.join("ceiling"))
    }

    /// The host as it is by default: SQLite, synchronous FULL; with an empty data directory.
    pub fn host(parent: &Path) -> Result<Server, Failure> {
        let folder = parent.join("host");
        empty(&folder)?;
        let config = folder.join("sukkal.toml");
        let text = format!(
            "data_dir = {:?}\n[rest]\nlisten = \"127.0.0.1:0\"\n[websocket]\nlisten = \"\"\n[admin]\nlisten = \"\"\n",
            folder.join("data")
        );
        std::fs::write(&config, text).map_err(Failure::io(format!("cannot write {}", config.display())))?;
        let mut command = Command::new(project::target().join("release").join("sukkal"));
        command.args(["serve", "--config"]).arg(config);
        Server::start(command, folder)
    }

    fn start(mut command: Command, folder: PathBuf) -> Result<Server, Failure> {
        std::fs::create_dir_all(&folder).map_err(Failure::io(format!("cannot make {}", folder.display())))?;
        let log = folder.join("log");
        let open = || File::create(&log).map_err(Failure::io(format!("cannot write {}", log.display())));
        let stdout = open()?;
        let stderr = stdout.try_clone().map_err(Failure::io("cannot share a log file"))?;
        let child = command.stdout(stdout).stderr(stderr).spawn();
        let mut child = child.map_err(|error| project::unstartable(&command, &error))?;
        match address(&mut child, &log) {
            Ok(address) => Ok(Server { address, child, folder }),
            Err(failure) => {
                end(&mut child);
                Err(failure)
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child);
        // What is left behind is removed by the next run.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn end(child: &mut Child) {
    // It may have ended by itself; there is nothing else to do about a process that will not go.
    let _ = child.kill();
    let _ = child.wait();
}

fn empty(folder: &Path) -> Result<(), Failure> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(Failure::io(format!("cannot empty {}", folder.display())))?;
    }
    std::fs::create_dir_all(folder).map_err(Failure::io(format!("cannot make {}", folder.display())))
}

/// Waits for `http://ADDRESS` in what the server prints.
fn address(child: &mut Child, log: &Path) -> Result<SocketAddr, Failure> {
    let begun = Instant::now();
    loop {
        let printed = std::fs::read_to_string(log).map_err(Failure::io(format!("cannot read {}", log.display())))?;
        if let Some(address) = announced(&printed) {
            return Ok(address);
        }
        let ended = child.try_wait().map_err(Failure::io("cannot look after a server"))?.is_some();
        if ended || begun.elapsed() > PATIENCE {
            return Err(Failure::Found(format!("a server told no address; it printed:\n{printed}")));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn announced(printed: &str) -> Option<SocketAddr> {
    // A line that is still being written has no end yet.
    let lines = printed.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    lines.filter_map(|line| line.split_once("http://")).find_map(|(_, rest)| {
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.' && letter != ':');
        rest[..end.unwrap_or(rest.len())].parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::announced;

    #[test]
    fn the_address_is_found_in_a_whole_line() {
        assert!(announced("INFO listening on http://127.0.0.1:80").is_none());
        let address = announced("loaded\nINFO listening on http://127.0.0.1:8089\n").map(|address| address.port());
        assert_eq!(address, Some(8089));
    }
}
