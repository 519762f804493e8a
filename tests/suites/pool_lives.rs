//! Registered pools over time: kept open, found again, not deleted under their queues.

use std::time::Duration;

use serde_json::json;
use sukkal_tests::eventually::SOON;
use sukkal_tests::pools::{admin, patch, pool, poolless, register};
use sukkal_tests::stores::STORES;
use sukkal_tests::{Host, Scrape, eventually, programs};

/// How long a store that is there again may take to be found.
const FOUND_AGAIN: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_pool_is_not_deleted_under_its_queues() {
    let host = poolless().await;
    let client = host.client();
    pool(&host, "p", "sqlite:p.db").await;
    host.queue("orders").post(["a"]).await;
    let refused = client.delete("/v2/pools/p").await.expect(403).json();
    assert_eq!(refused["title"], "Unable to delete");
    host.queue("orders").post(["b"]).await;
    client.delete("/v2/pools/p?force=true").await.expect(204);
    client.get("/v2/queues/orders/messages?echo=true").await.expect(503);
    assert_eq!(client.get("/v2/queues").await.expect(200).json()["queues"][0]["name"], "orders");
    // Nobody has the file any more.
    pool(&host, "q", "sqlite:p.db").await;
    client.delete("/v2/pools/q").await.expect(204);
    pool(&host, "p", "sqlite:p.db").await;
    assert_eq!(host.queue("orders").list("?echo=true").await.bodies(), ["a", "b"]);
    client.delete("/v2/queues/orders").await.expect(204);
    client.delete("/v2/pools/p").await.expect(204);
}

#[tokio::test]
async fn a_pool_is_not_deleted_before_what_its_deleted_queues_held_is_removed() {
    let libraries = [programs::library("sukkal-sqlite"), programs::bad_library("misbehaves")];
    let host = admin(Host::with().top("default_pool = \"\"").plugins(libraries)).start().await;
    let options = json!({ "does": "fail", "at": "drop_queue" });
    let body = json!({ "uri": "misbehaves:", "weight": 1, "options": options });
    register(&host, "p", body).await.expect(201);
    host.queue("orders").post(["a"]).await;
    host.client().delete("/v2/queues/orders").await.expect(204);
    let refused = host.client().delete("/v2/pools/p").await.expect(403).json();
    let text = "What deleted queues held is still being removed from this pool; It cannot be deleted yet. Try again later, or use force=true to leave it in the store.";
    assert_eq!(refused, json!({ "title": "Unable to delete", "description": text }));
    host.queue("new").post(["b"]).await;
    host.client().delete("/v2/queues/new").await.expect(204);
    host.client().delete("/v2/pools/p?force=true").await.expect(204);
    // Nothing holds up another of the name.
    pool(&host, "p", "sqlite:p.db").await;
    host.queue("orders").post(["c"]).await;
    host.client().delete("/v2/queues/orders").await.expect(204);
    let deleted = async || (host.client().delete("/v2/pools/p").await.status == 204).then_some(());
    eventually("nothing is left", SOON, deleted).await;
}

#[tokio::test]
async fn a_first_pool_leaves_the_queues_of_the_default_pool_where_they_are() {
    for store in STORES.into_iter().filter(|store| store.reopens) {
        let mut host = admin(store.host()).start().await;
        host.queue("q").post(["old"]).await;
        pool(&host, "p1", "sqlite:p1.db").await;
        host.kill();
        host.start_again().await;
        assert_eq!(host.client().get("/v2/queues").await.expect(200).json()["queues"][0]["name"], "q");
        host.queue("q").post(["new"]).await;
        assert_eq!(host.queue("q").list("?echo=true").await.bodies(), ["old", "new"]);
        host.queue("r").post(["x"]).await;
        host.client().delete("/v2/pools/p1").await.expect(403);
        host.client().delete("/v2/queues/r").await.expect(204);
        host.client().delete("/v2/pools/p1").await.expect(204);
    }
}

