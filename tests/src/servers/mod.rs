//! Real servers, each started by the test that needs it: in a folder of its own, on a private port.

pub mod haproxy;
mod mariadb;
mod mongodb;
mod port;
mod postgres;
pub mod proxy;
pub mod redis;
pub mod slots;

use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tempfile::TempDir;
use tokio::net::TcpStream;

pub use self::haproxy::HaProxy;
pub use self::mariadb::MariaDb;
pub use self::mongodb::MongoDb;
pub use self::port::free_port;
pub use self::postgres::Postgres;
use crate::eventually;

/// How long a server may take to start.
const START: Duration = Duration::from_secs(60);

/// A server's process and its data. Dropping it kills the process; a failing test shows its log.
#[derive(Debug)]
pub struct Server {
    folder: TempDir,
    child: Option<Child>,
    port: u16,
}

impl Server {
    /// A folder and a port; nothing is started.
    pub fn new(name: &str) -> Server {
        let folder = TempDir::with_prefix(format!("sukkal-{name}-")).expect("a temporary folder can be made");
        Server { folder, child: None, port: free_port() }
    }

    /// Starts a process, and waits until it takes connections on the port.
    ///
    /// # Panics
    /// When it ends instead.
    pub async fn run(&mut self, command: Command) {
        self.spawn(command);
        eventually("the server takes connections", START, async || {
            self.assert_running();
            TcpStream::connect(("127.0.0.1", self.port)).await.ok().map(drop)
        })
        .await;
    }

    /// Starts a process, and waits for nothing.
    pub fn spawn(&mut self, mut command: Command) {
        let log = OpenOptions::new().create(true).append(true).open(self.log_file()).expect("the log can be opened");
        let output: File = log.try_clone().expect("a file can be opened twice");
        self.child = Some(command.stdout(output).stderr(log).spawn().expect("the server can be started"));
    }

    /// # Panics
    /// When its process has ended by itself.
    pub fn assert_running(&mut self) {
        let child = self.child.as_mut().expect("it was started");
        let ended = child.try_wait().expect("a process of ours can be looked after");
        assert!(ended.is_none(), "the server ended at its start");
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where its data lie.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Copies a certificate and its key to its data; the two paths. Who else could read the key, the
    /// server would refuse it.
    fn take_certificate(&self, from: &Path, name: &str) -> (String, String) {
        let [certificate, key] = [format!("{name}.pem"), format!("{name}.key")].map(|file| {
            let to = self.folder().join(&file);
            std::fs::copy(from.join(file), &to).expect("a file can be copied");
            to
        });
        std::fs::set_permissions(&key, Permissions::from_mode(0o600)).expect("rights can be changed");
        (certificate.display().to_string(), key.display().to_string())
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Stopped, it starts no more processes while those that are there are looked up and killed: PostgreSQL
            // does not start again beside one that is left. SIGKILL ends a stopped process as well.
            if kill_process(pid(&child), Signal::STOP).is_ok() {
                let stopped = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
                let _ = waitid(WaitId::Pid(pid(&child)), stopped);
            }
            for process in children(pid(&child)) {
                let _ = kill_process(process, Signal::KILL);
            }
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

    fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("the server runs");
        // Some servers have a process for each connection.
        for process in [vec![pid(child)], children(pid(child))].concat() {
            // One of those may have ended meanwhile.
            let _ = kill_process(process, signal);
        }
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.log_file()).unwrap_or_default()).into_owned()
    }

    fn log_file(&self) -> PathBuf {
        self.folder().join("log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- log of the server ---\n{}--- end of the log ---", self.log());
        }
    }
}

fn pid(child: &Child) -> Pid {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a process has a number")
}

/// The processes that a process has started.
fn children(parent: Pid) -> Vec<Pid> {
    let processes = std::fs::read_dir("/proc").expect("the kernel tells of processes");
    let numbers = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_child = |number: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
        // After the name in brackets: the state, then the parent.
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        after_name.split_whitespace().nth(1) == Some(&parent.as_raw_pid().to_string())
    };
    numbers.filter(is_child).filter_map(Pid::from_raw).collect()
}

/// A program of Debian's packages.
///
/// # Panics
/// When it is not installed.
fn installed(path: &str) -> PathBuf {
    let path = PathBuf::from(path);
    assert!(path.exists(), "{} is missing: run `cargo xtask prepare`", path.display());
    path
}

/// A command that runs a program, whose process ends with the thread that starts it, even if that is killed.
fn bound(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).arg(program);
    command
}

/// The same, as another user where this is the superuser: some servers refuse to be that.
fn as_user(user: &str, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if rustix::process::geteuid().is_root() {
        command.args(["--reuid", user, "--regid", user, "--clear-groups"]);
    }
    command.arg(program);
    command
}

/// Runs a command to its end.
///
/// # Panics
/// When it fails.
fn finish(command: &mut Command) {
    let output = command.output().expect("the program can be started");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed: {text}");
}
