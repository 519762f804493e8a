//! SIGHUP: what can be changed at run time is, and nobody who is being served notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::json;
use sukkal_tests::eventually::SOON;
use sukkal_tests::stores::MEMORY;
use sukkal_tests::wire::{Wire, request};
use sukkal_tests::{Client, Host, Scrape, eventually, programs};

async fn post(client: &Client, ttl: u64) -> u16 {
    client.post("/v2/queues/q/messages", json!({ "messages": [{ "body": 1, "ttl": ttl }] })).await.status
}

async fn reloads(host: &Host, outcome: &str) -> f64 {
    Scrape::of(&host.pages(), "/metrics").await.sum("sukkal_reloads_total", &[("outcome", outcome)])
}

#[tokio::test]
async fn limits_switches_and_filters_are_those_of_the_file_after_a_reload() {
    let host = Host::with().section("[limits]\nmax_message_ttl = 7200\n").start().await;
    let client = host.client();
    assert_eq!(post(&client, 7200).await, 201);
    client.get("/v2/queues/q/messages?echo=true").await.expect(200);
    host.reload(|text| {
        let text = text.replace("max_message_ttl = 7200", "max_message_ttl = 600\ndefault_message_ttl = 600");
        format!("pipeline = [\"audit\"]\n{text}[api]\nenable_checksum = true\n")
    })
    .await;
    assert_eq!(reloads(&host, "done").await, 1.0, "{}", host.log());
    let told = |filters: &str| host.log().contains(&format!("the settings are reloaded filters=\"{filters}\""));
    assert!(told("audit"), "{}", host.log());
    assert_eq!([post(&client, 7200).await, post(&client, 600).await], [400, 201]);
    let page = client.get("/v2/queues/q/messages?echo=true").await.expect(200).json();
    assert!(page["messages"][0]["checksum"].is_string(), "{page}");
    let audit = host.folder().join("data/audit.jsonl");
    eventually("the filter that is new sees requests", SOON, async || {
        std::fs::read_to_string(&audit).ok().filter(|lines| lines.contains("message_post"))
    })
    .await;
    host.reload(|text| text.replace("pipeline = [\"audit\"]\n", "").replace("= 600", "= 7200")).await;
    assert!(told(""), "{}", host.log());
    assert_eq!(post(&client, 7200).await, 201);
    let lines = || std::fs::read_to_string(&audit).unwrap_or_default().lines().count();
    // Those of two posts and a listing. The last is written once the filter is closed.
    let written = async || (lines() == 3).then_some(());
    eventually("the filter that is gone has ended", SOON, written).await;
    post(&client, 600).await;
    assert_eq!(lines(), 3, "a filter that is out of the pipeline sees requests");
}

#[tokio::test]
async fn a_limit_that_is_lowered_binds_queues_that_say_more() {
    let host = Host::with().section("[limits]\n").start().await;
    let orders = host.queue("orders");
    orders.create(json!({ "_default_message_ttl": 1_209_600, "_default_message_delay": 900 })).await;
    let lowered = "[limits]\nmax_message_ttl = 600\ndefault_message_ttl = 600\nmax_message_delay = 0\n";
    host.reload(|text| text.replace("[limits]\n", lowered)).await;
    let ids = orders.post_messages(json!([{ "body": "ours" }])).await;
    assert_eq!(orders.get(&ids[0]).await.expect(200).json()["ttl"], 600);
    assert_eq!(orders.list("?echo=true").await.bodies(), ["ours"], "it is not delayed");
    let message = json!({ "messages": [{ "body": 1, "ttl": 601 }] });
    host.client().post("/v2/queues/orders/messages", message).await.expect(400);
}

#[tokio::test]
async fn new_settings_of_a_filter_are_in_force_after_a_reload() {
    let section = "[filters.rate-limit]\npost = { per_second = 1, burst = 1 }\nstatus = 503\n";
    // A post that waits for the disk would leave room for the next one.
    let host = MEMORY.host().top("pipeline = [\"rate-limit\"]").section(section).start().await;
    let client = host.client();
    assert_eq!([post(&client, 60).await, post(&client, 60).await], [201, 503]);
    host.reload(|text| text.replace("burst = 1", "burst = 2").replace("status = 503", "status = 429")).await;
    assert_eq!([post(&client, 60).await, post(&client, 60).await, post(&client, 60).await], [201, 201, 429]);
}