#[tokio::test]
async fn registered_pools_are_open_again_after_a_kill() {
    let mut host = poolless().await;
    for name in ["a", "b", "c"] {
        pool(&host, name, &format!("sqlite:{name}.db")).await;
    }
    let names: Vec<_> = (0..12).map(|number| format!("q{number}")).collect();
    for name in &names {
        host.queue(name).post([name.as_str()]).await;
    }
    for life in 0..3 {
        host.kill();
        host.start_again().await;
        for name in &names {
            let bodies = host.queue(name).list("?echo=true").await.bodies();
            assert_eq!((bodies.len(), &bodies[0]), (life + 1, &json!(name)));
            host.queue(name).post([life]).await;
        }
    }
}

#[tokio::test]
async fn a_pool_that_is_down_takes_only_its_own_queues_along() {
    let mut host = poolless().await;
    let folder = host.folder().join("data/sub");
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    pool(&host, "down", "sqlite:sub/p.db").await;
    host.queue("mine").post(["a"]).await;
    patch(&host, "/v2/pools/down", json!({ "weight": 0 })).await.expect(200);
    pool(&host, "up", "sqlite:up.db").await;
    host.queue("theirs").post(["b"]).await;
    assert!(host.stop().await.success());
    let away = host.folder().join("away");
    std::fs::rename(&folder, &away).expect("a folder can be moved");
    host.start_again().await;
    let client = host.client();
    client.get("/v2/queues/mine/messages?echo=true").await.expect(503);
    client.get("/v2/queues/mine").await.expect(200);
    assert_eq!(host.queue("theirs").list("?echo=true").await.bodies(), ["b"]);
    host.queue("new").post(["c"]).await;
    eventually("the ping fails", SOON, async || (client.get("/v2/ping").await.status == 503).then_some(())).await;
    host.pages().get("/ready").await.expect(200);
    let health = client.get("/v2/health").await.expect(200).json();
    assert_eq!(health["up"]["operation_status"]["delete_queue"]["succeeded"], true, "{health}");
    let operations = health["down"]["operation_status"].as_object().expect("an object");
    let (first, status) = operations.iter().next().expect("the first operation fails");
    assert_eq!(
        (first.as_str(), &status["succeeded"], operations.len()),
        ("create_queue", &json!(false), 1),
        "{health}"
    );
    assert!(host.log().contains(status["ref"].as_str().expect("a reference")), "{}", host.log());
    let page = host.pages().get("/plugins").await.expect(200).json();
    let shown = page["pools"].as_array().expect("a list").iter().find(|pool| pool["name"] == "down").cloned();
    let shown = shown.expect("the pool is shown");
    assert_eq!((&shown["state"], &shown["plugin"]), (&json!("not open"), &json!("sqlite")), "{shown}");
    assert!(shown["reason"].as_str().is_some_and(|reason| reason.contains("directory")), "{shown}");
    // Whoever waits for a message of the pool is refused like the others.
    client.get("/v2/queues/mine/messages?wait=5").await.expect(503);
    std::fs::rename(&away, &folder).expect("a folder can be moved");
    let served = async || (client.get("/v2/queues/mine/messages?echo=true").await.status == 200).then_some(());
    eventually("the pool is found again", FOUND_AGAIN, served).await;
    assert_eq!(host.queue("mine").list("?echo=true").await.bodies(), ["a"]);
}

#[tokio::test]
async fn waits_and_sweeps_go_on_in_every_pool() {
    let host = poolless().await;
    for (name, uri) in [("memory", "memory:p"), ("sqlite", "sqlite:p.db"), ("example", "example:p")] {
        pool(&host, name, uri).await;
        host.client().put(&format!("/v2/flavors/{name}"), json!({ "pool_list": [name] })).await.expect(201);
        let orders = host.queue(&format!("orders-{name}"));
        let letters = format!("letters-{name}");
        let metadata = json!({ "_flavor": name, "_dead_letter_queue": letters, "_max_claim_count": 1 });
        orders.create(metadata).await;
        let waiting = tokio::spawn({
            let (client, path) = (host.client(), orders.path("/claims?wait=20"));
            async move { client.post(&path, json!({})).await }
        });
        orders.post(["a"]).await;
        let claimed = waiting.await.expect("the request ends").expect(201).json();
        assert_eq!(claimed["messages"][0]["body"], "a", "{name}");
        let claim =
            claimed["messages"][0]["href"].as_str().and_then(|href| href.rsplit('=').next()).unwrap_or_default();
        host.client().delete(&orders.path(&format!("/claims/{claim}"))).await.expect(204);
        let letters = host.queue(&letters);
        let moved = async || (letters.list("?echo=true").await.bodies() == ["a"]).then_some(());
        eventually("the sweep moves the dead letter", SOON, moved).await;
    }
}

