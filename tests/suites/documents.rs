//! JSON that is no document: refused wherever a document is read, with nothing done.

use serde_json::{Value, json};
use sukkal_tests::rest::JSON_PATCH;
use sukkal_tests::{Answer, Host};

const NO_DOCUMENTS: [&str; 5] = ["5", "\"x\"", "true", "null", "[5]"];

#[track_caller]
fn assert_refused(answer: &Answer, what: &str) {
    assert_eq!(answer.status, 400, "{what}: {}", answer.text());
    let told = answer.json();
    for key in ["title", "description"] {
        assert!(told[key].as_str().is_some_and(|text| !text.is_empty()), "{what}: {told}");
    }
}

#[tokio::test]
async fn what_is_no_document_makes_no_queue() {
    let host = Host::start().await;
    let client = host.client();
    for below in ["", "/messages", "/claims", "/purge"] {
        let (method, path) = (if below.is_empty() { "PUT" } else { "POST" }, format!("/v2/queues/orders{below}"));
        for body in NO_DOCUMENTS {
            let answer = client.request(method, &path).body(body).send().await;
            assert_refused(&answer, &format!("{method} {path} of {body}"));
        }
    }
    assert_eq!(client.get("/v2/queues").await.expect(200).json()["queues"], json!([]));
}

#[tokio::test]
async fn what_is_no_document_changes_nothing() {
    let host = Host::start().await;
    let orders = host.queue("orders");
    let client = host.client();
    orders.create(json!({ "a": 1 })).await;
    orders.post(["kept"]).await;
    let claim = orders.claim(1).await;
    let state = async || {
        let metadata = client.get("/v2/queues/orders").await.expect(200).json();
        let mut held = claim.get().await.expect(200).json();
        held["age"] = Value::Null;
        held["messages"][0]["age"] = Value::Null;
        (metadata, held)
    };
    let before = state().await;
    for body in NO_DOCUMENTS {
        let patch = client.request("PATCH", "/v2/queues/orders").header("content-type", JSON_PATCH);
        assert_refused(&patch.body(body).send().await, &format!("PATCH of a queue with {body}"));
        let renewal = client.request("PATCH", &claim.path()).body(body).send().await;
        assert_refused(&renewal, &format!("PATCH of a claim with {body}"));
        let purge = client.request("POST", &orders.path("/purge")).body(body).send().await;
        assert_refused(&purge, &format!("purge with {body}"));
    }
    for body in ["{}", "{\"op\":\"add\",\"path\":\"/metadata/a\",\"value\":2}"] {
        let patch = client.request("PATCH", "/v2/queues/orders").header("content-type", JSON_PATCH);
        assert_refused(&patch.body(body).send().await, &format!("PATCH of a queue with {body}"));
    }
    assert_eq!(state().await, before);
}
