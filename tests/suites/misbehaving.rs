//! Plugins that misbehave: each costs its own request, is named in the log, and is used again.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sukkal_tests::eventually::SOON;
use sukkal_tests::host::Setup;
use sukkal_tests::{Answer, Client, Host, Queue, Scrape, eventually, programs};

pub const PANICS: [(&str, &str); 4] = [
    ("panic_text", "at once, with a text"),
    ("panic_number", "act.rs"),
    ("late_panic_text", "later, with a text"),
    ("late_panic_number", "act.rs"),
];

fn setup() -> Setup {
    Host::with().plugins([programs::library("sukkal-sqlite"), programs::bad_library("misbehaves")])
}

/// A filter that misbehaves at one moment, for the queues `bad…`.
pub fn filter(does: &str, at: &str, more: &str) -> Setup {
    setup().top("pipeline = [\"misbehaves\"]").section(&format!(
        "[filters.misbehaves]\ndoes = \"{does}\"\nat = \"{at}\"\nqueues = [\"bad*\"]\ntimeout = 1\n{more}"
    ))
}

/// The same over stores in memory: the filter is timed, not the disk.
pub fn timed_filter(does: &str, at: &str, more: &str) -> Setup {
    let stores = "catalog = \"memory:\"\ndefault_pool = \"memory:\"";
    filter(does, at, more).plugins([programs::library("sukkal-memory")]).top(stores)
}

/// A pool that misbehaves in one method.
fn pool(does: &str, at: &str) -> Setup {
    let settings = format!("[plugins.misbehaves]\ndoes = \"{does}\"\nat = \"{at}\"");
    setup().top("default_pool = \"misbehaves:\"").section(&settings)
}

fn message() -> Value {
    json!({ "messages": [{ "ttl": 300, "body": 1 }] })
}

pub async fn post(queue: &Queue) -> Answer {
    queue.client().post(&queue.path("/messages"), message()).await
}

async fn list(queue: &Queue) -> Answer {
    queue.client().get(&queue.path("/messages?echo=true")).await
}

/// Whether a line of the log has all of these.
fn logged(log: &str, parts: &[&str]) -> bool {
    log.lines().any(|line| parts.iter().all(|part| line.contains(part)))
}

#[track_caller]
pub fn assert_logged(host: &Host, parts: &[&str]) {
    let log = host.log();
    assert!(logged(&log, parts), "no line with {parts:?} in:\n{log}");
}

#[tokio::test]
async fn a_panic_of_a_filter_costs_its_request_and_no_other() {
    for at in ["authenticate", "request", "ingress", "egress", "response"] {
        for (does, text) in PANICS {
            let host = filter(does, at, "").start().await;
            let (good, bad) = (host.queue("good"), host.queue("bad"));
            for _ in 0..2 {
                let (posted, listed) = (post(&bad).await.status, list(&bad).await.status);
                let expected = match at {
                    // It comes after the answer is made: it cannot refuse any more.
                    "response" => [201, 200],
                    "egress" => [201, 500],
                    // Lists what was never stored.
                    "ingress" => [500, 200],
                    _ => [500, 500],
                };
                assert_eq!([posted, listed], expected, "{does} at {at}");
                // Who the client is is asked before anything is known of the queue.
                if at != "authenticate" {
                    post(&good).await.expect(201);
                    list(&good).await.expect(200);
                }
            }
            assert_logged(&host, &["plugin=\"misbehaves\"", "panicked", text]);
            assert_logged(&host, &[&format!("filter misbehaves at {at}"), "panic"]);
        }
    }
}

