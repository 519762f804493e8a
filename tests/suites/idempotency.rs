//! A post under an `Idempotency-Key` is stored once, however often it is sent.

use serde_json::{Value, json};
use sukkal_tests::queue::Queue;
use sukkal_tests::rest::Answer;
use sukkal_tests::stores::{SQLITE, STORES};
use sukkal_tests::ws::{Reply, request};
use sukkal_tests::{Host, programs};

async fn post(queue: &Queue, key: &str, body: &str) -> Answer {
    let path = queue.path("/messages");
    let body = json!({ "messages": [{ "ttl": 300, "body": body }, { "ttl": 300, "body": "too" }] });
    queue.client().request("POST", &path).header("idempotency-key", key).body(body.to_string()).send().await
}

fn resources(answer: &Answer) -> Value {
    answer.json()["resources"].clone()
}

#[tokio::test]
async fn a_repeated_post_gets_the_same_answer_and_stores_nothing() {
    for store in STORES {
        let host = store.host().start().await;
        let orders = host.queue("orders");
        let first = post(&orders, "k1", "a").await.expect(201);
        let again = post(&orders, "k1", "a").await.expect(201);
        assert_eq!(resources(&again), resources(&first));
        assert_eq!(again.header("location"), first.header("location"));
        assert_eq!(orders.list("?echo=true").await.bodies(), ["a", "too"]);
        assert_eq!(orders.pop(2).await.len(), 2);
        assert_eq!(resources(&post(&orders, "k1", "a").await.expect(201)), resources(&first));
        assert_eq!(orders.counts().await, [0, 0, 0], "what was consumed is not stored again");
        post(&orders, "k2", "a").await.expect(201);
        assert_eq!(orders.counts().await, [2, 0, 2], "another key is another post");
    }
}

#[tokio::test]
async fn a_key_is_of_its_project_and_queue() {
    let host = STORES[1].host().start().await;
    let (orders, others) = (host.queue("orders"), host.queue("others"));
    let elsewhere = orders.seen_by(host.client().of_project("p2"));
    for queue in [&orders, &others, &elsewhere] {
        post(queue, "k", "a").await.expect(201);
        assert_eq!(queue.counts().await, [2, 0, 2]);
    }
    host.client().delete(&orders.path("")).await.expect(204);
    post(&orders, "k", "b").await.expect(201);
    assert_eq!(orders.counts().await, [2, 0, 2], "a queue that is made anew knows no keys");
}

#[tokio::test]
async fn another_body_under_a_key_is_refused() {
    for store in STORES {
        let host = store.host().start().await;
        let orders = host.queue("orders");
        post(&orders, "k", "a").await.expect(201);
        let refused = post(&orders, "k", "b").await.expect(400).json();
        assert_eq!(refused["title"], "Invalid API request");
        let text = "The Idempotency-Key was used for another request body. Use a new key for a new post.";
        assert_eq!(refused["description"], text);
        assert_eq!(orders.list("?echo=true").await.bodies(), ["a", "too"]);
    }
}

#[tokio::test]
async fn a_malformed_key_is_refused() {
    let host = STORES[1].host().start().await;
    let orders = host.queue("orders");
    for key in ["", "two words", &"k".repeat(256)] {
        let refused = post(&orders, key, "a").await.expect(400).json();
        assert_eq!(refused["description"], "The Idempotency-Key must be of 1 to 255 visible ASCII characters.");
    }
    let post_messages = orders.client().request("POST", &orders.path("/messages")).body(r#"{"messages":[{"body":1}]}"#);
    let text = "The header Idempotency-Key is there more than once, with different values.";
    let twice = post_messages.header("idempotency-key", "one").also("idempotency-key", "two");
    assert_eq!(twice.send().await.expect(400).json()["description"], text);
    let mut socket = host.websocket().await;
    for key in [json!(5), json!(null), json!(true), json!(["k"])] {
        let body = json!({ "queue_name": "orders", "messages": [{ "body": 1, "ttl": 60 }] });
        let mut frame = request("message_post", &body);
        frame["headers"]["Idempotency-Key"] = key.clone();
        socket.text(frame.to_string()).await;
        assert_eq!(socket.answer().await.status(), 400, "{key}");
    }
    assert_eq!(orders.counts().await, [0, 0, 0]);
    post(&orders, &"k".repeat(255), "a").await.expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn posts_under_one_key_at_the_same_time_are_one() {
    for store in STORES {
        let host = store.host().start().await;
        let orders = host.queue("orders");
        let posts = (0..16).map(|_| {
            let orders = orders.seen_by(host.client());
            tokio::spawn(async move { resources(&post(&orders, "k", "a").await.expect(201)) })
        });
        let mut answers = Vec::new();
        for post in posts.collect::<Vec<_>>() {
            answers.push(post.await.expect("no task panics"));
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        assert_eq!(orders.counts().await, [2, 0, 2]);
    }
}

#[tokio::test]
async fn a_repeated_post_is_known_after_a_crash_and_passes_no_ingress_filter() {
    let failing = "[filters.misbehaves]\ndoes = \"panic_text\"\nat = \"ingress\"";
    let libraries = [programs::library("sukkal-sqlite"), programs::bad_library("misbehaves")];
    let mut host = SQLITE.host().plugins(libraries).section(failing).start().await;
    let orders = host.queue("orders");
    let first = post(&orders, "k", "a").await.expect(201);
    let told = post_framed(&host, "k").await.expect(201);
    host.kill();
    // From now on each post fails that filters see.
    let file = host.folder().join("sukkal.toml");
    let settings = std::fs::read_to_string(&file).expect("the configuration can be read");
    std::fs::write(&file, format!("pipeline = [\"misbehaves\"]\n{settings}")).expect("it can be written");
    host.start_again().await;
    let orders = host.queue("orders");
    post(&orders, "new", "a").await.expect(500);
    assert_eq!(resources(&post(&orders, "k", "a").await.expect(201)), resources(&first));
    assert_eq!(orders.list("?echo=true").await.bodies(), ["a", "too"]);
    post_framed(&host, "new").await.expect(500);
    assert_eq!(post_framed(&host, "k").await.expect(201).body()["message_ids"], told.body()["message_ids"]);
    assert_eq!(host.queue("frames").list("?echo=true").await.bodies(), ["a"]);
}

/// Posts over a websocket, to a queue of its own.
async fn post_framed(host: &Host, key: &str) -> Reply {
    let body = json!({ "queue_name": "frames", "messages": [{ "ttl": 300, "body": "a" }] });
    let mut post = request("message_post", &body);
    post["headers"]["Idempotency-Key"] = json!(key);
    let mut socket = host.websocket().await;
    socket.text(post.to_string()).await;
    socket.answer().await
}
