//! Subscriptions: who is to be told of what is posted.

use serde_json::{Value, json};
use sukkal_tests::stores::{STORES, Store};
use sukkal_tests::{Answer, Client, Host};

const PATH: &str = "/v2/queues/orders/subscriptions";

async fn subscribe(client: &Client, path: &str, subscriber: &str) -> String {
    let answer = client.post(path, json!({ "subscriber": subscriber })).await.expect(201).json();
    answer["subscription_id"].as_str().expect("an id").to_owned()
}

/// Every subscription, page by page.
async fn all(client: &Client, path: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut next = Some(path.to_owned());
    while let Some(path) = next {
        let page = client.get(&path).await.expect(200).json();
        all.extend(page["subscriptions"].as_array().cloned().expect("a page of subscriptions"));
        next = page["links"][0]["href"].as_str().map(str::to_owned);
    }
    all
}

fn field<'a>(subscriptions: &'a [Value], name: &str) -> Vec<&'a str> {
    subscriptions.iter().filter_map(|subscription| subscription[name].as_str()).collect()
}

#[tokio::test]
async fn a_subscriber_is_subscribed_once() {
    for store in STORES {
        let host = store.host().start().await;
        let client = host.client();
        let id = subscribe(&client, PATH, "http://a.example/x").await;
        client.get("/v2/queues/orders").await.expect(200);
        assert_eq!(subscribe(&client, PATH, "http://a.example/x").await, id, "not confirmed: the same again");
        client.put(&format!("{PATH}/{id}/confirm"), json!({ "confirmed": true })).await.expect(204);
        let again = client.post(PATH, json!({ "subscriber": "http://a.example/x", "ttl": 60 })).await.expect(409);
        assert_eq!(again.header("location"), PATH);
        let shown = client.get(&format!("{PATH}/{id}")).await.expect(200).json();
        assert_eq!((&shown["ttl"], &shown["confirmed"]), (&json!(3600), &json!(true)), "nothing is changed");
        let others = [
            subscribe(&client, PATH, "http://a.example/X").await,
            subscribe(&client, "/v2/queues/others/subscriptions", "http://a.example/x").await,
            subscribe(&client, "/v2/topics/orders/subscriptions", "http://a.example/x").await,
            subscribe(&client.of_project("p2"), PATH, "http://a.example/x").await,
        ];
        assert!(!others.contains(&id));
        client.delete(&format!("{PATH}/{id}")).await.expect(204);
        assert_ne!(subscribe(&client, PATH, "http://a.example/x").await, id);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_subscribe_one_subscriber_at_once_get_one_subscription() {
    for store in STORES {
        let host = store.host().start().await;
        let subscribing = (0..20).map(|_| {
            let client = host.client();
            tokio::spawn(async move { subscribe(&client, PATH, "http://a.example").await })
        });
        let mut ids = Vec::new();
        for subscription in subscribing.collect::<Vec<_>>() {
            ids.push(subscription.await.expect("each is answered"));
        }
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        assert_eq!(all(&host.client(), PATH).await.len(), 1);
        host.queue("orders").post(["still there"]).await;
    }
}

#[tokio::test]
async fn a_subscription_is_known_in_its_own_queue_alone() {
    for store in STORES {
        let host = store.host().start().await;
        let client = host.client();
        let id = subscribe(&client, PATH, "http://a.example").await;
        let before = client.get(&format!("{PATH}/{id}")).await.expect(200).json();
        host.queue("others").create(json!({})).await;
        client.put("/v2/topics/orders", json!({})).await.expect(201);
        let theirs = client.of_project("p2");
        theirs.put("/v2/queues/orders", json!({})).await.expect(201);
        let elsewhere = [
            (&client, format!("/v2/queues/others/subscriptions/{id}")),
            (&client, format!("/v2/queues/nosuch/subscriptions/{id}")),
            (&client, format!("/v2/topics/orders/subscriptions/{id}")),
            (&theirs, format!("{PATH}/{id}")),
        ];
        for (client, path) in elsewhere {
            client.get(&path).await.expect(404);
            client.patch(&path, json!({ "ttl": 100 })).await.expect(404);
            client.put(&format!("{path}/confirm"), json!({ "confirmed": true })).await.expect(404);
            client.delete(&path).await.expect(204);
        }
        let mut socket = host.websocket().await;
        for queue in ["others", "nosuch"] {
            let there = json!({ "queue_name": queue, "subscription_id": id });
            socket.ask("subscription_get", there.clone()).await.expect(404);
            socket.ask("subscription_delete", there).await.expect(204);
        }
        let after = client.get(&format!("{PATH}/{id}")).await.expect(200).json();
        assert_eq!((&after["ttl"], &after["confirmed"]), (&before["ttl"], &before["confirmed"]));
    }
}

#[tokio::test]
async fn pages_follow_the_ids_and_end_with_ones_own() {
    for store in STORES {
        let host = store.host().start().await;
        let client = host.client();
        let path = |queue: &str| format!("/v2/queues/{queue}/subscriptions");
        let mut ids = Vec::new();
        for number in 0..12 {
            ids.push(subscribe(&client, PATH, &format!("http://s{number}.example")).await);
            subscribe(&client, &path("others"), &format!("http://s{number}.example")).await;
            subscribe(&client.of_project("p2"), PATH, &format!("http://s{number}.example")).await;
        }
        let listed = all(&client, &format!("{PATH}?limit=5")).await;
        let mut sorted = ids.clone();
        sorted.sort();
        assert_eq!(field(&listed, "id"), sorted);
        assert!(listed.iter().all(|subscription| subscription["source"] == "orders"));
        let page = client.get(&format!("{PATH}?limit=5")).await.expect(200).json();
        let next = format!("{PATH}?limit=5&marker={}", sorted[4]);
        assert_eq!(page["links"], json!([{ "rel": "next", "href": next }]));
        client.delete(&format!("{PATH}/{}", sorted[4])).await.expect(204);
        let after_gone = client.get(&next).await.expect(200).json();
        assert_eq!(after_gone["subscriptions"][0]["id"], sorted[5].as_str(), "a marker outlives its item");
        for marker in ["zzz", "p2%2Fc", sorted[11].as_str()] {
            let page = client.get(&format!("{PATH}?marker={marker}")).await.expect(200).json();
            assert_eq!(page, json!({ "subscriptions": [], "links": [] }), "{marker}");
        }
    }
}

#[tokio::test]
async fn a_subscription_is_changed_in_what_is_named() {
    for store in STORES {
        let host = store.host().start().await;
        let client = host.client();
        let options = json!({ "b": 1, "a": "\u{0}", "n": { "x": [1.5] } });
        let body = json!({ "subscriber": "http://a.example", "ttl": 600, "options": options, "unknown": 1 });
        let made = client.post(PATH, body).await.expect(201);
        assert_eq!(made.header("location"), PATH);
        let path = format!("{PATH}/{}", made.json()["subscription_id"].as_str().unwrap_or_default());
        let shown = async || client.get(&path).await.expect(200).json();
        assert_eq!(shown().await["options"], options);
        client.put(&format!("{path}/confirm"), json!({ "confirmed": true })).await.expect(204);
        let changed = client.patch(&path, json!({ "subscriber": null, "ttl": 300 })).await.expect(204);
        assert_eq!(changed.header("location"), path);
        let now = shown().await;
        assert_eq!((&now["ttl"], &now["confirmed"], &now["options"]), (&json!(300), &json!(true), &options));
        client.patch(&path, json!({ "options": { "c": 3 } })).await.expect(204);
        assert_eq!(shown().await["options"], json!({ "c": 3 }));
        subscribe(&client, PATH, "http://b.example").await;
        client.patch(&path, json!({ "subscriber": "http://b.example" })).await.expect(409);
        client.patch(&path, json!({ "subscriber": "http://c.example" })).await.expect(204);
        let now = shown().await;
        let due = (&json!("http://c.example"), &json!(false), &json!(300));
        assert_eq!((&now["subscriber"], &now["confirmed"], &now["ttl"]), due, "another one has to confirm anew");
        subscribe(&client, PATH, "http://a.example").await;
        assert_eq!(all(&client, PATH).await.len(), 3);
    }
}

#[tokio::test]
async fn a_queue_made_anew_has_no_subscriptions() {
    for store in STORES {
        let host = store.host().start().await;
        let client = host.client();
        let id = subscribe(&client, PATH, "http://a.example").await;
        client.delete("/v2/queues/orders").await.expect(204);
        assert!(all(&client, PATH).await.is_empty());
        client.get(&format!("{PATH}/{id}")).await.expect(404);
        host.queue("orders").create(json!({})).await;
        assert!(all(&client, PATH).await.is_empty());
        client.put(&format!("{PATH}/{id}/confirm"), json!({ "confirmed": true })).await.expect(404);
        assert_ne!(subscribe(&client, PATH, "http://a.example").await, id);
        host.queue("orders").post(["m"]).await;
    }
}

#[tokio::test]
async fn purging_ends_every_subscription_or_none() {
    for store in STORES {
        let host = store.host().start().await;
        let client = host.client();
        for number in 0..130 {
            subscribe(&client, PATH, &format!("http://s{number}.example")).await;
        }
        subscribe(&client, "/v2/queues/others/subscriptions", "http://a.example").await;
        let orders = host.queue("orders");
        orders.post([1, 2]).await;
        client.post(&orders.path("/purge"), json!({ "resource_types": ["messages"] })).await.expect(204);
        assert_eq!((orders.counts().await, all(&client, &format!("{PATH}?limit=20")).await.len()), ([0, 0, 0], 130));
        orders.post([1, 2]).await;
        client.post(&orders.path("/purge"), json!({ "resource_types": ["subscriptions"] })).await.expect(204);
        assert_eq!((orders.counts().await, all(&client, PATH).await.len()), ([2, 0, 2], 0));
        assert_eq!(all(&client, "/v2/queues/others/subscriptions").await.len(), 1);
        subscribe(&client, PATH, "http://s1.example").await;
        client.request("POST", &orders.path("/purge")).send().await.expect(204);
        assert_eq!((orders.counts().await, all(&client, PATH).await.len()), ([0, 0, 0], 0));
    }
}

#[tokio::test]
async fn subscriptions_outlive_a_restart() {
    let mut host = Host::start().await;
    let id = subscribe(&host.client(), PATH, "http://a.example").await;
    host.client().put(&format!("{PATH}/{id}/confirm"), json!({ "confirmed": true })).await.expect(204);
    host.kill();
    host.start_again().await;
    let shown = host.client().get(&format!("{PATH}/{id}")).await.expect(200).json();
    assert_eq!((&shown["subscriber"], &shown["confirmed"]), (&json!("http://a.example"), &json!(true)));
    host.client().post(PATH, json!({ "subscriber": "http://a.example" })).await.expect(409);
}

/// Each way to write an address of the host's own or of its neighbours.
const FORBIDDEN: [&str; 12] = [
    "http://127.0.0.1:8080/",
    "http://[::1]:8080/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://0.0.0.0/",
    "http://2130706433/",
    "http://0x7f.1/",
    "http://017700000001/",
    "http://localhost/",
    "trust+https://localhost:443/",
    "http://169.254.169.254/",
    "http://10.0.0.1/",
];

async fn refused(client: &Client, subscriber: &str) -> Answer {
    client.post(PATH, json!({ "subscriber": subscriber })).await.expect(400)
}

#[tokio::test]
async fn an_address_that_is_not_public_is_refused_unless_the_operator_allows_it() {
    let host = Host::start().await;
    let client = host.client();
    for subscriber in FORBIDDEN {
        let told = refused(&client, subscriber).await.json();
        assert_eq!(told["description"], "The address of the subscriber is not allowed.", "{subscriber}");
    }
    refused(&client, "http://").await;
    let id = subscribe(&client, PATH, "http://a.example").await;
    client.patch(&format!("{PATH}/{id}"), json!({ "subscriber": FORBIDDEN[0] })).await.expect(400);
    let section = "[notifications]\nallow_addresses = [\"127.0.0.0/8\", \"::1\"]\nsubscriber_types = [\"http\"]";
    let host = Host::with().section(section).start().await;
    let client = host.client();
    for subscriber in &FORBIDDEN[..2] {
        subscribe(&client, PATH, subscriber).await;
    }
    refused(&client, "http://10.0.0.1/").await;
    let told = refused(&client, "https://a.example/").await.json();
    let due = "The subscriber type of subscription must be supported in the list ['http'].";
    assert_eq!(told["description"], due);
}

#[tokio::test]
async fn a_subscriber_confirms_by_a_signed_url() {
    for store in STORES {
        confirms_by_a_signed_url(store).await;
    }
}

async fn confirms_by_a_signed_url(store: Store) {
    let host = store.host().section("[signed_urls]\nsecret_key = \"test-secret\"").start().await;
    let client = host.client();
    let id = subscribe(&client, PATH, "http://a.example").await;
    let body = json!({ "paths": ["subscriptions"], "methods": ["PUT"] });
    let url = client.post("/v2/queues/orders/share", body).await.expect(200).json();
    let confirm = async |path: &str| {
        let call = client.request("PUT", path).body("{\"confirmed\":true}");
        let call = call.header("url-signature", url["signature"].as_str().unwrap_or_default());
        let call = call.header("url-expires", url["expires"].as_str().unwrap_or_default());
        call.header("url-paths", PATH).header("url-methods", "PUT").send().await
    };
    confirm("/v2/queues/others/subscriptions/x/confirm").await.expect(404);
    let path = format!("{PATH}/{id}/confirm");
    assert_eq!(confirm(&path).await.expect(204).header("location"), path);
    assert_eq!(client.get(&format!("{PATH}/{id}")).await.expect(200).json()["confirmed"], true);
}

#[tokio::test]
async fn topics_have_subscriptions_of_their_own() {
    for store in STORES {
        let host = store.host().start().await;
        let client = host.client();
        let path = "/v2/topics/news/subscriptions";
        let made = client.post(path, json!({ "subscriber": "mailto:a@b.example" })).await.expect(201);
        assert_eq!(made.header("location"), path);
        client.get("/v2/topics/news").await.expect(200);
        let page = client.get(path).await.expect(200).json();
        assert_eq!(page["subscriptions"][0]["source"], "news");
        let id = made.json()["subscription_id"].as_str().unwrap_or_default().to_owned();
        assert_eq!(page["links"][0]["href"], format!("{path}?marker={id}"));
        client.put(&format!("{path}/{id}/confirm"), json!({ "confirmed": true })).await.expect(204);
        assert_eq!(client.get(&format!("{path}/{id}")).await.expect(200).json()["confirmed"], true);
        client.request("POST", "/v2/topics/news/purge").send().await.expect(204);
        assert!(all(&client, path).await.is_empty());
    }
}
