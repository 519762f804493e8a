//! Redis servers: one, a master that Sentinels watch, a cluster.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{OnceLock, mpsc};
use std::time::{Duration, Instant};

use super::{Server, bound, free_port};

/// How long a server may take to start, and how long servers may take to agree on something.
pub(super) const AGREED: Duration = Duration::from_secs(30);
/// How long it may take until a replica has its master's place: nobody may win the first votes, and a Sentinel whose
/// clock jumped, as it does on a machine that stood still, trusts nothing for half a minute.
pub const FAILOVER: Duration = Duration::from_secs(90);
/// Each write is on the disk before it is answered.
const DURABLE: &str = "appendonly yes\nappendfsync always\n";
/// Nothing waits for the disk.
const IN_MEMORY: &str = "appendonly no\n";
/// What the Sentinels call the master.
pub const MASTER: &str = "main";

/// Waits until the answer is there. Servers are started by whoever runs, in a task or not.
pub(super) fn until<T>(what: &str, patience: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < patience, "{what}: not within {patience:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A server for all of a process. What is kept there is told apart by its prefix.
pub fn shared() -> &'static Redis {
    static SHARED: OnceLock<Redis> = OnceLock::new();
    SHARED.get_or_init(|| {
        // The server ends with the thread that started it, so that is one that never ends.
        let (send, started) = mpsc::channel();
        std::thread::spawn(move || {
            let _ = send.send(Redis::start());
            loop {
                std::thread::park();
            }
        });
        started.recv().expect("the server starts")
    })
}

/// A server of one's own. Dropping it kills it; what it has written stays until then.
#[derive(Debug)]
pub struct Redis {
    server: Server,
    settings: String,
    program: &'static str,
}

impl Redis {
    /// A server that has each write on the disk before it answers.
    pub fn start() -> Redis {
        Redis::with(DURABLE)
    }

    /// A server that keeps nothing on the disk, and so has to answer in time on a slow one too: for those that are never
    /// started again.
    pub fn in_memory() -> Redis {
        Redis::with(IN_MEMORY)
    }

    /// A server with further lines of its configuration.
    pub fn with(settings: &str) -> Redis {
        let mut redis = Redis::prepare("redis-server", settings);
        redis.start_again();
        redis
    }

    /// A server that is not started.
    pub fn prepare(program: &'static str, settings: &str) -> Redis {
        Redis { server: Server::new("redis"), settings: settings.to_owned(), program }
    }

    /// Starts it on the data that are there, and waits until it answers.
    ///
    /// # Panics
    /// When it does not.
    pub fn start_again(&mut self) {
        let folder = self.folder();
        let config = folder.join("redis.conf");
        // Sentinels write what they learn into theirs.
        if !config.exists() {
            let (port, socket) = (self.port(), self.socket());
            let head = format!("bind 127.0.0.1\nport {port}\ndir {}\n", folder.display());
            let own = match self.program {
                "redis-server" => format!("save \"\"\nunixsocket {}\n", socket.display()),
                _ => String::new(),
            };
            std::fs::write(&config, head + &own + &self.settings).expect("the configuration can be written");
        }
        let mut command = bound(Path::new(self.program));
        command.arg(&config);
        self.server.spawn(command);
        until("redis answers", AGREED, || {
            self.server.assert_running();
            self.ask(&["PING"]).ok().filter(|said| said == "PONG")
        });
    }

    /// Has a node of a cluster, before its first start, name another port as its own.
    pub fn announce(&mut self, port: u16) {
        self.settings.push_str(&format!("cluster-announce-port {port}\n"));
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// It neither answers nor closes anything from here on.
    pub fn freeze(&self) {
        self.server.freeze();
    }

    /// It goes on.
    pub fn thaw(&self) {
        self.server.thaw();
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// Where its data, its configuration and its log lie.
    pub fn folder(&self) -> &Path {
        self.server.folder()
    }

    /// Its socket on this machine.
    pub fn socket(&self) -> PathBuf {
        self.folder().join("socket")
    }

    /// A pool's URI.
    pub fn uri(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port())
    }

    /// Sends a command; what the server says, each element of a list on a line of its own. Refusals begin
    /// with `-`, numbers with `:`.
    ///
    /// # Errors
    /// It does not answer.
    pub fn ask(&self, command: &[&str]) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port()))?;
        stream.set_read_timeout(Some(AGREED))?;
        let mut text = format!("*{}\r\n", command.len());
        command.iter().for_each(|part| text.push_str(&format!("${}\r\n{part}\r\n", part.len())));
        stream.write_all(text.as_bytes())?;
        answer(&mut BufReader::new(stream))
    }
}

fn answer(from: &mut impl BufRead) -> std::io::Result<String> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    let line = line.trim_end().to_owned();
    let Some((kind, rest)) = line.split_at_checked(1) else { return Err(std::io::ErrorKind::UnexpectedEof.into()) };
    match (kind, rest.parse::<usize>()) {
        ("+", _) => Ok(rest.to_owned()),
        ("$", Ok(length)) => {
            let mut text = vec![0; length + 2];
            from.read_exact(&mut text)?;
            Ok(String::from_utf8_lossy(&text).trim_end().to_owned())
        }
        ("*", Ok(count)) => {
            let elements = (0..count).map(|_| answer(from)).collect::<Result<Vec<_>, _>>()?;
            Ok(elements.join("\n"))
        }
        _ => Ok(line),
    }
}