/// Calls that reach a method of the pool, in the order in which they are made.
async fn all_calls(client: &Client) -> Vec<(&'static str, u16)> {
    let queue = Queue::new(client.clone(), "orders");
    let mut outcomes = Vec::new();
    outcomes.push(("configure", client.put(&queue.path(""), json!({})).await.status));
    let posted = post(&queue).await;
    let id = posted.json()["resources"][0].as_str().and_then(|path| path.rsplit('/').next().map(str::to_owned));
    outcomes.push(("post", posted.status));
    let id = id.unwrap_or_else(|| "0".repeat(26));
    outcomes.push(("list", list(&queue).await.status));
    outcomes.push(("get", queue.get(&id).await.status));
    outcomes.push(("stats", client.get(&queue.path("/stats")).await.status));
    let claimed = client.post(&queue.path("/claims"), json!({ "ttl": 300, "grace": 60 })).await;
    outcomes.push(("claim", claimed.status));
    let claim = claimed.header("location").rsplit('/').next().unwrap_or_default().to_owned();
    let claim = queue.path(&format!("/claims/{claim}"));
    outcomes.push(("claim_get", client.get(&claim).await.status));
    outcomes.push(("claim_renew", client.patch(&claim, json!({ "ttl": 300, "grace": 60 })).await.status));
    outcomes.push(("claim_release", client.delete(&claim).await.status));
    outcomes.push(("delete", queue.delete(&id).await.status));
    outcomes.push(("pop", client.delete(&queue.path("/messages?pop=1")).await.status));
    outcomes
}

#[tokio::test]
async fn a_panic_of_a_store_costs_its_request_and_no_other() {
    for at in [
        "configure",
        "post",
        "list",
        "get",
        "stats",
        "claim",
        "claim_get",
        "claim_renew",
        "claim_release",
        "delete",
        "pop",
    ] {
        for (does, text) in [PANICS[0], PANICS[3]] {
            let host = pool(does, at).start().await;
            for _ in 0..2 {
                let outcomes = all_calls(&host.client()).await;
                let failed: Vec<&str> =
                    outcomes.iter().filter(|(_, status)| matches!(status, 500 | 503)).map(|(name, _)| *name).collect();
                // Without its header at the pool a queue can do nothing at all.
                let right = if at == "configure" { failed.contains(&"post") } else { failed == [at] };
                assert!(right, "{does} at {at}: {outcomes:?}");
                host.client().get("/v2/ping").await.expect(204);
            }
            assert_logged(&host, &["plugin=\"misbehaves\"", "panicked", text]);
            assert_logged(&host, &["a request failed", "the plugin failed"]);
        }
    }
}

#[tokio::test]
async fn work_of_the_service_itself_outlives_a_store_that_panics() {
    let mut host = pool("late_panic_text", "sweep").start().await;
    eventually("the sweep is tried twice", SOON, async || {
        let log = host.log();
        (log.matches("later, with a text").count() >= 2).then_some(())
    })
    .await;
    let orders = host.queue("orders");
    orders.post(["a"]).await;
    assert_eq!(orders.pop(1).await.len(), 1);
    assert_eq!(host.stop().await.code(), Some(0));
}

#[tokio::test]
async fn a_panic_in_the_drop_of_a_hook_is_caught() {
    let mut host = filter("panic_in_drop", "request", "").start().await;
    for _ in 0..2 {
        post(&host.queue("bad")).await.expect(503);
    }
    assert_logged(&host, &["plugin=\"misbehaves\"", "panicked", "in a drop"]);
    post(&host.queue("good")).await.expect(201);
    assert_eq!(host.stop().await.code(), Some(0));
}

#[tokio::test]
async fn a_filter_that_never_ends_ends_its_request_in_time() {
    does_not_come_back("never", 1000..2500).await;
}

#[tokio::test]
async fn a_filter_that_takes_too_long_ends_its_request_in_time() {
    does_not_come_back("slow", 1000..2500).await;
}

#[tokio::test]
async fn a_filter_that_fails_ends_its_request_at_once() {
    does_not_come_back("fail", 0..900).await;
}

