//! `sukkal bench` tells what a server did, errors included, and leaves nothing behind.

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use sukkal_tests::eventually::SOON;
use sukkal_tests::host::alone;
use sukkal_tests::shared::Shared;
use sukkal_tests::{Host, eventually, programs};

fn bench(host: &Host, arguments: &str) -> Output {
    let mut command = Command::new(programs::sukkal());
    command.args(["bench", "--project", "p1"]).args(arguments.split_whitespace());
    if !arguments.contains("--url") {
        command.args(["--url", host.base()]);
    }
    alone(&mut command);
    command.output().expect("it can be started")
}

fn measured(host: &Host, arguments: &str) -> Value {
    let output = bench(host, &format!("{arguments} --json"));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments}: {told}");
    assert_eq!(told, "", "without a terminal there is no progress line");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[tokio::test]
async fn every_kind_of_work_is_counted_and_timed() {
    let host = Host::start().await;
    for (work, done) in [
        ("post --count 30", 30),
        ("post --count 30 --batch 7 --ttl 60 --delay 1 --queues 40", 30),
        ("list --count 30", 30),
        ("list-others --count 30", 30),
        ("cycle --count 30 --batch 10 --queues 3", 30),
        ("latency --count 30 -c 3", 30),
        ("wait --count 30 -c 3", 30),
        ("claim --count 5 --fill 400", 5),
    ] {
        let report = measured(&host, &format!("{work} --size 100"));
        assert_whole(&report, done);
        assert_eq!((&report["transport"], &report["in_flight"]), (&"rest".into(), &1.into()), "{report}");
    }
}

#[tokio::test]
async fn the_websocket_does_the_same_work_in_either_form() {
    let host = Host::start().await;
    for format in ["json", "msgpack"] {
        for (work, done) in [
            ("post --count 300 -c 2 --in-flight 32", 300),
            ("post --count 30 --batch 7 --ttl 60 --delay 1 --queues 40 --in-flight 4", 30),
            ("list --count 30", 30),
            ("list-others --count 30 --in-flight 3", 30),
            ("cycle --count 30 --batch 10 --queues 3 -c 2 --in-flight 4", 30),
            ("latency --count 30 -c 3", 30),
            ("wait --count 30 -c 3", 30),
            ("claim --count 5 --fill 400 -c 1 --in-flight 2", 5),
        ] {
            let url = format!("ws://{}", host.websocket_address());
            let report = measured(&host, &format!("{work} --size 100 --url {url} --format {format}"));
            assert_whole(&report, done);
            assert_eq!((&report["transport"], &report["format"]), (&"ws".into(), &format.into()), "{report}");
        }
    }
}

/// So much was done, without an error, and timed.
#[track_caller]
fn assert_whole(report: &Value, done: u64) {
    assert_eq!(report["done"], done, "{report}");
    assert_eq!(report["errors"].as_object().map(serde_json::Map::len), Some(0), "{report}");
    let millis = |name: &str| report["latency_ms"][name].as_f64().expect("a number");
    let rising = ["p50", "p90", "p99", "p99.9", "max"].map(millis);
    assert!(rising[0] > 0.0 && rising.is_sorted(), "{report}");
    assert!(report["per_second"].as_f64().is_some_and(|rate| rate > 0.0), "{report}");
}

