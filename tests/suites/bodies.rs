//! Bodies come back as they were posted, whatever way they are read.

use serde_json::{Value, json};
use sukkal_tests::{Host, Queue};

/// Posts a body as text, and returns what each way of reading shows of it, as text.
async fn round_trip(queue: &Queue, body: &str) -> Vec<String> {
    let post = queue.client().request("POST", &queue.path("/messages"));
    let answer = post.body(format!("{{\"messages\":[{{\"body\":{body}}}]}}")).send().await.expect(201).json();
    let path = answer["resources"][0].as_str().unwrap_or_default().to_owned();
    let id = path.rsplit('/').next().unwrap_or_default().to_owned();
    let mut shown = Vec::new();
    for path in [path, queue.path(&format!("/messages?ids={id}")), queue.path("/messages?echo=true")] {
        shown.push(queue.client().get(&path).await.expect(200).text());
    }
    let claim = queue.client().request("POST", &queue.path("/claims")).send().await.expect(201);
    shown.push(claim.text());
    let claim = claim.header("location").to_owned();
    shown.push(queue.client().get(&claim).await.expect(200).text());
    queue.client().delete(&claim).await.expect(204);
    shown.push(queue.client().delete(&queue.path("/messages?pop=1")).await.expect(200).text());
    shown
}

#[tokio::test]
async fn digits_and_the_order_of_keys_are_kept() {
    let host = Host::start().await;
    let bodies = [
        "9223372036854775807",
        "-9223372036854775808",
        "0.10",
        "1E2",
        "1.0",
        "-0.0",
        "1e999",
        "123456.7890123456789",
        "{\"b\":1,\"a\":2,\"b\":3}",
        "[[],{},null,true]",
    ];
    for body in bodies {
        for shown in round_trip(&host.queue("numbers"), body).await {
            assert!(shown.contains(&format!("\"body\":{body}")), "{body}: {shown}");
        }
    }
}

#[tokio::test]
async fn text_of_every_kind_is_kept() {
    let host = Host::start().await;
    let bodies = [
        "\"a\\u0000b\"",
        "\"é😀\"",
        "\"\\u00e9\"",
        "\"\\\"}]\"",
        "{\"$set\":{\"a.b\":1},\"\":2,\"__proto__\":3}",
        "\"\"",
    ];
    for body in bodies {
        let due: Value = serde_json::from_str(body).expect("the body is JSON");
        for shown in round_trip(&host.queue("texts"), body).await {
            let shown: Value = serde_json::from_str(&shown).expect("the answer is JSON");
            let message = if shown["body"].is_null() { &shown["messages"][0] } else { &shown };
            assert_eq!(message["body"], due, "{body}");
        }
    }
}

#[tokio::test]
async fn an_unpaired_surrogate_is_refused_or_kept_and_breaks_nothing() {
    let host = Host::start().await;
    let client = host.client();
    for (method, path, body) in [
        ("POST", "/v2/queues/texts/messages", "{\"messages\":[{\"body\":\"\\ud800\"}]}"),
        ("PUT", "/v2/queues/lone", "{\"note\":\"\\ud800\"}"),
    ] {
        let answer = client.request(method, path).body(body).send().await;
        assert!([400, 201].contains(&answer.status), "{path}: {}", answer.status);
    }
    client.get("/v2/queues?detailed=true").await.expect(200);
    client.get("/v2/queues/texts/messages?echo=true").await.expect(200);
}

#[tokio::test]
async fn deep_nesting_is_accepted_and_no_depth_breaks_the_host() {
    let host = Host::start().await;
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    for shown in round_trip(&host.queue("deep"), &nested(128)).await {
        assert!(shown.contains(&nested(128)));
    }
    for depth in [1_000, 100_000] {
        let body = format!("{{\"messages\":[{{\"body\":{}}}]}}", nested(depth));
        let answer = host.client().request("POST", "/v2/queues/deep/messages").body(body).send().await;
        assert!([201, 400].contains(&answer.status), "{depth}: {}", answer.status);
        let metadata = format!("{{\"a\":{}}}", nested(depth / 10));
        let answer = host.client().request("PUT", "/v2/queues/meta").body(metadata).send().await;
        assert!([201, 204, 400].contains(&answer.status), "{depth}: {}", answer.status);
    }
    host.client().get("/v2/queues").await.expect(200);
}

#[tokio::test]
async fn metadata_keys_with_dots_are_single_keys() {
    let host = Host::start().await;
    let queue = host.queue("meta");
    queue.create(json!({ "a.b": 1, "doc": { "$set": { "a.b": 1 }, "": 2 }, "note": "a\u{0}b" })).await;
    let patch = json!([{ "op": "replace", "path": "/metadata/a.b", "value": 2 }]);
    let metadata = host.client().patch("/v2/queues/meta", patch).await.expect(200).json();
    assert_eq!(metadata["a.b"], 2);
    assert_eq!(metadata["doc"], json!({ "$set": { "a.b": 1 }, "": 2 }));
    assert_eq!(host.client().get("/v2/queues/meta").await.expect(200).json()["note"], "a\u{0}b");
}
