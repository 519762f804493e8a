//! Health and plugins, as operators and their programs ask for them.

use std::process::Stdio;

use serde_json::{Value, json};
use sukkal_tests::eventually::SOON;
use sukkal_tests::stores::STORES;
use sukkal_tests::wire::{Wire, head};
use sukkal_tests::{Client, Host, Scrape, eventually, programs};

#[tokio::test]
async fn a_host_that_serves_is_live_and_ready() {
    let host = Host::start().await;
    for (page, text) in [("/live", "live\n"), ("/ready", "ready\n")] {
        let answer = host.pages().get(page).await.expect(200);
        assert_eq!((answer.text().as_str(), answer.header("cache-control")), (text, "no-store"));
        host.pages().request("HEAD", page).send().await.expect(200);
    }
    assert!(host.pages().get("/").await.expect(200).text().contains("/metrics"));
    host.pages().get("/nowhere").await.expect(404);
    host.pages().post("/ready", json!({})).await.expect(405);
    host.client().get("/metrics").await.expect(404);
}

/// The labels of looks at pools.
const LOOKS: [(&str, &str); 2] = [("kind", "pool"), ("method", "health")];

/// What misbehaves is a store whose `health` never comes back, or comes back with an error.
fn unwell(does: &str) -> sukkal_tests::host::Setup {
    let libraries = [programs::library("sukkal-sqlite"), programs::bad_library("misbehaves")];
    let section = format!("[plugins.misbehaves]\ndoes = \"{does}\"\nat = \"health\"");
    Host::with().plugins(libraries).top("default_pool = \"misbehaves:\"").section(&section)
}

