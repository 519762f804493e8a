//! The servers that are measured, each on a port of its own.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::dist::parts::{Parts, READ, put};
use crate::failure::Failure;
use crate::project;

/// How long a server may take to tell its address.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a host is set up, apart from where it listens and keeps its data.
#[derive(Clone, Debug)]
pub struct Setup {
    catalog: String,
    pool: String,
    pipeline: Vec<&'static str>,
    rate_limit: &'static str,
    websocket: bool,
    admin: bool,
}

impl Setup {
    /// The host as it is by default: SQLite, synchronous FULL.
    pub fn sqlite() -> Setup {
        Setup {
            catalog: "sqlite:catalog.db".to_owned(),
            pool: "sqlite:pool.db".to_owned(),
            pipeline: Vec::new(),
            rate_limit: "",
            websocket: false,
            admin: false,
        }
    }

    /// Everything in memory, with room for what a measurement posts.
    pub fn memory() -> Setup {
        let pool = "memory:?max_bytes=8589934592&max_messages=8000000";
        Setup { catalog: "memory:".to_owned(), pool: pool.to_owned(), ..Setup::sqlite() }
    }

    /// A pool in Redis, the catalog in SQLite.
    pub fn redis(uri: String) -> Setup {
        Setup { pool: uri, ..Setup::sqlite() }
    }

    /// Another catalog.
    pub fn catalog(self, catalog: impl Into<String>) -> Setup {
        Setup { catalog: catalog.into(), ..self }
    }

    /// Filters, in their order, and the settings of `rate-limit`.
    pub fn pipeline(self, pipeline: &[&'static str], rate_limit: &'static str) -> Setup {
        Setup { pipeline: pipeline.to_vec(), rate_limit, ..self }
    }

    /// With websockets.
    pub fn websocket(self) -> Setup {
        Setup { websocket: true, ..self }
    }

    /// With the admin pages, and so with metrics.
    pub fn admin(self) -> Setup {
        Setup { admin: true, ..self }
    }

    fn text(&self, folder: &Path, plugins: &Path) -> String {
        let Setup { catalog, pool, pipeline, rate_limit, websocket, admin } = self;
        let listen = |wanted: &bool| if *wanted { "127.0.0.1:0" } else { "" };
        let data = folder.join("data");
        let mut text = format!("data_dir = {data:?}\ncatalog = {catalog:?}\ndefault_pool = {pool:?}\n");
        text += &format!("plugin_dirs = [{plugins:?}]\n");
        text += &format!("pipeline = {pipeline:?}\n[rest]\nlisten = \"127.0.0.1:0\"\n");
        text += &format!("[websocket]\nlisten = {:?}\n[admin]\nlisten = {:?}\n", listen(websocket), listen(admin));
        if pipeline.contains(&"rate-limit") {
            text += &format!("[filters.rate-limit]\n{rate_limit}\n");
        }
        text
    }
}

/// A running server; killed, and its folder removed, when dropped.
#[derive(Debug)]
pub struct Server {
    /// Where it answers HTTP.
    pub address: SocketAddr,
    /// Where it takes websockets, if it does.
    pub websocket: Option<SocketAddr>,
    command: Command,
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

    /// A host with an empty data directory, and with the plugins that are installed with it: not
    /// with the examples that lie beside them where they are built.
    pub fn host(folder: &Path, setup: &Setup) -> Result<Server, Failure> {
        empty(folder)?;
        let plugins = folder.join("plugins");
        for library in Parts::find(&project::target().join("release"))?.libraries {
            put(&library, &plugins.join(library.file_name().unwrap_or_default()), READ)?;
        }
        let config = folder.join("sukkal.toml");
        let written = std::fs::write(&config, setup.text(folder, &plugins));
        written.map_err(Failure::io(format!("cannot write {}", config.display())))?;
        let mut command = Command::new(project::target().join("release").join("sukkal"));
        command.args(["serve", "--config"]).arg(config);
        Server::start(command, folder.to_owned())
    }

    fn start(mut command: Command, folder: PathBuf) -> Result<Server, Failure> {
        std::fs::create_dir_all(&folder).map_err(Failure::io(format!("cannot make {}", folder.display())))?;
        let (child, address) = spawn(&mut command, &folder)?;
        let websocket = websocket(&folder)?;
        Ok(Server { address, websocket, command, child, folder })
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as its operator would; its data stay.
    pub fn stop(&mut self) -> Result<(), Failure> {
        project::run(Command::new("kill").arg("-TERM").arg(self.id().to_string()))?;
        self.child.wait().map(|_| ()).map_err(Failure::io("cannot look after a server"))
    }

    /// Starts it on the data that are there.
    pub fn start_again(&mut self) -> Result<(), Failure> {
        (self.child, self.address) = spawn(&mut self.command, &self.folder)?;
        self.websocket = websocket(&self.folder)?;
        Ok(())
    }
}

/// What it has told of websockets by the time that it has told its address.
fn websocket(folder: &Path) -> Result<Option<SocketAddr>, Failure> {
    Ok(announced(&printed(&log(folder))?, "websockets at ws://"))
}

fn log(folder: &Path) -> PathBuf {
    folder.join("log")
}

fn printed(log: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(log).map_err(Failure::io(format!("cannot read {}", log.display())))
}

/// Starts a server and waits for its address.
fn spawn(command: &mut Command, folder: &Path) -> Result<(Child, SocketAddr), Failure> {
    let log = log(folder);
    let open = || File::create(&log).map_err(Failure::io(format!("cannot write {}", log.display())));
    let stdout = open()?;
    let stderr = stdout.try_clone().map_err(Failure::io("cannot share a log file"))?;
    let mut child =
        command.stdout(stdout).stderr(stderr).spawn().map_err(|error| project::unstartable(command, &error))?;
    match address(&mut child, &log) {
        Ok(address) => Ok((child, address)),
        Err(failure) => {
            end(&mut child);
            Err(failure)
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

/// Waits for `listening on http://ADDRESS` in what the server prints.
fn address(child: &mut Child, log: &Path) -> Result<SocketAddr, Failure> {
    let begun = Instant::now();
    loop {
        let printed = printed(log)?;
        if let Some(address) = announced(&printed, "listening on http://") {
            return Ok(address);
        }
        let ended = child.try_wait().map_err(Failure::io("cannot look after a server"))?.is_some();
        if ended || begun.elapsed() > PATIENCE {
            return Err(Failure::Found(format!("a server told no address; it printed:\n{printed}")));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn announced(printed: &str, what: &str) -> Option<SocketAddr> {
    // A line that is still being written has no end yet.
    let lines = printed.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    lines.filter_map(|line| line.split_once(what)).find_map(|(_, rest)| {
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.' && letter != ':');
        rest[..end.unwrap_or(rest.len())].parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::announced;

    #[test]
    fn the_address_is_found_in_a_whole_line() {
        let port = |printed| announced(printed, "listening on http://").map(|address| address.port());
        assert_eq!(port("INFO listening on http://127.0.0.1:80"), None);
        assert_eq!(port("metrics at http://127.0.0.1:80\nINFO listening on http://127.0.0.1:8089\n"), Some(8089));
    }
}
