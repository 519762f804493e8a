//! Queues and their metadata.

use serde_json::{Value, json};
use sukkal_tests::Host;
use sukkal_tests::stores::STORES;

#[tokio::test]
async fn put_makes_sure_that_a_queue_exists() {
    for store in STORES {
        let host = store.host().start().await;
        let client = host.client();
        let created = client.put("/v2/queues/orders", json!({ "a": 1 })).await.expect(201);
        assert_eq!(created.header("location"), "/v2/queues/orders");
        client.put("/v2/queues/orders", json!({ "b": 2 })).await.expect(204);
        client.request("PUT", "/v2/queues/orders").send().await.expect(204);
        client.request("PUT", "/v2/queues/bare").send().await.expect(201);
        client.request("PUT", "/v2/queues/empty").body("{}").send().await.expect(201);
        let metadata = client.get("/v2/queues/orders").await.expect(200).json();
        assert_eq!((&metadata["a"], &metadata["b"]), (&json!(1), &Value::Null));
        for body in ["null", "[]", "\"x\""] {
            client.request("PUT", "/v2/queues/orders").body(body).send().await.expect(400);
        }
        client.request("HEAD", "/v2/queues/orders").send().await.expect(204);
    }
}

#[tokio::test]
async fn a_default_life_has_bounds() {
    for store in STORES {
        let host = store.host().start().await;
        let client = host.client();
        for (ttl, put, patch) in
            [(0, 400, 400), (59, 400, 400), (60, 201, 200), (1_209_600, 201, 200), (1_209_601, 400, 400)]
        {
            client.delete("/v2/queues/orders").await.expect(204);
            client.put("/v2/queues/orders", json!({ "_default_message_ttl": ttl })).await.expect(put);
            client.put("/v2/queues/patched", json!({})).await;
            let change = json!([{ "op": "replace", "path": "/metadata/_default_message_ttl", "value": ttl }]);
            client.patch("/v2/queues/patched", change).await.expect(patch);
        }
    }
}

#[tokio::test]
async fn a_value_of_zero_is_a_value() {
    for store in STORES {
        let host = store.host().section("[limits]\ndefault_message_delay = 10").start().await;
        let at_once = async |name: &str, delay: u64| {
            let queue = host.queue(name);
            let metadata = host.client().get(&queue.path("")).await.expect(200).json();
            assert_eq!(metadata["_default_message_delay"], delay, "{metadata}");
            queue.post_messages(json!([{ "body": "m" }])).await;
            assert_eq!(queue.pop(1).await.len(), usize::from(delay == 0), "{name} with a delay of {delay}");
        };
        host.queue("put").create(json!({ "_default_message_delay": 0 })).await;
        at_once("put", 0).await;
        host.queue("patched").create(json!({})).await;
        for delay in [7, 0, 10, 0] {
            host.client().request("POST", "/v2/queues/patched/purge").send().await.expect(204);
            let change = json!([{ "op": "replace", "path": "/metadata/_default_message_delay", "value": delay }]);
            host.client().patch("/v2/queues/patched", change).await.expect(200);
            at_once("patched", delay).await;
        }
        let messages = json!([{ "body": "m", "delay": 0 }]);
        host.queue("plain").create(json!({})).await;
        host.queue("plain").post_messages(messages).await;
        assert_eq!(host.queue("plain").pop(1).await.len(), 1, "a message's own zero goes before the service's delay");
    }
}

#[tokio::test]
async fn a_reserved_key_that_shows_its_default_can_be_patched() {
    for store in STORES {
        let host = store.host().start().await;
        let client = host.client();
        client.put("/v2/queues/orders", json!({})).await.expect(201);
        let change = async |change: Value| client.patch("/v2/queues/orders", json!([change])).await;
        let ttl = "/metadata/_default_message_ttl";
        let set = change(json!({ "op": "replace", "path": ttl, "value": 120 })).await.expect(200).json();
        assert_eq!(set["_default_message_ttl"], 120);
        let removed = change(json!({ "op": "remove", "path": ttl })).await.expect(200).json();
        assert_eq!(removed["_default_message_ttl"], 3600);
        change(json!({ "op": "replace", "path": "/metadata/never_set", "value": 1 })).await.expect(409);
        change(json!({ "op": "remove", "path": "/metadata/never_set" })).await.expect(409);
    }
}

#[tokio::test]
async fn a_queue_made_anew_starts_empty() {
    for store in STORES {
        let host = store.host().start().await;
        let client = host.client();
        let orders = host.queue("orders");
        orders.create(json!({ "a": 1 })).await;
        let ids = orders.post(["a", "b", "c"]).await;
        let claim = orders.claim(2).await;
        client.delete("/v2/queues/orders").await.expect(204);
        claim.get().await.expect(404);
        claim.renew(300).await.expect(404);
        let late = orders.delete_claimed(&ids[0], &claim.id).await.status;
        assert!([204, 400].contains(&late), "{late}");
        orders.create(json!({})).await;
        assert!(orders.list("?echo=true&include_claimed=true").await.messages.is_empty());
        assert_eq!(orders.counts().await, [0, 0, 0]);
        assert_eq!(client.get("/v2/queues/orders").await.expect(200).json()["a"], Value::Null);
        orders.get(&ids[2]).await.expect(404);
        let new = orders.post(["d"]).await;
        assert!(!ids.contains(&new[0]));
    }
}

