//! Where queues go: by weight, by flavor, and with a flavor that is changed.

use serde_json::{Value, json};
use sukkal_tests::eventually::SOON;
use sukkal_tests::pools::{admin, patch, pool, poolless, register};
use sukkal_tests::queue::Queue;
use sukkal_tests::{Answer, Host, Scrape, eventually};

/// How many queues were made in each pool, as its calls tell.
async fn placed(host: &Host, pools: &[&str]) -> Vec<u64> {
    let scrape = Scrape::of(&host.pages(), "/metrics").await;
    let of = |pool: &&str| scrape.sum("sukkal_store_calls_total", &[("store", pool), ("method", "configure")]);
    pools.iter().map(|pool| of(pool) as u64).collect()
}

#[tokio::test]
async fn queues_are_spread_by_weight() {
    let host = poolless().await;
    for (name, weight) in [("light", 1), ("heavy", 3), ("none", 0)] {
        register(&host, name, json!({ "uri": format!("memory:{name}"), "weight": weight })).await.expect(201);
    }
    for number in 0..400 {
        host.client().put(&format!("/v2/queues/q{number}"), json!({})).await.expect(201);
    }
    let placed = placed(&host, &["light", "heavy", "none"]).await;
    assert_eq!((placed[0] + placed[1], placed[2]), (400, 0));
    // 100 are due; this is more than six standard deviations to either side.
    assert!((45..=155).contains(&placed[0]), "{placed:?}");
}

#[tokio::test]
async fn a_flavor_decides_where_queues_go() {
    let host = admin(Host::with()).start().await;
    let client = host.client();
    for name in ["a", "b", "c"] {
        pool(&host, name, &format!("memory:{name}")).await;
    }
    let made = client.put("/v2/flavors/fast", json!({ "pool_list": ["a", "b"], "capabilities": {} })).await.expect(201);
    assert_eq!((made.header("location"), made.text().as_str()), ("/v2/flavors/fast", ""));
    let shown = client.get("/v2/flavors/fast").await.expect(200).json();
    let capabilities = json!(["FIFO", "CLAIMS", "AOD", "HIGH_THROUGHPUT"]);
    let due = json!({
        "name": "fast", "capabilities": capabilities, "pool_list": ["a", "b"], "href": "/v2/flavors/fast"
    });
    assert_eq!(shown, due);
    assert_eq!(client.get("/v2/pools/a").await.expect(200).json()["flavor"], "fast");
    for number in 0..20 {
        let metadata = json!({ "_flavor": "fast" });
        client.put(&format!("/v2/queues/fast{number}"), metadata).await.expect(201);
        host.queue(&format!("plain{number}")).post(["x"]).await;
    }
    let placed = placed(&host, &["a", "b", "c", "default"]).await;
    assert_eq!((placed[0] + placed[1], placed[2], placed[3]), (20, 20, 0), "{placed:?}");
    let unknown = client.put("/v2/queues/q", json!({ "_flavor": "nosuch" })).await.expect(400).json();
    assert_eq!(unknown["description"], "Flavor nosuch does not exist");
    let patched = patch(&host, "/v2/flavors/fast", json!({ "pool_list": ["b"] })).await.expect(200).json();
    assert_eq!(patched["pool_list"], json!(["b"]));
    assert_eq!(client.get("/v2/pools/a").await.expect(200).json()["flavor"], Value::Null, "it is released");
    let page = client.get("/v2/flavors?detailed=true&limit=1").await.expect(200).json();
    assert_eq!(page["flavors"][0]["capabilities"], capabilities);
    let next = "/v2/flavors?limit=1&marker=fast&detailed=true";
    assert_eq!(page["links"], json!([{ "rel": "next", "href": next }]));
    assert_eq!(client.get("/v2/flavors").await.expect(200).json()["flavors"][0]["capabilities"], Value::Null);
    for (method, path, title, description) in [
        ("PUT", "/v2/flavors/f", "Unable to create", "Flavor f could not be created, error:Pool nosuch does not exist"),
        ("PATCH", "/v2/flavors/fast", "updatefail", "Flavor fast cant be updated, error:Pool nosuch does not exist"),
    ] {
        let call = client.request(method, path).body(json!({ "pool_list": ["nosuch"] }).to_string());
        let refused = call.send().await.expect(400).json();
        assert_eq!(refused, json!({ "title": title, "description": description }));
    }
    let refused = client.put("/v2/flavors/f", json!({ "pool_list": [] })).await.expect(400).json();
    assert_eq!(refused, json!({ "title": "Unable to create", "description": "Bad Request" }));
    let refused = client.delete("/v2/pools/b").await.expect(403).json();
    let text = "This pool is used by flavors fast; It cannot be deleted.";
    assert_eq!(refused, json!({ "title": "Unable to delete", "description": text }));
    client.delete("/v2/flavors/fast").await.expect(204);
    client.delete("/v2/flavors/fast").await.expect(204);
    assert_eq!(client.get("/v2/flavors/fast").await.expect(404).json()["description"], "Flavor fast does not exist");
}

/// Two flavors, of a pool each: on disk and in memory.
async fn two_flavors(host: &Host) {
    for (flavor, uri) in [("disk", "sqlite:p.db"), ("fast", "memory:p")] {
        register(host, flavor, json!({ "uri": uri, "weight": 1, "flavor": flavor })).await.expect(201);
        host.client().put(&format!("/v2/flavors/{flavor}"), json!({ "pool_list": [flavor] })).await.expect(201);
    }
}

async fn change_flavor(host: &Host, queue: &str, flavor: &str) -> Answer {
    let patch = json!([{ "op": "replace", "path": "/metadata/_flavor", "value": flavor }]);
    host.client().patch(&format!("/v2/queues/{queue}"), patch).await
}

