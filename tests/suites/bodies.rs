//! Bodies come back as they were posted, whatever way they are read.

use serde_json::{Value, json};
use sukkal_tests::rest::JSON_PATCH;
use sukkal_tests::stores::{STORES, Store};
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

/// Bodies whose very characters must come back.
const NUMBERS: [&str; 10] = [
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

#[tokio::test]
async fn digits_and_the_order_of_keys_are_kept() {
    for store in STORES {
        let host = store.host().start().await;
        for body in NUMBERS {
            for shown in round_trip(&host.queue("numbers"), body).await {
                assert!(shown.contains(&format!("\"body\":{body}")), "{body}: {shown}");
            }
        }
    }
}

#[tokio::test]
async fn digits_and_the_order_of_keys_outlive_a_kill() {
    let mut host = Host::start().await;
    let messages = NUMBERS.map(|body| format!("{{\"body\":{body}}}")).join(",");
    let orders = host.queue("numbers");
    let client = host.client();
    let post = client.request("POST", &orders.path("/messages")).body(format!("{{\"messages\":[{messages}]}}"));
    post.send().await.expect(201);
    host.kill();
    host.start_again().await;
    let listed = host.client().get(&orders.path("/messages?echo=true")).await.expect(200).text();
    for body in NUMBERS {
        assert!(listed.contains(&format!("\"body\":{body}")), "{body}: {listed}");
    }
}

#[tokio::test]
async fn integers_beyond_64_signed_bits_are_refused_wherever_they_stand() {
    let host = Host::start().await;
    let client = host.client();
    for number in ["9223372036854775808", "-9223372036854775809", "18446744073709551616", &"9".repeat(400)] {
        for body in [number.to_owned(), format!("[{{\"a\":[0,{number}]}}]")] {
            let post = client.request("POST", "/v2/queues/numbers/messages");
            post.body(format!("{{\"messages\":[{{\"body\":{body}}}]}}")).send().await.expect(400);
        }
        host.client().request("PUT", "/v2/queues/numbers").body(format!("{{\"a\":{number}}}")).send().await.expect(400);
    }
    host.client().request("HEAD", "/v2/queues/numbers").send().await.expect(404);
}

#[tokio::test]
async fn text_of_every_kind_is_kept() {
    for store in STORES {
        texts_over(store).await;
    }
}

/// Bodies that stores have been seen to stumble over.
pub async fn texts_over(store: Store) {
    let host = store.host().start().await;
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
async fn an_unpaired_surrogate_is_refused_alike_everywhere() {
    for store in STORES {
        let host = store.host().start().await;
        let client = host.client();
        host.queue("there").create(json!({})).await;
        for text in ["\\ud800", "a\\udfff", "\\udc00\\ud800", "\\ud800\\ud800", "\\ud800x"] {
            for (method, path, body) in [
                ("POST", "/v2/queues/texts/messages", format!("{{\"messages\":[{{\"body\":\"{text}\"}}]}}")),
                ("POST", "/v2/queues/texts/messages", format!("{{\"messages\":[{{\"body\":{{\"{text}\":1}}}}]}}")),
                ("PUT", "/v2/queues/texts", format!("{{\"note\":\"{text}\"}}")),
                ("PUT", "/v2/queues/texts", format!("{{\"{text}\":1}}")),
                (
                    "PATCH",
                    "/v2/queues/there",
                    format!("[{{\"op\":\"add\",\"path\":\"/metadata/a\",\"value\":\"{text}\"}}]"),
                ),
            ] {
                let call = client.request(method, path).header("content-type", content_type(method));
                let answer = call.body(body.clone()).send().await;
                assert_eq!(answer.status, 400, "{method} {body}: {}", answer.text());
            }
        }
        client.request("HEAD", "/v2/queues/texts").send().await.expect(404);
        // In pairs they are letters like others.
        for shown in round_trip(&host.queue("texts"), "\"\\ud83d\\ude00\"").await {
            assert!(shown.contains("\\ud83d\\ude00") || shown.contains('😀'), "{shown}");
        }
    }
}

fn content_type(method: &str) -> &'static str {
    if method == "PATCH" { JSON_PATCH } else { "application/json" }
}

#[tokio::test]
async fn deep_nesting_is_accepted_and_what_no_reader_can_parse_is_not() {
    let host = Host::start().await;
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    for depth in [128, 500] {
        for shown in round_trip(&host.queue("deep"), &nested(depth)).await {
            assert!(shown.contains(&nested(depth)));
        }
    }
    for depth in [1_000, 100_000] {
        let body = format!("{{\"messages\":[{{\"body\":{}}}]}}", nested(depth));
        let answer = host.client().request("POST", "/v2/queues/deep/messages").body(body).send().await;
        assert_eq!(answer.status, 400, "{depth}");
        let metadata = format!("{{\"a\":{}}}", nested(depth / 10));
        let answer = host.client().request("PUT", "/v2/queues/meta").body(metadata).send().await;
        assert!([201, 204, 400].contains(&answer.status), "{depth}: {}", answer.status);
    }
    host.client().get("/v2/queues").await.expect(200);
}

#[tokio::test]
async fn metadata_are_kept_as_they_are_and_changed_key_by_key() {
    for store in STORES {
        metadata_over(store).await;
    }
}

/// Queues' metadata and subscriptions' options, which a catalog keeps.
pub async fn metadata_over(store: Store) {
    let host = store.host().start().await;
    let queue = host.queue("meta");
    let keys = ["a.b", "$set", "doc", "note", "__proto__", "a", "ключ"];
    let values = json!([
        1,
        { "$inc": 1 },
        { "$set": { "a.b": 1 }, "": 2, "__proto__": 3, "a\u{0}b": null },
        "a\u{0}b",
        [],
        { "b": 7 },
        "значение",
    ]);
    let due: serde_json::Map<_, _> =
        keys.iter().map(|key| (*key).to_owned()).zip(values.as_array().cloned().unwrap_or_default()).collect();
    queue.create(Value::Object(due.clone())).await;
    let holds = async |due: &serde_json::Map<String, Value>| {
        let shown = host.client().get("/v2/queues/meta").await.expect(200).json();
        for key in keys {
            assert_eq!(shown.get(key), due.get(key), "{key} in {shown}");
        }
    };
    holds(&due).await;
    let mut changed = due;
    for key in ["a.b", "$set", "__proto__"] {
        let patch = json!([{ "op": "replace", "path": format!("/metadata/{key}"), "value": "new" }]);
        host.client().patch("/v2/queues/meta", patch).await.expect(200);
        changed.insert(key.to_owned(), json!("new"));
        holds(&changed).await;
    }
    host.client().patch("/v2/queues/meta", json!([{ "op": "remove", "path": "/metadata/a.b" }])).await.expect(200);
    changed.remove("a.b");
    holds(&changed).await;
    let options = json!({ "x": "\u{0}", "$set": { "a.b": 1, "": 2 } });
    let subscription = json!({ "subscriber": "http://a.example", "ttl": 600, "options": options });
    host.client().post("/v2/queues/meta/subscriptions", subscription).await.expect(201);
    let listed = host.client().get("/v2/queues/meta/subscriptions").await.expect(200).json();
    assert_eq!(listed["subscriptions"][0]["options"], options, "{listed}");
}