#[tokio::test]
async fn a_configuration_with_mistakes_leaves_everything_as_it_was() {
    let host = Host::with().section("[limits]\nmax_message_ttl = 7200\n").start().await;
    let client = host.client();
    host.reload(|text| {
        let text = text
            .replace("max_message_ttl = 7200", "max_message_ttl = 600\nmax_claim_ttI = 100\ndefault_message_ttl = 600");
        format!("pipeline = [\"nosuch\"]\n{text}[log]\nlevel = \"debugg\"\n")
    })
    .await;
    assert_eq!(reloads(&host, "refused").await, 1.0);
    assert_eq!([post(&client, 7200).await, post(&client, 7201).await], [201, 400]);
    let log = host.log();
    for (key, mend) in [("max_claim_ttI", "max_claim_ttl"), ("log.level", "debug")] {
        let told = log.lines().any(|line| line.contains("sukkal.toml:") && line.contains(key) && line.contains(mend));
        assert!(told, "{key} in {log}");
    }
    assert!(log.contains("stay as they were"), "{log}");
    // What only the plugins know is found as well.
    host.reload(|text| text.replace("\nmax_claim_ttI = 100", "").replace("debugg", "debug")).await;
    assert_eq!(reloads(&host, "refused").await, 2.0);
    assert!(host.log().lines().any(|line| line.contains("sukkal.toml:1") && line.contains("nosuch")));
    assert_eq!(post(&client, 7200).await, 201);
    host.reload(|text| text.replace("pipeline = [\"nosuch\"]\n", "")).await;
    assert_eq!(reloads(&host, "done").await, 1.0);
    assert_eq!(post(&client, 7200).await, 400);
}

#[tokio::test]
async fn a_filter_that_does_not_open_holds_up_neither_requests_nor_the_end() {
    let mut host = Host::start().await;
    let pipe = host.folder().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo can be run");
    assert!(made.success());
    // Opening a pipe waits for somebody at its other end.
    let path = host.folder().join("sukkal.toml");
    let text = std::fs::read_to_string(&path).expect("the configuration can be read");
    let text = format!("pipeline = [\"audit\"]\n{text}\n[filters.audit]\npath = {pipe:?}\n");
    std::fs::write(path, text).expect("the configuration can be written");
    host.hang_up();
    let thread_of_it = || {
        let threads = std::fs::read_dir(format!("/proc/{}/task", host.id())).expect("the host runs");
        let names = threads.flatten().map(|thread| std::fs::read_to_string(thread.path().join("comm")));
        names.flatten().find(|name| name.trim() == "audit")
    };
    eventually("the pipe is being opened", SOON, async || thread_of_it()).await;
    for _ in 0..20 {
        assert_eq!(post(&host.client(), 600).await, 201);
    }
    assert!(host.stop().await.success());
}

#[tokio::test]
async fn settings_that_cannot_be_read_hold_up_neither_requests_nor_the_end() {
    let mut host = Host::start().await;
    let settings = host.folder().join("sukkal.toml");
    std::fs::remove_file(&settings).expect("the configuration can be removed");
    let made = std::process::Command::new("mkfifo").arg(&settings).status().expect("mkfifo can be run");
    assert!(made.success());
    let threads = host.threads();
    host.hang_up();
    eventually("the settings are being read", SOON, async || (host.threads() > threads).then_some(())).await;
    for _ in 0..20 {
        assert_eq!(post(&host.client(), 600).await, 201);
    }
    assert!(host.stop().await.success());
}

#[tokio::test]
async fn what_needs_a_restart_is_named_in_one_warning_and_the_rest_is_reloaded() {
    let host = Host::with().top("shutdown_grace = 10").section("[limits]\nmax_message_ttl = 7200\n").start().await;
    host.reload(|text| {
        let text = text.replace("shutdown_grace = 10", "shutdown_grace = 11\ncatalog = \"memory:\"");
        let text = text.replace("[rest]\n", "[rest]\nidle_timeout = 30\n");
        text.replace("max_message_ttl = 7200", "max_message_ttl = 3600")
    })
    .await;
    let log = host.log();
    let warnings: Vec<&str> = log.lines().filter(|line| line.contains("only after a restart")).collect();
    assert_eq!(warnings.len(), 1, "{log}");
    assert!(warnings[0].contains("catalog, rest.idle_timeout"), "{}", warnings[0]);
    assert!(!warnings[0].contains("shutdown_grace"), "{}", warnings[0]);
    assert_eq!(post(&host.client(), 7200).await, 400);
}

#[tokio::test]
async fn filters_keep_their_files_in_the_folder_that_is_in_force() {
    let host = Host::with().top("pipeline = [\"audit\"]").start().await;
    let audit = host.folder().join("data/audit.jsonl");
    let lines = || std::fs::read_to_string(&audit).unwrap_or_default().lines().count();
    // It is not there, and need not be before a restart.
    let elsewhere = host.folder().join("elsewhere");
    host.reload(|text| text.replace("data\"\n", "elsewhere\"\n")).await;
    assert_eq!(reloads(&host, "done").await, 1.0, "{}", host.log());
    assert!(host.log().contains("only after a restart: data_dir"), "{}", host.log());
    let before = lines();
    post(&host.client(), 600).await;
    eventually("the audit goes on where it was", SOON, async || (lines() > before).then_some(())).await;
    assert!(!elsewhere.exists());
}