/// Posts under an `Idempotency-Key`; the ids.
async fn post_once(queue: &Queue, body: &str) -> Answer {
    let body = json!({ "messages": [{ "ttl": 300, "body": body }] }).to_string();
    let post = queue.client().request("POST", &queue.path("/messages")).header("idempotency-key", "k").body(body);
    post.send().await
}

#[tokio::test]
async fn a_post_under_a_key_is_not_stored_again_when_its_queue_has_moved() {
    for (from, to) in [("sqlite:a.db", "memory:b"), ("sqlite:a.db", "sqlite:b.db"), ("memory:a", "sqlite:b.db")] {
        let mut host = poolless().await;
        for (flavor, uri) in [("a", from), ("b", to)] {
            register(&host, flavor, json!({ "uri": uri, "weight": 1, "flavor": flavor })).await.expect(201);
            host.client().put(&format!("/v2/flavors/{flavor}"), json!({ "pool_list": [flavor] })).await.expect(201);
        }
        let orders = host.queue("orders");
        orders.create(json!({ "_flavor": "a" })).await;
        let first = post_once(&orders, "x").await.expect(201).json()["resources"].clone();
        assert_eq!(orders.pop(1).await.len(), 1);
        for flavor in ["b", "a", "b"] {
            change_flavor(&host, "orders", flavor).await.expect(200);
            let again = post_once(&orders, "x").await.expect(201).json()["resources"].clone();
            assert_eq!((again, orders.counts().await), (first.clone(), [0, 0, 0]), "{from} to {to}");
            post_once(&orders, "y").await.expect(400);
        }
        if from.starts_with("sqlite:") {
            host.kill();
            host.start_again().await;
            let orders = host.queue("orders");
            let again = post_once(&orders, "x").await.expect(201).json()["resources"].clone();
            assert_eq!((again, orders.counts().await), (first, [0, 0, 0]), "{from} to {to}, after a crash");
        }
    }
}

#[tokio::test]
async fn a_queue_moves_with_its_flavor_once_it_is_empty() {
    let host = poolless().await;
    two_flavors(&host).await;
    let orders = host.queue("orders");
    orders.create(json!({ "_flavor": "disk" })).await;
    let subscriber = json!({ "subscriber": "mailto:a@b.example" });
    host.client().post(&orders.path("/subscriptions"), subscriber).await.expect(201);
    let old = orders.post(["a", "b"]).await;
    let refused = change_flavor(&host, "orders", "fast").await.expect(409).json();
    let text = "The flavor of the queue cannot be changed. It holds messages.";
    assert_eq!(refused, json!({ "title": "Resource conflict", "description": text }));
    assert_eq!(orders.pop(2).await.len(), 2);
    change_flavor(&host, "orders", "nosuch").await.expect(400);
    assert_eq!(change_flavor(&host, "orders", "fast").await.expect(200).json()["_flavor"], "fast");
    let new = orders.post(["c"]).await;
    assert!(new[0] > old[1], "{new:?} comes after {old:?}");
    assert_eq!(orders.list(&format!("?echo=true&marker={}", old[0])).await.bodies(), ["c"]);
    let subscriptions = host.client().get(&orders.path("/subscriptions")).await.expect(200).json();
    assert_eq!(subscriptions["subscriptions"][0]["subscriber"], "mailto:a@b.example");
    host.client().delete("/v2/flavors/disk").await.expect(204);
    host.client().delete("/v2/pools/disk").await.expect(204);
    let patched = json!([{ "op": "add", "path": "/metadata/a", "value": 1 }]);
    host.client().patch("/v2/queues/orders", patched).await.expect(200);
    assert_eq!(orders.list("?echo=true").await.bodies(), ["c"]);
}

#[tokio::test]
async fn no_message_is_lost_while_its_queue_moves() {
    let host = poolless().await;
    two_flavors(&host).await;
    let orders = host.queue("orders");
    orders.create(json!({ "_flavor": "disk" })).await;
    for round in 0..30 {
        let flavor = if round % 2 == 0 { "fast" } else { "disk" };
        let (moved, ids) = tokio::join!(change_flavor(&host, "orders", flavor), orders.post([round]));
        assert!([200, 409].contains(&moved.status), "{}", moved.text());
        let found = orders.list("?echo=true").await;
        assert_eq!((found.bodies(), found.ids()), (vec![json!(round)], ids));
        assert_eq!(orders.pop(1).await.len(), 1);
        change_flavor(&host, "orders", flavor).await.expect(200);
    }
}

#[tokio::test]
async fn all_who_wait_go_on_where_the_queue_has_moved() {
    let host = poolless().await;
    two_flavors(&host).await;
    let orders = host.queue("orders");
    orders.create(json!({ "_flavor": "disk" })).await;
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let (client, path) = (host.client(), orders.path("/claims?wait=20&limit=1"));
            tokio::spawn(async move { client.post(&path, json!({})).await })
        })
        .collect();
    let pages = host.pages();
    // Each looks once, has the queue watched, and looks again.
    let wait = async || {
        let calls = [("kind", "pool"), ("method", "claim")];
        (Scrape::of(&pages, "/metrics").await.sum("sukkal_store_calls_total", &calls) >= 6.0).then_some(())
    };
    eventually("all wait", SOON, wait).await;
    change_flavor(&host, "orders", "fast").await.expect(200);
    orders.post(["a", "b", "c"]).await;
    let mut claimed = Vec::new();
    for waits in waiting {
        let answer = waits.await.expect("no task panics").expect(201).json();
        claimed.push(answer["messages"][0]["body"].as_str().unwrap_or_default().to_owned());
    }
    claimed.sort_unstable();
    assert_eq!(claimed, ["a", "b", "c"]);
}