#[tokio::test]
async fn the_server_may_be_named_by_the_variable_that_queues_read() {
    let host = Host::start().await;
    let mut command = Command::new(programs::sukkal());
    alone(&mut command);
    command.args(["bench", "post", "--count", "3", "--json"]).env("SUKKAL_URL", host.base());
    let output = command.output().expect("it can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["done"], 3);
}

#[tokio::test]
async fn claims_end_when_the_queues_are_empty() {
    let host = Host::start().await;
    let report = measured(&host, "claim --fill 200 --queues 4 --size 100 -c 2 --count 1000");
    assert_eq!((&report["done"], &report["drained"]), (&20.into(), &true.into()), "{report}");
}

#[tokio::test]
async fn a_rate_is_kept_and_what_was_never_begun_is_told() {
    let host = Host::start().await;
    let report = measured(&host, "post --rate 100 --seconds 1 --size 100");
    let (done, left) = (report["done"].as_u64().expect("a count"), report["never_begun"].as_u64().expect("a count"));
    // Half a second to warm up and the second itself have 150 pieces fall due, however late they are done. Up
    // to a third may be done before it counts.
    assert!((99..=150).contains(&(done + left)), "{report}");
    // No server posts so much over one connection.
    let report = measured(&host, "post --rate 5000000 --seconds 1 --size 100 -c 1");
    assert!(report["never_begun"].as_u64() > Some(1_000_000), "{report}");
}

#[tokio::test]
async fn queues_that_were_made_are_gone_and_others_stay() {
    let host = Host::start().await;
    host.queue("bench-0").create(json!({})).await;
    measured(&host, "post --count 30 --queues 3 --prefix bench");
    assert_eq!(host.client().get("/v2/queues").await.json()["queues"].as_array().map(Vec::len), Some(1));
    measured(&host, "list --count 30 --queues 3 --fill 0 --made --keep");
    assert_eq!(host.client().get("/v2/queues").await.json()["queues"].as_array().map(Vec::len), Some(1), "--made");
    measured(&host, "post --count 30 --queues 3 --prefix bench --keep");
    assert_eq!(host.client().get("/v2/queues").await.json()["queues"].as_array().map(Vec::len), Some(3));
}

#[tokio::test]
async fn an_interrupted_measurement_tells_what_was_measured_and_leaves_nothing() {
    let host = Host::start().await;
    for signal in [Signal::INT, Signal::TERM] {
        let mut command = Command::new(programs::sukkal());
        command.args(["bench", "post", "--project", "p1", "--prefix", "bench", "--seconds", "600", "--json"]);
        command.args(["--url", host.base()]).stdout(Stdio::piped()).stderr(Stdio::piped());
        alone(&mut command);
        let started = command.spawn().expect("it can be started");
        let queue = host.queue("bench-0");
        // What is done in the first half second does not count, nor need that which was under way when it ended.
        const UNDER_WAY: u64 = 16;
        let (mut begun, mut before) = (None, None);
        eventually("it measures", 3 * SOON, async || {
            let counts = begun.is_some_and(|begun: Instant| begun.elapsed() > Duration::from_millis(700));
            let now = queue.counts().await[2];
            if now > 0 {
                begun.get_or_insert_with(Instant::now);
            }
            (counts && now > *before.get_or_insert(now) + UNDER_WAY).then_some(())
        })
        .await;
        kill_process(Pid::from_child(&started), signal).expect("a process of ours can be signalled");
        let output = started.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert!(report["done"].as_u64() > Some(0), "{report}");
        assert_eq!(host.client().get("/v2/queues").await.json()["queues"].as_array().map(Vec::len), Some(0));
    }
}

#[tokio::test]
async fn errors_are_counted_by_status() {
    let limited = "[filters.rate-limit]\npost = { per_second = 1, burst = 5 }";
    let host = Host::with().top("pipeline = [\"rate-limit\"]").section(limited).start().await;
    let report = measured(&host, "post --count 100 -c 4 --size 100");
    let (done, refused) = (report["done"].as_u64(), report["errors"]["503"].as_u64());
    assert_eq!(done.zip(refused).map(|(done, refused)| done + refused), Some(100), "{report}");
    assert!(refused >= Some(50), "{report}");
}

#[tokio::test]
async fn what_cannot_be_measured_is_one_line_and_a_status() {
    let mut host = Host::start().await;
    for (arguments, status, told) in [
        ("--url ftp://127.0.0.1/", 2, "only http, https, ws and wss"),
        ("--url http://no.such.host.invalid/", 1, "cannot be found"),
        ("--header Nonsense", 2, "'X-Trace: on'"),
        ("--header x-auth-token:s3cret", 2, "set SUKKAL_TOKEN"),
        ("--url http://me:s3cret@127.0.0.1:1/", 2, "set SUKKAL_TOKEN"),
        ("--token-file /no/such/file", 2, "cannot be read"),
        ("--url http://127.0.0.1:1/", 1, "is the server there?"),
        ("claim --fill 0", 1, "--fill"),
        ("--url ws://127.0.0.1:1/", 1, "is the server there?"),
        ("--transport ws --url http://127.0.0.1:1/", 2, "not a websocket's"),
        ("--in-flight 2", 2, "--url ws://…"),
        ("--format msgpack", 2, "--url ws://…"),
        ("wait --url ws://127.0.0.1:1/ --in-flight 2", 2, "--connections"),
        ("latency --fill 1", 2, "--fill"),
        ("wait --batch 11", 2, "--limit"),
        ("post --ttl 1", 1, "400 (The TTL"),
    ] {
        let output = bench(&host, &format!("--count 1 {arguments}"));
        let line = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(status), "{arguments}: {line}");
        assert!(
            line.starts_with("sukkal: ")
                && line.lines().count() == 1
                && line.contains(told)
                && !line.contains("s3cret"),
            "{arguments}: {line}"
        );
    }
    for elsewhere in [format!("ws://{}", host.address()), format!("http://{}", host.admin_address())] {
        let output = bench(&host, &format!("--count 1 -c 1 --url {elsewhere}"));
        let line = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{elsewhere}: {line}");
        assert!(line.contains("is --url that of the messaging API?"), "{elsewhere}: {line}");
    }
    host.kill();
    let output = bench(&host, "post --count 1");
    assert_eq!(output.status.code(), Some(1));
}

#[tokio::test]
async fn work_that_takes_longer_than_is_measured_is_not_said_to_be_lacking() {
    let host = Host::start().await;
    let output = bench(&host, "latency --delay 3 --seconds 1 -c 1");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("give it more --seconds") && !told.contains("--fill"), "{told}");
}

#[tokio::test]
async fn what_is_received_is_what_was_posted_for_it() {
    let host = Host::start().await;
    host.queue("old-0").post(["old"]).await;
    for work in ["wait", "latency"] {
        let output = bench(&host, &format!("{work} --count 10 -c 1 --prefix old"));
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains("the queue old-0 holds messages already; give another --prefix"), "{told}");
    }
    assert_whole(&measured(&host, "wait-anew --count 10 -c 1 --prefix old"), 10);
}

#[tokio::test]
async fn messages_can_be_received_at_another_host() {
    let shared = Shared::postgresql_and_redis().await;
    let [here, there] = shared.pair().await;
    for work in ["wait", "wait-anew", "latency"] {
        let report = measured(&here, &format!("{work} --count 10 -c 2 --receive-at {}", there.base()));
        assert_whole(&report, 10);
    }
    // One that does not share the stores gets nothing.
    let stranger = Host::start().await;
    let output = bench(&here, &format!("wait --count 1 -c 1 --timeout 1 --receive-at {}", stranger.base()));
    assert!(!output.status.success());
    let output = bench(&here, &format!("post --count 1 --receive-at {}", there.base()));
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("only latency, wait and wait-anew receive"), "{output:?}");
}
