//! Posting: whole batches, in order, under the limits.

use futures_util::future::join_all;
use serde_json::json;
use sukkal_tests::eventually::SOON;
use sukkal_tests::stores::{REDIS, STORES, Store};
use sukkal_tests::{Host, eventually};

#[tokio::test]
async fn messages_are_read_in_the_order_posted() {
    for store in STORES {
        let host = store.host().start().await;
        let orders = host.queue("orders");
        orders.post(["a", "b"]).await;
        orders.post(["c"]).await;
        assert_eq!(orders.list("?echo=true").await.bodies(), ["a", "b", "c"]);
        assert_eq!(orders.claim(3).await.bodies(), ["a", "b", "c"]);
    }
}

#[tokio::test]
async fn an_answer_names_each_message_in_the_order_posted() {
    for store in STORES {
        let host = store.host().start().await;
        let orders = host.queue("orders");
        let body = json!({ "messages": [{ "body": 1 }, { "body": 2 }] });
        let answer = host.client().post("/v2/queues/orders/messages", body).await.expect(201);
        let ids = orders.list("?echo=true").await.ids();
        assert_eq!(answer.header("location"), format!("/v2/queues/orders/messages?ids={},{}", ids[0], ids[1]));
        let paths = ids.iter().map(|id| format!("/v2/queues/orders/messages/{id}")).collect::<Vec<_>>();
        assert_eq!(answer.json(), json!({ "resources": paths }));
    }
}

#[tokio::test]
async fn a_batch_may_hold_more_messages_than_a_page() {
    for store in STORES {
        let host = store.host().start().await;
        let orders = host.queue("orders");
        let ids = orders.post(0..500).await;
        assert_eq!(ids.len(), 500);
        assert!(ids.is_sorted(), "ids sort in queue order");
        assert_eq!(orders.counts().await, [500, 0, 500]);
    }
}

#[tokio::test]
async fn a_refused_body_stores_and_creates_nothing() {
    let host = Host::start().await;
    let bodies = [
        "5",
        "\"x\"",
        "true",
        "null",
        "[5]",
        "{}",
        "{\"messages\":5}",
        "{\"messages\":[5]}",
        "{\"messages\":[{\"ttl\":\"300\",\"body\":1}]}",
        // The first message is sound: a batch is stored as a whole, or not at all.
        "{\"messages\":[{\"ttl\":300,\"body\":1},{\"ttl\":59,\"body\":2}]}",
        "{\"messages\":[{\"body\":9223372036854775808}]}",
    ];
    for body in bodies {
        let call = host.client().request("POST", "/v2/queues/orders/messages").body(body).send().await;
        assert_eq!(call.status, 400, "{body}");
        let answer = call.json();
        assert!(answer["title"].is_string() && answer["description"].is_string(), "{body}: {answer}");
    }
    let queues = host.client().get("/v2/queues").await.expect(200).json();
    assert_eq!(queues["queues"], json!([]));
}

#[tokio::test]
async fn a_post_is_bounded_by_the_smaller_limit_of_service_and_queue() {
    let host = Host::start().await;
    let small = host.queue("small");
    small.create(json!({ "_max_messages_post_size": 100 })).await;
    let too_large = json!({ "messages": [{ "body": "x".repeat(100) }] });
    let refused = host.client().post("/v2/queues/small/messages", too_large).await.expect(400).json();
    let text = "Message collection size is too large. The max size for current queue is 100. It is calculated by \
                max size = min(max_messages_post_size_config: 262144, max_messages_post_size_queue: 100).";
    assert_eq!(refused["description"], text);
    small.post(["fits"]).await;
    let service = json!({ "messages": [{ "body": "x".repeat(262_144) }] });
    let refused = host.client().post("/v2/queues/large/messages", service).await.expect(400).json();
    assert_eq!(refused["description"], "Message collection size is too large. Max size 262144");
}

#[tokio::test]
async fn the_queue_gives_what_a_message_leaves_out() {
    for store in STORES {
        let host = store.host().start().await;
        let orders = host.queue("orders");
        orders.create(json!({ "_default_message_ttl": 120, "_default_message_delay": 600 })).await;
        let ids = orders.post_messages(json!([{ "body": "theirs" }, { "body": "ours", "ttl": 90, "delay": 0 }])).await;
        assert_eq!(orders.get(&ids[0]).await.expect(200).json()["ttl"], 120);
        assert_eq!(orders.get(&ids[1]).await.expect(200).json()["ttl"], 90);
        assert_eq!(orders.list("?echo=true").await.bodies(), ["ours"]);
        let delay = json!([{ "op": "replace", "path": "/metadata/_default_message_delay", "value": 0 }]);
        let metadata = host.client().patch("/v2/queues/orders", delay).await.expect(200).json();
        assert_eq!(metadata["_default_message_delay"], 0);
        orders.post_messages(json!([{ "body": "at once" }])).await;
        assert!(orders.list("?echo=true").await.bodies().contains(&json!("at once")));
    }
}

#[tokio::test]
async fn a_delayed_message_is_hidden_until_its_time_and_keeps_its_place() {
    // Over all stores at once: the delay is long, for all that has to be seen before it ends.
    let over = async |store: Store| {
        let host = store.host().start().await;
        let orders = host.queue("orders");
        let ids = orders.post_messages(json!([{ "body": "late", "delay": 12 }, { "body": "now" }])).await;
        assert_eq!(orders.list("?echo=true").await.bodies(), ["now"]);
        assert_eq!(orders.list("?echo=true&include_delayed=true").await.bodies(), ["late", "now"]);
        assert_eq!(orders.get(&ids[0]).await.expect(200).json()["body"], "late");
        assert_eq!(orders.counts().await, [2, 0, 2]);
        let claim = orders.claim(10).await;
        assert_eq!(claim.bodies(), ["now"]);
        claim.release().await;
        let listed = eventually("the delay ends", 3 * SOON, async || {
            let bodies = orders.list("?echo=true").await.bodies();
            (bodies.len() == 2).then_some(bodies)
        });
        assert_eq!(listed.await, ["late", "now"]);
        assert_eq!(orders.pop(2).await.len(), 2);
    };
    join_all(STORES.map(over)).await;
}

/// A post of more messages than a pool takes is refused before there is a queue for it.
pub async fn a_post_of_too_many_makes_no_queue(host: &Host) {
    let post = async |count: usize| {
        let messages = vec![json!({ "body": 1 }); count];
        host.client().post("/v2/queues/q/messages", json!({ "messages": messages })).await
    };
    let refusal = post(1001).await.expect(400);
    assert!(refusal.text().contains("at most 1000 messages"), "{}", refusal.text());
    assert_eq!(host.client().get("/v2/queues").await.expect(200).json()["queues"], json!([]));
    post(1000).await.expect(201);
    post(1001).await.expect(400);
    assert_eq!(host.queue("q").counts().await, [1000, 0, 1000]);
}

#[tokio::test]
async fn a_post_of_too_many_for_redis_makes_no_queue() {
    a_post_of_too_many_makes_no_queue(&REDIS.host().start().await).await;
}
