//! What an author can rely on while a plugin runs: timers, tasks and sockets without set-up, no
//! thread a call, and an end of what was awaited when nobody waits for it any more.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sukkal_plugin_sdk::load::{Library, LoadedPool, OpenArgs};
use sukkal_plugin_sdk::testing::{TestClock, call};
use sukkal_plugin_sdk::{Header, List, QueueId, QueueRef};
use sukkal_tests::eventually::SOON;
use sukkal_tests::host::alone;
use sukkal_tests::{Host, eventually, programs};
use tokio::task::JoinSet;

/// As many as wait together.
const CALLS: usize = 10_000;
/// Threads that this process may have while they wait: those of the runtimes, and a few to spare.
const THREADS: usize = 40;

/// The pool of the library that misbehaves, where listing takes three seconds.
async fn slow_pool(clock: &TestClock) -> LoadedPool {
    let folder = std::env::temp_dir();
    let library = Library::load(&programs::bad_library("misbehaves"), &folder, clock.services());
    let arguments = OpenArgs {
        which: "misbehaves".to_owned(),
        uri: "misbehaves:".to_owned(),
        settings: "{\"does\":\"slow\",\"at\":\"list\"}".to_owned(),
        data_dir: folder.to_string_lossy().into_owned(),
        host_id: "test".to_owned(),
        records: None,
        isolate: false,
    };
    library.expect("the library is sound").open_pool(arguments).await.expect("the pool opens")
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").expect("a process can look at itself").count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_calls_that_wait_need_no_thread_each() {
    static WAITING: AtomicUsize = AtomicUsize::new(0);
    let clock = TestClock::default();
    let pool = slow_pool(&clock).await;
    let queue = QueueRef::new(QueueId(1), 1, Vec::new());
    pool.configure(&call(&clock), &queue, Header { epoch: 1, ..Header::default() }).await.expect("a queue");
    let begun = Instant::now();
    let mut calls = JoinSet::new();
    for _ in 0..CALLS {
        let (pool, queue, call) = (pool.clone(), queue.clone(), call(&clock));
        calls.spawn(async move {
            WAITING.fetch_add(1, Ordering::Relaxed);
            pool.list(&call, &queue, List { limit: 1, ..List::default() }).await.map(drop)
        });
    }
    eventually("all calls wait", SOON, async || (WAITING.load(Ordering::Relaxed) == CALLS).then_some(())).await;
    assert!(threads() < THREADS, "{} threads while {CALLS} calls wait", threads());
    for outcome in calls.join_all().await {
        outcome.expect("a call that waits succeeds");
    }
    // One after the other, or in turns of some hundred, they would take minutes.
    assert!(begun.elapsed() < Duration::from_secs(30), "{CALLS} waits of 3 s took {:?}", begun.elapsed());
}

#[tokio::test]
async fn what_a_hook_awaits_ends_when_nobody_waits_for_the_hook() {
    let setup = Host::with().plugins([programs::library("sukkal-sqlite"), programs::bad_library("misbehaves")]);
    let section = "[filters.misbehaves]\ndoes = \"waits\"\nat = \"request\"\ntimeout = 1";
    let host = setup.top("pipeline = [\"misbehaves\"]").section(section).start().await;
    host.client().get("/v2/queues").await.expect(503);
    eventually("the drop is logged", SOON, async || host.log().contains("what was awaited is dropped").then_some(()))
        .await;
}

/// Timers, tasks, blocking tasks, threads and sockets are used in each method, and in opening.
#[test]
fn a_pool_that_uses_all_of_tokio_keeps_its_promises() {
    for cases in ["pool.key.*", "pool.lane.*", "pool.step.*", "pool.export.*", "pool.dead_letter.*", "pool.watch.*"] {
        let mut command = Command::new(programs::sukkal());
        command.args(["plugin", "verify"]).arg(programs::bad_library("misbehaves"));
        command.args(["--case", cases, "--settings", "{\"does\":\"works\"}"]);
        alone(&mut command);
        let output = command.output().expect("the program can be started");
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{told}");
        assert!(told.lines().filter(|line| line.starts_with("ok")).count() > 2, "{told}");
    }
}
