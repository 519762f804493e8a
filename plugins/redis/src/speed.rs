//! How fast the pool is at its contract, beside redis-benchmark running the same script on the same
//! server; run by hand: `cargo test --release -p sukkal-redis -- --ignored speed --nocapture`.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sukkal_plugin_sdk::testing::{Bench, LoadedPool};
use sukkal_plugin_sdk::tokio::runtime::Builder;
use sukkal_plugin_sdk::{ClaimId, Header, NewClaim, NewMessage, Post, QueueId, QueueRef, tokio};

use crate::pool::Pool;
use crate::record;
use crate::script::{Request, SCRIPTS};
use crate::settings::Settings;

const FLIGHT: usize = 64;
const POSTS: usize = 60_000;
const CLAIMS: usize = 30_000;
const HOUR: Duration = Duration::from_secs(3600);

struct Server(Child, tempfile::TempDir);

impl Server {
    /// A server on a socket that has each write on the disk before it answers.
    fn start() -> Server {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let mut server = Command::new("redis-server");
        server.args(["--port", "0", "--save", "", "--appendonly", "yes", "--appendfsync", "always", "--dir"]);
        server.arg(folder.path()).arg("--unixsocket").arg(&socket).stdout(Stdio::null());
        let child = server.spawn().unwrap();
        while !socket.exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        Server(child, folder)
    }

    fn socket(&self) -> String {
        self.1.path().join("socket").display().to_string()
    }

    /// What redis-benchmark makes of a script with as many connections: operations in a second. The
    /// last argument goes over standard input; it sends no argument further than to a zero byte.
    fn benchmark(&self, count: usize, request: &Request) -> f64 {
        let arguments = request.arguments();
        let (last, others) = arguments.split_last().unwrap();
        let mut benchmark = Command::new("redis-benchmark");
        benchmark.args(["-s", &self.socket(), "-c", &FLIGHT.to_string(), "-n", &count.to_string()]);
        benchmark.args(["-r", "1000000000", "--csv", "-x"]);
        benchmark.args(others.iter().map(|argument| String::from_utf8_lossy(argument).into_owned()));
        let mut run = benchmark.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        run.stdin.take().unwrap().write_all(last).unwrap();
        let told = String::from_utf8_lossy(&run.wait_with_output().unwrap().stdout).into_owned();
        // The rate is the seventh column from the end; the first is the command, whatever is in it.
        let rate = told.rsplit("\",\"").nth(6).and_then(|rate| rate.parse().ok());
        rate.unwrap_or_else(|| panic!("no rate in {told}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn kib() -> NewMessage {
    NewMessage { body: vec![b'1'; 1024].into(), ttl: HOUR, ..NewMessage::default() }
}

#[test]
#[ignore = "a measurement"]
fn speed() {
    let server = Server::start();
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let bench = Bench::new();
        let uri = format!("redis://{}", server.socket());
        let pool = Arc::new(bench.pool(Pool::open, &uri, Settings::default()).await.unwrap());
        let [queue, never_read] =
            [1, 2].map(|id| QueueRef::new(QueueId(id), 1, pool.place(QueueId(id), None).unwrap()));
        for queue in [&queue, &never_read] {
            pool.configure(&bench.call(), queue, Header { epoch: 1, ..Header::default() }).await.unwrap();
        }
        for turn in 0..3 {
            let ours = posts(&bench, &pool, &queue).await;
            let client = record::client("3381af92-2b9e-11e3-b191-71861300734c").unwrap();
            let request = on(&never_read, &SCRIPTS.post, &bench).args(["0", "", "", "", "", "", "0", "3600000", "0"]);
            let theirs = server.benchmark(POSTS, &request.arg(as_long(&record::of_new(&kib(), &client))));
            tell(turn, "posts of 1 KiB", ours, theirs);
            let ours = claims(&bench, &pool, &queue, turn).await;
            let request =
                on(&queue, &SCRIPTS.claim, &bench).args(["abcd__rand_int__", "1", "3600000", "60000", "1", ""]);
            let theirs = server.benchmark(CLAIMS, &request);
            tell(turn, "claims of one", ours, theirs);
        }
    });
}

/// What is as long as a record, and has no zero byte.
fn as_long(record: &[u8]) -> Vec<u8> {
    record.iter().map(|byte| (*byte).max(1)).collect()
}

fn on(queue: &QueueRef, script: &'static crate::script::Script, bench: &Bench) -> Request {
    let key = crate::keys::Keys::new("sukkal").queue(crate::keys::Tag::of(queue).unwrap(), queue.id());
    Request::new(script, key.as_bytes(), bench.host().shift()).arg(1)
}

fn tell(turn: usize, what: &str, ours: f64, theirs: f64) {
    let share = ours / theirs * 100.0;
    println!("{turn}: {what}, {FLIGHT} in flight: {ours:.0}/s, redis-benchmark {theirs:.0}/s: {share:.0} %");
}

async fn posts(bench: &Bench, pool: &Arc<LoadedPool>, queue: &QueueRef) -> f64 {
    let begun = Instant::now();
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..FLIGHT {
        let (pool, queue, call) = (pool.clone(), queue.clone(), bench.call());
        workers.spawn(async move {
            for _ in 0..POSTS / FLIGHT {
                let client = "3381af92-2b9e-11e3-b191-71861300734c".to_owned();
                let post = Post { client, messages: vec![kib()], ..Post::default() };
                pool.post(&call, &queue, post).await.unwrap();
            }
        });
    }
    workers.join_all().await;
    POSTS as f64 / begun.elapsed().as_secs_f64()
}

async fn claims(bench: &Bench, pool: &Arc<LoadedPool>, queue: &QueueRef, turn: usize) -> f64 {
    let begun = Instant::now();
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..FLIGHT {
        let (pool, queue, call) = (pool.clone(), queue.clone(), bench.call());
        workers.spawn(async move {
            for number in 0..CLAIMS / FLIGHT {
                let id = ClaimId((turn << 40 | worker << 32 | number) as u128);
                let claim = NewClaim {
                    id,
                    limit: 1,
                    ttl: HOUR,
                    grace: Duration::from_secs(60),
                    uncounted: false,
                    extensions: Default::default(),
                };
                let claimed = pool.claim(&call, &queue, claim).await.unwrap();
                assert_eq!(claimed.batch.messages.len(), 1);
            }
        });
    }
    workers.join_all().await;
    CLAIMS as f64 / begun.elapsed().as_secs_f64()
}
