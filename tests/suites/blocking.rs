//! Filters that block: a thread of the host, or, isolated, one of their own. And a log that blocks all.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sukkal_tests::eventually::SOON;
use sukkal_tests::stores::MEMORY;
use sukkal_tests::{Client, Host, eventually, programs};

use crate::misbehaving::{PANICS, assert_logged, filter, pings, post, timed_filter};

#[tokio::test]
async fn a_filter_that_holds_its_thread_does_not_end_the_host() {
    let mut host = filter("block", "request", "").start().await;
    let (bad, good) = (host.queue("bad"), host.queue("good"));
    let (_, posted) = tokio::join!(post(&bad), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        post(&good).await.status
    });
    assert_eq!(posted, 201);
    assert_logged(&host, &["WARN", "held its thread", "plugin=\"misbehaves\"", "request=\""]);
    post(&good).await.expect(201);
    assert_eq!(host.stop().await.code(), Some(0));
}

#[tokio::test]
async fn a_filter_that_never_gives_its_thread_back_is_named_and_the_rest_goes_on_to_the_end() {
    let mut host = filter("block_for_good", "request", "").start().await;
    let (bad, good) = (host.queue("bad"), host.queue("good"));
    let stuck = tokio::spawn(async move { bad.client().get(&bad.path("/messages")).await });
    let named = async || host.log().contains("a filter holds a thread of the host").then_some(());
    eventually("the filter is named", SOON, named).await;
    for _ in 0..3 {
        post(&good).await.expect(201);
    }
    stuck.abort();
    host.terminate();
    eventually("the host ends", SOON, async || host.log().contains("stopping").then_some(())).await;
    // A second signal ends it at once.
    host.stop().await;
}

#[tokio::test]
async fn a_filter_that_blocks_at_the_end_does_not_keep_the_host() {
    let mut host = filter("block_for_good", "shutdown", "").start().await;
    host.terminate();
    let named = async || host.log().contains("a filter holds a thread of the host").then_some(());
    eventually("the filter is named", SOON, named).await;
    host.stop().await;
}

/// As many as there are threads that answer, and more.
const BLOCKING: usize = 12;

#[tokio::test]
async fn an_isolated_filter_that_blocks_holds_no_thread_of_the_host() {
    let host = timed_filter("block", "request", "isolate = true").start().await;
    let mut posts = tokio::task::JoinSet::new();
    for _ in 0..BLOCKING {
        let queue = host.queue("bad");
        posts.spawn(async move { post(&queue).await.status });
    }
    let begun = Instant::now();
    let pinged = pings(host.client()).await;
    assert!(pinged < Duration::from_millis(500), "a ping took {pinged:?} beside {BLOCKING} hooks that block");
    post(&host.queue("good")).await.expect(201);
    let statuses = posts.join_all().await;
    assert_eq!(statuses, [503; BLOCKING], "the time-out holds for what blocks, too");
    assert!(begun.elapsed() < Duration::from_millis(2800), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn an_isolated_filter_does_all_that_others_do() {
    let sealed = "pipeline = [\"seal\", \"misbehaves\"]";
    let both = "[filters.seal]\nisolate = true\n[filters.misbehaves]\ndoes = \"works\"\nisolate = true";
    let libraries = ["sukkal-sqlite", "sukkal-example-filter"].map(programs::library);
    let setup = Host::with().plugins(libraries.into_iter().chain([programs::bad_library("misbehaves")]));
    let mut host = setup.top(sealed).section(both).start().await;
    let orders = host.queue("orders");
    orders.post(["sealed and opened"]).await;
    assert_eq!(orders.claim(1).await.bodies(), ["sealed and opened"]);
    assert_eq!(host.stop().await.code(), Some(0));

    for (does, text) in [PANICS[0], PANICS[2], ("panic_in_drop", "in a drop")] {
        let host = filter(does, "request", "isolate = true").start().await;
        for _ in 0..2 {
            let status = post(&host.queue("bad")).await.status;
            assert_eq!(status, if does == "panic_in_drop" { 503 } else { 500 }, "{does}");
            post(&host.queue("good")).await.expect(201);
        }
        let logged = eventually("the panic is logged", SOON, async || {
            host.log().lines().find(|line| line.contains("panicked") && line.contains(text)).map(str::to_owned)
        });
        let logged = logged.await;
        assert!(logged.contains("plugin=\"misbehaves\"") && logged.contains("request=\""), "{logged}");
    }
}

#[tokio::test]
async fn a_log_that_nobody_reads_does_not_keep_the_host() {
    let host = MEMORY.host().section("[log]\nlevel = \"trace\"").prepare();
    let mut child = host.serve().stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the host can be started");
    let mut log = BufReader::new(child.stderr.take().expect("it has a log"));
    let base = loop {
        let mut line = String::new();
        assert!(log.read_line(&mut line).expect("the log can be read") > 0, "the host ended at its start");
        if let Some((_, address)) = line.split_once(" listening on ") {
            break address.split_whitespace().next().unwrap_or_default().to_owned();
        }
    };
    let client = Client::new(&base);
    let answers = async || tokio::time::timeout(Duration::from_secs(2), client.get("/v2/nothing")).await.is_ok();
    while answers().await {}
    // The second signal ends it at once.
    eventually("the host ends", SOON, async || {
        kill_process(Pid::from_child(&child), Signal::TERM).expect("a process of ours can be signalled");
        child.try_wait().expect("a process of ours can be looked after")
    })
    .await;
}