/// What becomes of requests when their filter misbehaves, and after how many milliseconds.
async fn does_not_come_back(does: &str, within: std::ops::Range<u128>) {
    for (on_error, status, stored) in [("refuse", 503, 0), ("pass", 201, 1)] {
        for at in ["request", "ingress"] {
            let host = timed_filter(does, at, &format!("on_error = \"{on_error}\"")).start().await;
            let begun = Instant::now();
            let timed = async { (post(&host.queue("bad")).await, begun.elapsed().as_millis()) };
            let ((answer, took), pinged) = tokio::join!(timed, pings(host.client()));
            assert_eq!(answer.status, status, "{on_error} at {at}: {}", answer.text());
            assert!(within.contains(&took), "{on_error} at {at}: {took} ms");
            assert!(pinged < Duration::from_millis(500), "a ping took {pinged:?} beside it");
            let (log, names) = (host.log(), format!("filter misbehaves at {at}"));
            let told: Vec<_> = log.lines().filter(|line| line.contains(&names)).collect();
            assert!(told.len() == 1 && told[0].contains("request="), "once, under the request's id: {told:#?}");
            let text = if on_error == "pass" { "a filter failed, and is passed over" } else { "a request failed" };
            assert!(told[0].contains("WARN") && told[0].contains(text), "{told:#?}");
            let stats = host.client().get("/v2/queues/bad/stats").await.json();
            assert_eq!(stats["messages"]["total"].as_u64().unwrap_or(0), stored, "{on_error} at {at}");
        }
    }
}