#[tokio::test]
async fn purging_takes_claimed_messages_too() {
    for store in STORES {
        let host = store.host().start().await;
        let orders = host.queue("orders");
        orders.post(0..200).await;
        orders.claim(20).await;
        let none = json!({ "resource_types": [] });
        host.client().post(&orders.path("/purge"), none).await.expect(204);
        assert_eq!(orders.counts().await, [180, 20, 200]);
        host.client().post(&orders.path("/purge"), json!({ "resource_types": ["messages"] })).await.expect(204);
        assert_eq!(orders.counts().await, [0, 0, 0]);
        orders.post(["after"]).await;
        assert_eq!(orders.claim(1).await.bodies(), ["after"]);
    }
}

#[tokio::test]
async fn listings_page_by_name_and_find_what_is_asked() {
    for store in STORES {
        let host = store.host().start().await;
        let client = host.client();
        for number in 0..25 {
            client
                .put(&format!("/v2/queues/q{number:02}"), json!({ "node": number % 2, "kind": "x" }))
                .await
                .expect(201);
        }
        let mut names = Vec::new();
        let mut path = "/v2/queues?limit=7&node=1&kind=x&with_count=true".to_owned();
        loop {
            let page = client.get(&path).await.expect(200).json();
            assert_eq!(page["count"], 25, "the count is of the whole project");
            let queues = page["queues"].as_array().cloned().unwrap_or_default();
            names.extend(queues.iter().filter_map(|queue| queue["name"].as_str().map(str::to_owned)));
            match page["links"][0]["href"].as_str() {
                Some(next) if !queues.is_empty() => path = next.to_owned(),
                _ => break,
            }
        }
        let due = (0..25).filter(|number| number % 2 == 1).map(|number| format!("q{number:02}")).collect::<Vec<_>>();
        assert_eq!(names, due);
        let detailed = client.get("/v2/queues?detailed=true&limit=1&name=24").await.expect(200).json();
        assert_eq!(detailed["queues"][0]["metadata"]["_default_message_ttl"], 3600);
        assert_eq!(detailed["queues"][0]["name"], "q24");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_patches_are_all_kept() {
    for store in STORES {
        let host = store.host().start().await;
        host.queue("orders").create(json!({})).await;
        let patches = (0..20).map(|number| {
            let client = host.client();
            tokio::spawn(async move {
                let change = json!([{ "op": "add", "path": format!("/metadata/k{number}"), "value": number }]);
                client.patch("/v2/queues/orders", change).await.expect(200);
            })
        });
        for patch in patches.collect::<Vec<_>>() {
            patch.await.expect("the patch is taken");
        }
        let metadata = host.client().get("/v2/queues/orders").await.expect(200).json();
        assert!((0..20).all(|number| metadata[format!("k{number}")] == number), "{metadata}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_many_create_at_once_is_one_queue() {
    for store in STORES {
        let host = store.host().start().await;
        let posters = (0..20).map(|number| {
            let queue = host.queue("orders");
            tokio::spawn(async move { queue.post([number]).await })
        });
        for poster in posters.collect::<Vec<_>>() {
            poster.await.expect("each post is taken");
        }
        assert_eq!(host.queue("orders").counts().await, [20, 0, 20]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_a_queue_under_load_fails_nobody() {
    for store in STORES {
        let host = store.host().start().await;
        let workers = (0..4).map(|number| {
            let queue = host.queue("orders");
            tokio::spawn(async move {
                for round in 0..40 {
                    queue.post([number, round]).await;
                    if let Some(claim) = queue.try_claim(2).await {
                        let deleted = claim.delete(0).await.status;
                        // The claim may have gone with its queue, and the message with it.
                        assert!([204, 400].contains(&deleted), "{deleted}");
                    }
                }
            })
        });
        let workers = workers.collect::<Vec<_>>();
        for _ in 0..20 {
            host.client().delete("/v2/queues/orders").await.expect(204);
        }
        for worker in workers {
            worker.await.expect("no request fails");
        }
        host.client().delete("/v2/queues/orders").await.expect(204);
        assert_eq!(host.queue("orders").counts().await, [0, 0, 0]);
        host.queue("orders").post(["new"]).await;
        assert_eq!(host.queue("orders").list("?echo=true&include_claimed=true").await.bodies(), ["new"]);
    }
}

#[tokio::test]
async fn a_queue_without_a_name_is_a_bad_name_whatever_is_asked_of_it() {
    let host = Host::start().await;
    for (method, path) in [
        ("GET", "/v2/queues/"),
        ("GET", "/v2/queues//stats"),
        ("GET", "/v2/queues//messages"),
        ("GET", "/v2/queues//messages/m"),
        ("DELETE", "/v2/queues//messages/m"),
        ("GET", "/v2/queues//claims/c"),
        ("GET", "/v2/queues//subscriptions/s"),
    ] {
        let answer = host.client().request(method, path).send().await.expect(400).json();
        assert_eq!(answer["title"], "Invalid queue identification", "{method} {path}");
    }
}