#[tokio::test]
async fn pools_that_are_called_like_what_is_not_registered_are_told_apart_from_it() {
    let host = admin(Host::with()).start().await;
    host.queue("early").post([1]).await;
    for name in ["default_pool", "catalog_reachable", "catalog", "default"] {
        pool(&host, name, &format!("memory:{name}")).await;
    }
    let health = host.client().get("/v2/health").await.expect(200).json();
    assert_eq!(health["catalog_reachable"], true, "{health}");
    for entry in ["default_pool", "pool default_pool", "pool catalog_reachable", "catalog", "default"] {
        assert_eq!(health[entry]["storage_reachable"], true, "{entry} in {health}");
    }
    let scrape = Scrape::of(&host.pages(), "/metrics").await;
    let posts =
        |store| scrape.sum("sukkal_store_calls_total", &[("kind", "pool"), ("store", store), ("method", "post")]);
    // Each has the one of its trial, and the default pool that of its queue as well.
    assert_eq!([posts("default"), posts("pool default"), posts("catalog")], [2.0, 1.0, 1.0]);
}

#[tokio::test]
async fn a_pool_that_is_being_opened_is_not_told_to_be_silent() {
    let settings = "[plugins.misbehaves]\ndoes = \"well\"\nat = \"open\"";
    let plugins = [programs::library("sukkal-sqlite"), programs::bad_library("misbehaves")];
    let mut host = admin(Host::with()).plugins(plugins).section(settings).start().await;
    pool(&host, "p1", "misbehaves:").await;
    assert!(host.stop().await.success());
    let file = host.folder().join("sukkal.toml");
    let settings = std::fs::read_to_string(&file).expect("the settings can be read");
    std::fs::write(&file, settings.replace("does = \"well\"", "does = \"never\"")).expect("they can be changed");
    host.start_again().await;
    let client = host.client();
    eventually("the ping fails", SOON, async || (client.get("/v2/ping").await.status == 503).then_some(())).await;
    // Once it has not been opened in time, that is told.
    let wrong = |line: &str| line.contains("p1 does not answer") && line.contains("is being opened");
    assert!(!host.log().lines().any(wrong), "{}", host.log());
}

#[tokio::test]
async fn health_tells_each_pool() {
    let host = admin(Host::with()).start().await;
    pool(&host, "one", "memory:one").await;
    pool(&host, "two", "example:two").await;
    let health = host.client().get("/v2/health").await.expect(200).json();
    assert_eq!(health["catalog_reachable"], true);
    for name in ["one", "two", "default_pool"] {
        assert_eq!(health[name]["storage_reachable"], true, "{health}");
        assert_eq!(health[name]["operation_status"]["delete_queue"]["succeeded"], true, "{health}");
    }
    let warnings = health["two"]["warnings"].as_array().expect("it warns");
    assert!(warnings[0].as_str().is_some_and(|warning| warning.contains("in memory")));
    let listed = host.client().get("/v2/pools?detailed=true").await.expect(200).json();
    assert_eq!(&listed["pools"][1]["warnings"], &health["two"]["warnings"]);
    assert!(host.log().contains("messages are in memory"), "{}", host.log());
    let page = host.pages().get("/plugins").await.expect(200).json();
    let states: Vec<_> = page["pools"].as_array().expect("a list").iter().map(|pool| pool["state"].clone()).collect();
    assert_eq!(states, ["open", "open"]);
    let memory = page["plugins"].as_array().and_then(|all| all.iter().find(|plugin| plugin["name"] == "memory"));
    assert_eq!(memory.map(|plugin| plugin["in_use"].clone()), Some(json!(["pool memory"])));
}