/// The longest that a ping took of some, spread over half a second.
pub async fn pings(client: Client) -> Duration {
    let mut longest = Duration::ZERO;
    for _ in 0..10 {
        let begun = Instant::now();
        client.get("/v2/ping").await.expect(204);
        longest = longest.max(begun.elapsed());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    longest
}

#[tokio::test]
async fn waiting_in_a_filter_takes_no_thread() {
    const REQUESTS: usize = 300;
    let mut host = timed_filter("slow", "request", "").prepare();
    let config = host.folder().join("sukkal.toml");
    let text = std::fs::read_to_string(&config).expect("the configuration");
    std::fs::write(&config, text.replace("timeout = 1", "timeout = 20")).expect("the configuration can be written");
    host.start_again().await;
    let begun = Instant::now();
    let mut posts = tokio::task::JoinSet::new();
    for _ in 0..REQUESTS {
        let queue = host.queue("bad");
        posts.spawn(async move { post(&queue).await.status });
    }
    let waiting = async || {
        let metrics = Scrape::of(&host.pages(), "/metrics").await;
        (metrics.sum("sukkal_requests_in_flight", &[("transport", "rest")]) >= REQUESTS as f64).then_some(())
    };
    eventually("all of them wait", SOON, waiting).await;
    let threads = host.threads();
    let statuses = posts.join_all().await;
    assert!(statuses.iter().all(|status| *status == 201), "{statuses:?}");
    assert!(begun.elapsed() < Duration::from_secs(10), "{REQUESTS} waits of 3 s took {:?}", begun.elapsed());
    assert!(threads < 40, "{threads} threads for {REQUESTS} requests that wait");
}

#[tokio::test]
async fn nonsense_of_a_filter_is_an_error_and_is_never_stored() {
    for (does, reason) in [("one_more", "number of messages"), ("no_json", "not one JSON value")] {
        let host = filter(does, "ingress", "").start().await;
        let bad = host.queue("bad");
        post(&bad).await.expect(500);
        assert!(list(&bad).await.json()["messages"].as_array().is_none_or(Vec::is_empty));
        assert_logged(&host, &["a request failed", "filter misbehaves", reason]);

        let host = filter(does, "egress", "").start().await;
        let bad = host.queue("bad");
        post(&bad).await.expect(201);
        list(&bad).await.expect(500);
        let claim = bad.client().post(&bad.path("/claims"), json!({ "ttl": 300, "grace": 60 })).await;
        claim.expect(500);
        assert_eq!(bad.counts().await, [1, 0, 1], "what could not be handed out is free again");
        assert_logged(&host, &["a request failed", "filter misbehaves", reason]);
    }
}

#[tokio::test]
async fn a_filters_answer_that_is_none_is_an_error_and_one_that_it_spoils_goes_as_it_was() {
    for (does, reason) in [("no_status", "not from 200 to 599"), ("no_json", "not one JSON value")] {
        let host = filter(does, "request", "").start().await;
        post(&host.queue("bad")).await.expect(500);
        assert_logged(&host, &["a request failed", "filter misbehaves", reason]);

        let host = filter(does, "response", "").start().await;
        let posted = post(&host.queue("bad")).await.expect(201).json();
        assert!(posted["resources"].is_array(), "{does}: {posted}");
        assert_logged(&host, &["a filter failed on the answer", "misbehaves", reason]);
    }
}

#[tokio::test]
async fn what_a_filter_made_of_an_answer_before_it_failed_is_taken_back() {
    for on_error in ["refuse", "pass"] {
        let host = filter("spoils", "response", &format!("on_error = \"{on_error}\"")).start().await;
        let posted = post(&host.queue("bad")).await.expect(201);
        assert!(posted.header("location").starts_with("/v2/queues/bad/messages?ids="), "{}", posted.header("location"));
        assert_eq!(posted.header("by-a-filter"), "");
        assert!(posted.json()["resources"].is_array(), "{}", posted.text());
        assert_logged(&host, &["misbehaves", "out of order"]);
    }
}

#[tokio::test]
async fn what_a_plugin_says_of_its_failure_stays_in_its_line_and_moves_no_cursor() {
    let host = filter("fail_in_lines", "request", "").start().await;
    post(&host.queue("bad")).await.expect(503);
    assert_logged(&host, &["a request failed", "out of order forged: one", "as  forged: another"]);
    let stillborn = filter("fail_in_lines", "open", "").prepare();
    let output = stillborn.serve().output().expect("the host can be started");
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let due = |line: &&str| line.starts_with("sukkal: sukkal.toml:") && line.contains("out of order forged: one");
    assert_eq!(told.lines().filter(due).count(), 1, "{told}");
    for text in [host.log(), told] {
        let forged = |line: &str| line.starts_with("forged") || line.starts_with("sukkal: forged");
        assert!(!text.lines().any(forged) && !text.contains(['\u{1b}', '\r']), "{text}");
    }
}

#[tokio::test]
async fn where_an_answer_ends_is_not_a_filters_to_say() {
    for (at, status) in [("request", 403), ("response", 201)] {
        let host = filter("frames", at, "").start().await;
        for _ in 0..2 {
            let answer = post(&host.queue("bad")).await.expect(status);
            assert!(answer.json().is_object(), "{at}: it is whole");
            for name in ["connection", "keep-alive", "proxy-connection"] {
                assert_eq!(answer.header(name), "", "{name} at {at}");
            }
            let types: Vec<_> = answer.headers.get_all("content-type").iter().collect();
            assert_eq!(types, ["text/plain"], "{at}");
        }
    }
}

#[tokio::test]
async fn nonsense_of_a_filter_that_is_passed_over_is_as_if_it_had_not_been_there() {
    for (does, reason) in [("one_more", "number of messages"), ("no_json", "not one JSON value")] {
        for at in ["ingress", "egress"] {
            let host = filter(does, at, "on_error = \"pass\"").start().await;
            let bad = host.queue("bad");
            bad.post(["a"]).await;
            assert_eq!(bad.list("?echo=true").await.bodies(), ["a"], "{does} at {at}");
            assert_logged(&host, &["a filter failed", "misbehaves", reason]);
        }
    }
}

#[tokio::test]
async fn a_pipeline_without_one_of_its_filters_is_none() {
    let lets_in = "on_error = \"pass\"";
    for (does, at, more, fault) in [
        ("panic_text", "interest", "", "`filters.misbehaves` panicked when it was asked"),
        ("identifies", "authenticate", lets_in, "`filters.misbehaves.on_error` is \"pass\", but the filter takes part"),
    ] {
        let host = filter(does, at, more).prepare();
        let output = host.serve().output().expect("the host can be started");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(logged(&told, &["sukkal: ", fault]), "{told}");

        let host = filter("identifies", "authenticate", "").start().await;
        let posted = async || {
            let client = host.client();
            let post = || client.request("POST", "/v2/queues/bad/messages").body(message().to_string());
            [post().send().await.status, post().header("x-auth-token", "lasts-60").send().await.status]
        };
        assert_eq!(posted().await, [401, 201]);
        let now = format!("does = \"{does}\"\nat = \"{at}\"\n{more}\n");
        host.reload(|text| text.replace("does = \"identifies\"\nat = \"authenticate\"\n", &now)).await;
        assert_logged(&host, &["ERROR", fault]);
        assert_logged(&host, &["the settings are not reloaded"]);
        assert_eq!(posted().await, [401, 201], "{does} at {at}");
    }
}

#[tokio::test]
async fn a_pool_that_gives_no_place_to_each_message_is_an_error() {
    let host = pool("one_more", "post").start().await;
    post(&host.queue("bad")).await.expect(500);
    assert_logged(&host, &["a request failed", "2 places for 1 messages"]);
}

#[tokio::test]
async fn timers_tasks_sockets_and_threads_work_in_every_hook_and_method() {
    let setup = setup().top("pipeline = [\"misbehaves\"]\ndefault_pool = \"misbehaves:\"");
    let both = "[filters.misbehaves]\ndoes = \"works\"\n[plugins.misbehaves]\ndoes = \"works\"";
    let mut host = setup.section(both).start().await;
    for (call, status) in all_calls(&host.client()).await {
        assert!(matches!(status, 200..=204), "{call}: {status}");
    }
    let others = host.queue("others");
    others.create(json!({ "a": 1 })).await;
    others.post(["a", "b"]).await;
    assert_eq!(others.list("?echo=true").await.bodies(), ["a", "b"]);
    host.client().delete("/v2/queues/others").await.expect(204);
    assert_eq!(host.stop().await.code(), Some(0));
    assert!(!host.log().contains("failed"), "{}", host.log());
}

#[tokio::test]
async fn a_plugins_logs_are_in_the_hosts_with_name_level_fields_and_request() {
    let log = "[log]\nformat = \"json\"\nlevel = \"info\"\nplugins = { misbehaves = \"debug\" }";
    let host = filter("logs", "request", "").section(log).start().await;
    let answer = post(&host.queue("bad")).await.expect(201);
    let request = answer.header("x-openstack-request-id").trim_start_matches("req-").replace('-', "");
    let line = |lines: &[Value], level: &str, text: &str| {
        let found = lines.iter().find(|line| line["message"].as_str().is_some_and(|message| message == text));
        let found = found.unwrap_or_else(|| panic!("`{text}` in {lines:#?}")).clone();
        assert_eq!(found["level"], level, "{text}");
        assert_eq!(found["plugin"], "misbehaves", "{text}");
        found
    };
    let of_request = |found: &Value| found["request"].as_str().unwrap_or_default().replace('-', "").ends_with(&request);
    let lines = eventually("the last line is logged", SOON, async || {
        let lines = json_lines(&host.log());
        lines.iter().any(|line| line["message"] == "a notice of a thread").then_some(lines)
    })
    .await;
    for (level, text) in [
        ("ERROR", "an error number=1"),
        ("WARN", "a warning text=two"),
        ("INFO", "a notice number=3 text=three"),
        ("DEBUG", "a detail"),
        ("ERROR", "an error of log"),
        ("WARN", "a warning of log"),
        ("INFO", "a notice of log"),
        ("DEBUG", "a detail of log"),
        ("INFO", "a notice in a span inner=5 outer=6"),
    ] {
        assert!(of_request(&line(&lines, level, text)), "{text} does not name request {request}");
    }
    for text in ["a notice of a task", "a notice of a thread"] {
        line(&lines, "INFO", text);
    }
    let trifles = lines.iter().filter(|line| line["message"].as_str().is_some_and(|text| text.contains("trifle")));
    assert_eq!(trifles.count(), 0, "what is below the plugin's level is logged");
    let of_others = lines.iter().filter(|line| line["level"] == "DEBUG" && line["plugin"] != "misbehaves");
    assert_eq!(of_others.count(), 0, "the level of one plugin is another's");
}

fn json_lines(log: &str) -> Vec<Value> {
    let lines = log.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect()
}

#[tokio::test]
async fn a_library_that_is_taken_away_serves_on() {
    let host = filter("works", "request", "").start().await;
    post(&host.queue("bad")).await.expect(201);
    let folder = host.folder().join("plugins");
    // In place, as a careless copy does it, and then away.
    let library = folder.join("libmisbehaves.so");
    std::fs::write(&library, vec![0xff; 10_000_000]).expect("a file can be written");
    post(&host.queue("bad")).await.expect(201);
    std::fs::remove_dir_all(&folder).expect("the folder can be removed");
    post(&host.queue("bad")).await.expect(201);
    host.queue("good").post(["a"]).await;
}
