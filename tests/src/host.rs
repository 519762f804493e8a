//! A host of one's own: started, stopped, killed and started again on the same data.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::eventually::{SOON, eventually};
use crate::programs;
use crate::queue::Queue;
use crate::rest::Client;
use crate::scrape::Scrape;
use crate::ws::Socket;

/// How long a host may take to start: its stores are made, which waits for the disk again and again.
const START: Duration = Duration::from_secs(60);
/// How long a host may take to end after SIGTERM.
const LEAVING: Duration = Duration::from_secs(30);

/// How a host is set up: lines of the configuration file.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    top: String,
    sections: String,
    rest: String,
    websocket: String,
    plugins: Vec<PathBuf>,
    environment: Vec<(&'static str, OsString)>,
    clock_ahead: i64,
}

impl Setup {
    /// A setting above all sections: `default_pool = ""`.
    pub fn top(mut self, line: &str) -> Setup {
        self.top.push_str(&format!("{line}\n"));
        self
    }

    /// A section with its settings: `"[api]\nadmin_mode = true"`.
    pub fn section(mut self, text: &str) -> Setup {
        self.sections.push_str(&format!("{text}\n"));
        self
    }

    /// A further setting of `[rest]`.
    pub fn rest(mut self, line: &str) -> Setup {
        self.rest.push_str(&format!("{line}\n"));
        self
    }

    /// A further setting of `[websocket]`.
    pub fn websocket(mut self, line: &str) -> Setup {
        self.websocket.push_str(&format!("{line}\n"));
        self
    }

    /// A plugin directory of its own with these libraries, in place of the folder of the build.
    pub fn plugins(mut self, libraries: impl IntoIterator<Item = PathBuf>) -> Setup {
        self.plugins.extend(libraries);
        self
    }

    /// A variable of its environment.
    pub fn env(mut self, name: &'static str, value: impl Into<OsString>) -> Setup {
        self.environment.push((name, value.into()));
        self
    }

    /// A wall clock that is ahead of the system's by so many milliseconds, or behind it.
    pub fn clock_ahead(mut self, milliseconds: i64) -> Setup {
        self.clock_ahead = milliseconds;
        self
    }

    /// Writes the configuration and starts a host with it.
    pub async fn start(self) -> Host {
        let mut host = self.prepare();
        host.start_again().await;
        host
    }

    /// Writes the configuration; nothing is started.
    pub fn prepare(self) -> Host {
        let folder = TempDir::with_prefix("sukkal-").expect("a temporary folder can be made");
        let mut top = format!("data_dir = {:?}\n{}", folder.path().join("data"), self.top);
        if !self.plugins.is_empty() {
            let plugins = folder.path().join("plugins");
            std::fs::create_dir(&plugins).expect("a folder can be made");
            for library in &self.plugins {
                let name = library.file_name().expect("a library has a name");
                std::fs::copy(library, plugins.join(name)).expect("a library can be copied");
            }
            top.push_str(&format!("plugin_dirs = [{plugins:?}]\n"));
        }
        let listen = if self.rest.contains("listen") { "" } else { "listen = \"127.0.0.1:0\"\n" };
        let admin = if self.sections.contains("[admin]") { "" } else { "[admin]\nlisten = \"127.0.0.1:0\"\n" };
        let anywhere = if self.websocket.contains("listen") { "" } else { "listen = \"127.0.0.1:0\"\n" };
        let websocket = format!("[websocket]\n{anywhere}{}", self.websocket);
        let text = format!("{top}[rest]\n{listen}{}{websocket}{admin}{}", self.rest, self.sections);
        std::fs::write(folder.path().join("sukkal.toml"), text).expect("the configuration can be written");
        let (environment, clock_ahead) = (self.environment, self.clock_ahead);
        Host { folder, child: None, base: String::new(), admin: None, environment, clock_ahead }
    }
}

/// A host in a directory of its own. Dropping it kills the process; a failing test shows its log.
#[derive(Debug)]
pub struct Host {
    folder: TempDir,
    child: Option<Child>,
    base: String,
    admin: Option<String>,
    environment: Vec<(&'static str, OsString)>,
    clock_ahead: i64,
}

impl Host {
    /// A host with the default settings.
    pub async fn start() -> Host {
        Setup::default().start().await
    }

    /// A host set up in another way.
    pub fn with() -> Setup {
        Setup::default()
    }

    /// Starts the host on the data that are there, and waits for its address, which is new.
    ///
    /// # Panics
    /// When it ends, or tells no address.
    pub async fn start_again(&mut self) {
        let old = self.log().len();
        let started = self.try_start().await;
        assert!(started, "the host ended at its start:\n{}", self.log().get(old..).unwrap_or_default());
    }

    /// The same; `false` where it ends, as it does without its stores.
    ///
    /// # Panics
    /// When it tells no address.
    pub async fn try_start(&mut self) -> bool {
        let log = self.log_file();
        let old = self.log().len();
        let output = OpenOptions::new().create(true).append(true).open(&log).expect("the log can be opened");
        self.child = Some(self.serve().stdout(clone(&output)).stderr(output).spawn().expect("the host can be started"));
        let log = eventually("the host tells its address", START, async || {
            let new = self.log().get(old..).unwrap_or_default().to_owned();
            if self.ended().is_some() {
                return Some(None);
            }
            announced(&new, "listening on").map(|_| Some(new))
        });
        let Some(log) = log.await else {
            self.child = None;
            return false;
        };
        self.base = announced(&log, "listening on").unwrap_or_default();
        self.admin = announced(&log, "metrics and health at");
        true
    }