#[tokio::test]
async fn the_levels_of_host_and_plugins_follow_the_file() {
    let libraries = [programs::library("sukkal-sqlite"), programs::bad_library("misbehaves")];
    let section = "[filters.misbehaves]\ndoes = \"logs\"\nat = \"request\"\n[log]\nlevel = \"warn\"\n";
    let host = Host::with().plugins(libraries).top("pipeline = [\"misbehaves\"]").section(section).prepare();
    // Without the host's notices nobody would hear its address: it starts with them.
    let config = host.folder().join("sukkal.toml");
    let text = std::fs::read_to_string(&config).expect("the configuration");
    std::fs::write(&config, text.replace("level = \"warn\"", "level = \"info\"")).expect("it can be written");
    let mut host = host;
    host.start_again().await;
    let of_plugin =
        |log: &str| log.lines().filter(|line| line.contains("a detail") && line.contains("misbehaves")).count();
    host.client().get("/v2/queues").await.expect(200);
    assert_eq!(of_plugin(&host.log()), 0);
    host.reload(|text| format!("{text}plugins = {{ misbehaves = \"debug\" }}\n")).await;
    host.client().get("/v2/queues").await.expect(200);
    eventually("the plugin's details are logged", SOON, async || (of_plugin(&host.log()) > 0).then_some(())).await;
    host.reload(|text| text.replace("plugins = { misbehaves = \"debug\" }", "").replace("\"info\"", "\"error\"")).await;
    let (notices, details) = (host.log().matches(" INFO ").count(), of_plugin(&host.log()));
    host.client().get("/v2/queues").await.expect(200);
    host.reload(|text| text).await;
    assert_eq!(host.log().matches(" INFO ").count(), notices, "notices are logged below their level");
    assert_eq!(of_plugin(&host.log()), details);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_dropped_or_refused_by_a_reload() {
    let section = "[filters.seal]\nqueues = [\"*\"]\n";
    let libraries = [programs::library("sukkal-sqlite"), programs::library("sukkal-example-filter")];
    let host = Host::with().plugins(libraries).top("pipeline = [\"seal\"]").section(section).start().await;
    let (answered, end) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let posters: Vec<_> = (0..4)
        .map(|_| {
            let (answered, end, address) = (answered.clone(), end.clone(), host.address().to_owned());
            tokio::spawn(async move {
                let mut wire = Wire::connect(&address).await;
                let post = request("POST", "/v2/queues/orders/messages", "", "{\"messages\":[{\"body\":\"hello\"}]}");
                while !end.load(Ordering::SeqCst) {
                    assert!(wire.send(&post).await, "the connection is kept");
                    assert_eq!(wire.reply().await.map(|reply| reply.status), Some(201));
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for round in 0..5 {
        let before = answered.load(Ordering::SeqCst);
        host.reload(|text| text.replace(&format!("# {}", round - 1), "") + &format!("# {round}\n")).await;
        eventually("posts flow", SOON, async || (answered.load(Ordering::SeqCst) > before + 20).then_some(())).await;
    }
    end.store(true, Ordering::SeqCst);
    for poster in posters {
        poster.await.expect("each answer is a 201");
    }
    assert_eq!(reloads(&host, "done").await, 5.0);
    let [_, _, total] = host.queue("orders").counts().await;
    assert_eq!(total, answered.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_request_sees_the_filters_it_came_in_under_to_its_end() {
    // What happens while the filter is slow does not wait for the disk.
    let libraries = [programs::library("sukkal-memory"), programs::bad_library("misbehaves")];
    let section = "[filters.misbehaves]\ndoes = \"slow\"\nat = \"request\"\ntimeout = 20\nqueues = [\"slow\"]\n";
    let host = MEMORY.host().plugins(libraries).top("pipeline = [\"misbehaves\"]").section(section).start().await;
    let client = host.client();
    let slow = tokio::spawn(async move { client.put("/v2/queues/slow", json!({})).await.status });
    eventually("the request is under way", SOON, async || {
        let scrape = Scrape::of(&host.pages(), "/metrics").await;
        (scrape.sum("sukkal_requests_in_flight", &[("transport", "rest")]) == 1.0).then_some(())
    })
    .await;
    host.reload(|text| text.replace("pipeline = [\"misbehaves\"]", "pipeline = []")).await;
    // A new one does not pass the filter any more; the old one still waits in it.
    host.client().put("/v2/queues/slow", json!({ "second": 1 })).await;
    assert!(!slow.is_finished(), "the filter is slow, and the request is still in it");
    let is_ended = || host.log().contains("the filter is shut down");
    assert!(!is_ended(), "a filter ends once its last request has");
    assert!(slow.await.is_ok_and(|status| status == 201 || status == 204));
    eventually("the filter ends", SOON, async || is_ended().then_some(())).await;
    assert!(!host.log().contains("still see filters"), "{}", host.log());
}