#[tokio::test]
async fn a_host_whose_default_pool_does_not_answer_is_live_and_not_ready() {
    for does in ["fail", "never", "panic_text"] {
        let host = unwell(does).start().await;
        host.pages().get("/live").await.expect(200);
        let answer = host.pages().get("/ready").await.expect(503);
        assert!(answer.text().contains("the default pool does not answer"), "{does}: {}", answer.text());
        host.client().get("/v2/ping").await.expect(503);
    }
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_told_of_once() {
    let host = unwell("fail").start().await;
    let looks = async || Scrape::of(&host.pages(), "/metrics").await.sum("sukkal_store_calls_total", &LOOKS);
    let first = looks().await;
    eventually("it is looked at again and again", SOON, async || {
        host.pages().get("/ready").await.expect(503);
        (looks().await >= first + 3.0).then_some(())
    })
    .await;
    let log = host.log();
    let told: Vec<_> = log.lines().filter(|line| line.contains("the default pool does not answer")).collect();
    assert!(told.len() == 1 && told[0].contains("out of order"), "{told:#?}");
}

#[tokio::test]
async fn many_probes_cost_the_stores_one_look() {
    let host = Host::start().await;
    let looks = async || {
        let scrape = Scrape::of(&host.pages(), "/metrics").await;
        scrape.sum("sukkal_store_calls_total", &LOOKS)
    };
    // The start has looked too.
    let (before, begun) = (looks().await, std::time::Instant::now());
    for _ in 0..200 {
        host.client().get("/v2/ping").await.expect(204);
        host.pages().get("/ready").await.expect(200);
    }
    let most = 1.0 + begun.elapsed().as_secs_f64();
    let looks = looks().await - before;
    assert!((1.0..=most).contains(&looks), "{looks} looks in {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_host_is_not_ready_while_it_starts() {
    let libraries = [programs::library("sukkal-sqlite"), programs::bad_library("misbehaves")];
    let section = "[plugins.misbehaves]\ndoes = \"never\"\nat = \"open\"";
    let host = Host::with().plugins(libraries).top("default_pool = \"misbehaves:\"").section(section).prepare();
    let log = std::fs::File::create(host.folder().join("log")).expect("a file can be made");
    let mut child = host.serve().stdout(Stdio::null()).stderr(log).spawn().expect("the host can be started");
    let line = "metrics and health at ";
    let address = eventually("the host tells its address", SOON, async || {
        let log = host.log();
        let (_, rest) = log.lines().find_map(|found| found.split_once(line))?;
        rest.split_whitespace().next().map(str::to_owned)
    });
    let pages = Client::new(&address.await);
    pages.get("/live").await.expect(200);
    let answer = pages.get("/ready").await.expect(503);
    assert!(answer.text().contains("starting"), "{}", answer.text());
    pages.get("/plugins").await.expect(503);
    child.kill().expect("a process of ours can be killed");
    child.wait().expect("a process of ours can be waited for");
}

#[tokio::test]
async fn readiness_fails_first_and_the_host_serves_on_for_the_delay() {
    let mut host = Host::with().top("shutdown_delay = 6").start().await;
    let mut idle = Wire::connect(host.address()).await;
    host.terminate();
    eventually("readiness fails", SOON, async || (host.pages().get("/ready").await.status == 503).then_some(())).await;
    assert!(host.pages().get("/ready").await.text().contains("stopping"));
    host.client().get("/v2/ping").await.expect(204);
    assert!(idle.send(head("GET", "/v2/ping", "")).await);
    assert_eq!(idle.reply().await.map(|reply| reply.status), Some(204));
    assert_eq!(host.wait().await.code(), Some(0));
}

#[tokio::test]
async fn the_plugins_page_tells_what_is_found_refused_and_in_use() {
    let libraries = ["sukkal-sqlite", "sukkal-memory", "sukkal-filter-audit"].map(programs::library);
    let host = Host::with().plugins(libraries).top("pipeline = [\"audit\"]").prepare();
    std::fs::write(host.folder().join("plugins/broken.so"), "no library").expect("a file can be written");
    let mut host = host;
    host.start_again().await;
    let page = host.pages().get("/plugins").await.expect(200).json();
    let plugins = page["plugins"].as_array().expect("a list").clone();
    let named = |name: &str| plugins.iter().find(|plugin| plugin["name"] == name).cloned().unwrap_or_default();
    let sqlite = named("sqlite");
    assert_eq!((&sqlite["state"], &sqlite["in_use"]), (&json!("in use"), &json!(["catalog sqlite", "pool sqlite"])));
    assert_eq!(sqlite["provides"]["pools"], json!(["sqlite"]));
    assert_eq!(named("filter-audit")["in_use"], json!(["filter audit"]));
    assert_eq!((&named("memory")["state"], &named("memory")["in_use"]), (&json!("found"), &json!([])));
    let refused: Vec<&Value> = plugins.iter().filter(|plugin| plugin["state"] == "refused").collect();
    assert_eq!(refused.len(), 1);
    assert!(refused[0]["file"].as_str().is_some_and(|file| file.ends_with("broken.so")));
    assert!(refused[0]["reason"].as_str().is_some_and(|reason| reason.contains("is no shared library")));
}

#[tokio::test]
async fn a_host_can_do_without_admin_pages() {
    let host = Host::with().section("[admin]\nlisten = \"\"").start().await;
    assert!(!host.log().contains("metrics and health"));
    host.queue("orders").post(["a"]).await;
}

#[tokio::test]
async fn administrators_see_how_the_stores_do_what_clients_ask() {
    for store in STORES {
        let host = store.host().section("[api]\nadmin_mode = true").start().await;
        let health = host.client().get("/v2/health").await.expect(200).json();
        assert_eq!(health["storage_reachable"], true, "{health}");
        let operations = health["operation_status"].as_object().expect("an object");
        let names: Vec<&str> = operations.keys().map(String::as_str).collect();
        let due = ["create_queue", "post_messages", "claim_messages", "list_messages", "delete_messages"];
        assert_eq!(names, [&due[..], &["delete_claim", "bulk_delete_messages", "delete_queue"]].concat());
        for (name, status) in operations {
            assert_eq!((&status["succeeded"], &status["ref"]), (&json!(true), &Value::Null), "{name}");
            assert!(status["seconds"].is_f64(), "{name}");
        }
        assert_eq!(host.client().get("/v2/queues").await.expect(200).json()["queues"], json!([]));
        let member = host.client().request("GET", "/v2/health").header("x-roles", "member").send().await;
        assert_eq!(member.expect(403).json()["title"], "Not authorized");
        host.client().request("GET", "/v2/health").header("x-roles", "member, Admin").send().await.expect(200);
    }
}

#[tokio::test]
async fn what_a_store_cannot_do_is_told_under_a_reference_of_the_log() {
    let libraries = [programs::library("sukkal-sqlite"), programs::bad_library("misbehaves")];
    let section = "[api]\nadmin_mode = true\n[plugins.misbehaves]\ndoes = \"fail\"\nat = \"claim\"";
    let host = Host::with().plugins(libraries).top("default_pool = \"misbehaves:\"").section(section).start().await;
    let health = host.client().get("/v2/health").await.expect(200).json();
    let operations = &health["operation_status"];
    assert_eq!(operations["post_messages"]["succeeded"], true, "{health}");
    assert_eq!(operations["claim_messages"]["succeeded"], false, "{health}");
    assert_eq!(operations["list_messages"], Value::Null, "what depends on it is not tried: {health}");
    let reference = operations["claim_messages"]["ref"].as_str().expect("a reference");
    assert!(host.log().contains(reference), "{}", host.log());
}