    /// The command that serves with this host's configuration.
    pub fn serve(&self) -> Command {
        let mut command = Command::new(programs::sukkal());
        command.current_dir(self.folder()).args(["serve", "--config", "sukkal.toml"]);
        alone(&mut command);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if self.clock_ahead != 0 {
            command.env("LD_PRELOAD", programs::bad_library("wrong_clock"));
            command.env("CLOCK_AHEAD_MS", self.clock_ahead.to_string());
        }
        command
    }

    /// Ends the host at once, as a crash of the machine's power would not: the kernel keeps what it was given.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("a process of ours can be killed");
            child.wait().expect("a process of ours can be waited for");
        }
    }

    /// Stops it where it is: connections stay, nothing is answered.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Sends SIGTERM, and does not wait.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends SIGINT, as Ctrl-C does, and does not wait.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// Sends SIGHUP, which reloads the settings, and does not wait.
    pub fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    /// Changes the configuration's text, and has the host read it; waits until it has tried to.
    pub async fn reload(&self, change: impl FnOnce(String) -> String) {
        let path = self.folder().join("sukkal.toml");
        let text = std::fs::read_to_string(&path).expect("the configuration can be read");
        std::fs::write(path, change(text)).expect("the configuration can be written");
        let reloads = async || Scrape::of(&self.pages(), "/metrics").await.sum("sukkal_reloads_total", &[]);
        let before = reloads().await;
        self.hang_up();
        eventually("the host has tried to reload", SOON, async || (reloads().await > before).then_some(())).await;
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.id()).ok().and_then(Pid::from_raw).expect("a process has a number");
        kill_process(id, signal).expect("a process of ours can be signalled");
    }

    /// Waits until the host has ended.
    pub async fn wait(&mut self) -> ExitStatus {
        let status = eventually("the host ends", LEAVING, async || self.ended()).await;
        self.child = None;
        status
    }

    /// Sends SIGTERM and waits.
    pub async fn stop(&mut self) -> ExitStatus {
        self.terminate();
        self.wait().await
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().and_then(|child| child.try_wait().expect("a process of ours can be looked after"))
    }

    /// `http://127.0.0.1:PORT`, or `https://` where it speaks TLS.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// `127.0.0.1:PORT`
    pub fn address(&self) -> &str {
        self.base.split_once("://").map_or("", |(_, address)| address)
    }

    /// Where it serves its admin pages: `127.0.0.1:PORT`.
    ///
    /// # Panics
    /// When the host was set up without them.
    pub fn admin_address(&self) -> &str {
        let admin = self.admin.as_deref().expect("the host serves admin pages");
        admin.split_once("://").map_or("", |(_, address)| address)
    }

    /// Where it takes websockets: `127.0.0.1:PORT`.
    ///
    /// # Panics
    /// When it does not tell that.
    pub fn websocket_address(&self) -> String {
        let log = self.log();
        let (_, rest) = log.rsplit_once("websockets at ws").expect("the host tells where it takes websockets");
        let (_, rest) = rest.split_once("://").unwrap_or_default();
        rest.split_whitespace().next().unwrap_or_default().to_owned()
    }

    /// A websocket of project `p1`.
    pub async fn websocket(&self) -> Socket {
        Socket::connect(&self.websocket_address()).await
    }

    /// A client of project `p1`.
    pub fn client(&self) -> Client {
        Client::new(&self.base)
    }

    /// Who reads the admin pages.
    ///
    /// # Panics
    /// When the host was set up without them.
    pub fn pages(&self) -> Client {
        Client::new(self.admin.as_deref().expect("the host serves admin pages"))
    }

    /// A queue of project `p1`; nothing is created.
    pub fn queue(&self, name: &str) -> Queue {
        Queue::new(self.client(), name)
    }

    /// Where configuration, data and log lie.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.as_ref().map(Child::id).expect("the host runs")
    }

    /// Memory that the host holds, in bytes.
    pub fn resident(&self) -> u64 {
        let id = self.id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("a process of ours can be looked at");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib: Option<u64> = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        kib.expect("the kernel tells the size") * 1024
    }

    /// How many threads the host has.
    pub fn threads(&self) -> usize {
        self.count("task")
    }

    /// How many files and sockets it has open.
    pub fn open_files(&self) -> usize {
        self.count("fd")
    }

    fn count(&self, what: &str) -> usize {
        std::fs::read_dir(format!("/proc/{}/{what}", self.id())).expect("a process of ours can be looked at").count()
    }

    /// All that the host has logged, over all its lives.
    pub fn log(&self) -> String {
        std::fs::read(self.log_file()).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.folder().join("log")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- log of the host ---\n{}--- end of the log ---", self.log());
        }
    }
}

/// Keeps settings of whoever runs the tests away from a host.
pub fn alone(command: &mut Command) {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SUKKAL_")) {
        command.env_remove(name);
    }
}

fn clone(file: &File) -> File {
    file.try_clone().expect("a file can be opened twice")
}

/// The address in the line `… listening on http://127.0.0.1:PORT` (or `https://`), once the line is
/// whole.
fn announced(log: &str, what: &str) -> Option<String> {
    let lines = log.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let what = format!("{what} http");
    let (_, rest) = lines.filter_map(|line| line.split_once(&what)).next()?;
    let (secure, rest) = rest.split_once("://")?;
    let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.' && letter != ':')?;
    Some(format!("http{secure}://{}", &rest[..end]))
}