/// A cluster of three masters.
#[derive(Debug)]
pub struct Cluster {
    /// Its nodes.
    pub nodes: Vec<Redis>,
    replicas: usize,
}

impl Cluster {
    /// Starts three servers and joins them.
    pub fn start() -> Cluster {
        let mut cluster = Cluster::prepare(0);
        cluster.join();
        cluster
    }

    /// Starts servers for three masters with so many replicas each, as [`Redis::in_memory`] has them, and joins them.
    pub fn in_memory(replicas: usize) -> Cluster {
        let mut cluster = Cluster::keeping(IN_MEMORY, replicas);
        cluster.join();
        cluster
    }

    /// Servers for three masters with so many replicas each; nothing is started.
    pub fn prepare(replicas: usize) -> Cluster {
        Cluster::keeping(DURABLE, replicas)
    }

    fn keeping(kept: &str, replicas: usize) -> Cluster {
        let node = || {
            let bus = free_port();
            let settings = format!(
                "{kept}cluster-enabled yes\ncluster-port {bus}\n\
                 cluster-node-timeout 2000\ncluster-announce-ip 127.0.0.1\nrepl-diskless-sync-delay 0\n"
            );
            Redis::prepare("redis-server", &settings)
        };
        Cluster { nodes: std::iter::repeat_with(node).take(3 + 3 * replicas).collect(), replicas }
    }

    /// Starts the servers and joins them.
    pub fn join(&mut self) {
        self.nodes.iter_mut().for_each(Redis::start_again);
        let mut join = Command::new("redis-cli");
        join.args(["--cluster", "create"]);
        join.args(self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())));
        join.arg("--cluster-replicas").arg(self.replicas.to_string()).arg("--cluster-yes");
        let joined = join.output().expect("redis-cli is installed");
        assert!(joined.status.success(), "{}", String::from_utf8_lossy(&joined.stdout));
        self.agreed();
    }

    /// Whether a master's replica takes over when it ends.
    pub fn has_replicas(&self) -> bool {
        self.replicas > 0
    }

    /// Waits until all nodes serve.
    pub fn agreed(&self) {
        for node in &self.nodes {
            let serves = |said: String| said.contains("cluster_state:ok").then_some(());
            let ask = || node.ask(&["CLUSTER", "INFO"]).ok().and_then(serves);
            until("the cluster serves", AGREED, ask);
        }
    }

    /// A pool's URI.
    pub fn uri(&self) -> String {
        let hosts: Vec<_> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
        format!("redis://{}?cluster=true", hosts.join(","))
    }
}

/// A master and its replica, watched by three Sentinels.
#[derive(Debug)]
pub struct Watched {
    /// Two servers; the first is the master at the start.
    pub servers: Vec<Redis>,
    /// Those who watch them.
    pub sentinels: Vec<Redis>,
}

impl Watched {
    /// Starts all of them, and waits until they know each other.
    pub fn start() -> Watched {
        Watched::keeping(DURABLE)
    }

    /// The same, their data as [`Redis::in_memory`] has them.
    pub fn in_memory() -> Watched {
        Watched::keeping(IN_MEMORY)
    }

    fn keeping(kept: &str) -> Watched {
        let settings = format!("{kept}repl-diskless-sync-delay 0\n");
        let master = Redis::with(&settings);
        let replica = Redis::with(&format!("{settings}replicaof 127.0.0.1 {}\n", master.port()));
        let settings = format!(
            "sentinel monitor {MASTER} 127.0.0.1 {} 2\nsentinel down-after-milliseconds {MASTER} 1000\n\
             sentinel failover-timeout {MASTER} 5000\n",
            master.port()
        );
        let mut sentinels = Vec::new();
        for _ in 0..3 {
            let mut sentinel = Redis::prepare("redis-sentinel", &settings);
            sentinel.start_again();
            sentinels.push(sentinel);
        }
        let watched = Watched { servers: vec![master, replica], sentinels };
        watched.agreed();
        watched
    }

    /// Waits until each Sentinel knows the replica and the other Sentinels.
    fn agreed(&self) {
        let knows = |said: String| {
            let pairs: Vec<_> = said.lines().collect();
            let field =
                |name: &str| pairs.iter().position(|line| *line == name).and_then(|at| pairs.get(at + 1).copied());
            (field("num-slaves") == Some("1") && field("num-other-sentinels") == Some("2")).then_some(())
        };
        for sentinel in &self.sentinels {
            let ask = || sentinel.ask(&["SENTINEL", "MASTER", MASTER]).ok().and_then(knows);
            until("the Sentinels know each other", AGREED, ask);
        }
        let linked = || {
            let said = self.servers[1].ask(&["INFO", "replication"]).ok()?;
            said.contains("master_link_status:up").then_some(())
        };
        until("the replica follows", AGREED, linked);
    }

    /// A pool's URI.
    pub fn uri(&self) -> String {
        let hosts: Vec<_> = self.sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port())).collect();
        format!("redis://{}?master={MASTER}", hosts.join(","))
    }
}
