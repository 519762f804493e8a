//! Signed URLs: their holders do what was signed, and nothing else.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sukkal_tests::host::Setup;
use sukkal_tests::rest::Call;
use sukkal_tests::stores::{STORES, Store};
use sukkal_tests::vectors::read;
use sukkal_tests::ws::request;
use sukkal_tests::{Answer, Client, Host, eventually, programs};

fn with_key() -> Setup {
    Host::with().section("[signed_urls]\nsecret_key = \"test-secret\"")
}

async fn share(client: &Client, body: Value) -> Value {
    client.post("/v2/queues/orders/share", body).await.expect(200).json()
}

/// A request with what was shared, in place of any other credentials.
fn bearing<'a>(client: &'a Client, shared: &Value, method: &str, path: &str) -> Call<'a> {
    let joined = |key: &str| {
        let texts: Vec<_> = shared[key].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        texts.join(",")
    };
    client
        .request(method, path)
        .header("url-signature", shared["signature"].as_str().unwrap_or_default())
        .header("url-expires", shared["expires"].as_str().unwrap_or_default())
        .header("url-methods", &joined("methods"))
        .header("url-paths", &joined("paths"))
}

fn is_no_path(answer: &Answer) -> bool {
    answer.status == 404 && answer.json() == json!({ "title": "404 Not Found" })
}

#[tokio::test]
async fn what_was_shared_can_be_used_and_nothing_else() {
    for store in STORES {
        let host = store.host().section("[signed_urls]\nsecret_key = \"test-secret\"").start().await;
        let orders = host.queue("orders");
        let ids = orders.post(["secret"]).await;
        let client = orders.client();
        let shared = share(client, json!({ "paths": ["messages"], "methods": ["GET"] })).await;
        assert_eq!(shared["paths"], json!(["/v2/queues/orders/messages"]));
        assert_eq!((&shared["methods"], &shared["project"]), (&json!(["GET"]), &json!("p1")));
        let send = async |method: &str, path: &str| bearing(client, &shared, method, path).send().await;
        let page = send("GET", "/v2/queues/orders/messages?echo=true&limit=1").await.expect(200).json();
        assert_eq!(page["messages"][0]["body"], "secret");
        send("GET", &format!("/v2/queues/orders/messages/{}", ids[0])).await.expect(200);
        for (method, path) in [
            ("DELETE", format!("/v2/queues/orders/messages/{}", ids[0])),
            ("DELETE", "/v2/queues/orders/messages?pop=1".to_owned()),
            ("POST", "/v2/queues/orders/messages".to_owned()),
            ("GET", "/v2/queues/orders".to_owned()),
            ("GET", "/v2/queues/orders/stats".to_owned()),
            ("GET", "/v2/queues/orders/messages2".to_owned()),
            ("GET", "/v2/queues".to_owned()),
            ("GET", "/v2/".to_owned()),
        ] {
            assert!(is_no_path(&send(method, &path).await), "{method} {path}");
        }
        let theirs = host.client().of_project("p2");
        let foreign = bearing(&theirs, &shared, "GET", "/v2/queues/orders/messages").send().await;
        assert!(is_no_path(&foreign));
        let wrong = bearing(client, &shared, "GET", "/v2/queues/orders/messages").without("client-id").send().await;
        assert_eq!((wrong.status, wrong.json()["title"].as_str()), (400, Some("Missing header value")));
        assert_eq!(orders.counts().await, [1, 0, 1]);
    }
}

#[tokio::test]
async fn a_signature_that_is_presented_must_hold() {
    let host = with_key().start().await;
    host.queue("orders").post(["secret"]).await;
    let client = host.client();
    let shared = share(&client, json!({})).await;
    let path = "/v2/queues/orders/messages";
    bearing(&client, &shared, "GET", path).send().await.expect(200);
    for signature in ["", " ", "dummy", "é"] {
        assert!(
            is_no_path(&client.request("GET", path).header("url-signature", signature).send().await),
            "{signature}"
        );
        let call = bearing(&client, &shared, "GET", path).header("url-signature", signature);
        assert!(is_no_path(&call.send().await), "{signature}");
    }
    for left_out in ["url-expires", "url-methods", "url-paths", "x-project-id"] {
        assert!(is_no_path(&bearing(&client, &shared, "GET", path).without(left_out).send().await), "{left_out}");
    }
    for name in ["url-signature", "url-expires", "url-methods", "url-paths"] {
        let call = bearing(&client, &shared, "GET", path).also(name, "x");
        assert!(is_no_path(&call.send().await), "two of {name}");
    }
    let keyless = Host::start().await;
    keyless.queue("orders").post(["secret"]).await;
    assert!(is_no_path(&bearing(&keyless.client(), &shared, "GET", path).send().await));
    let refused = keyless.client().post("/v2/queues/orders/share", json!({})).await.expect(400).json();
    assert_eq!(refused["description"], "The `key` can't be None");
}

#[tokio::test]
async fn where_identity_is_asked_for_a_signature_that_does_not_hold_opens_nothing() {
    let libraries = [programs::library("sukkal-memory"), programs::bad_library("misbehaves")];
    let memory = "catalog = \"memory:\"\ndefault_pool = \"memory:\"\npipeline = [\"misbehaves\"]";
    let section = "[filters.misbehaves]\ndoes = \"identifies\"\nat = \"authenticate\"\n\
                   [signed_urls]\nsecret_key = \"test-secret\"";
    let host = Host::with().plugins(libraries).top(memory).section(section).start().await;
    let client = host.client();
    for path in ["/", "/v2/openapi.json", "/v2/asyncapi.json"] {
        assert!(matches!(client.get(path).await.status, 200 | 300), "{path} is for everybody");
    }
    let (queue, messages) = ("/v2/queues/orders", "/v2/queues/orders/messages");
    let post = client.request("POST", messages).body(r#"{"messages":[{"body":"a word"}]}"#);
    post.header("x-auth-token", "lasts-60").send().await.expect(201);
    for path in ["/v2/queues", queue, &format!("{messages}?echo=true")] {
        client.get(path).await.expect(401);
        for signatures in [&[""][..], &[" "], &["dummy"], &["", ""], &["dummy", "dummy"]] {
            let call = client.request("GET", path);
            let call = signatures.iter().fold(call, |call, signature| call.also("url-signature", signature));
            let answer = call.send().await;
            assert!(matches!(answer.status, 401 | 404), "{path} {signatures:?}: {}", answer.text());
            assert!(!answer.text().contains("orders"), "{path} {signatures:?}: {}", answer.text());
        }
    }
    let mut socket = host.websocket().await;
    for signature in [json!(""), json!(" "), json!("dummy"), json!(5), json!(null), json!([""])] {
        let mut list = request("message_list", &json!({ "queue_name": "orders", "echo": true }));
        list["headers"]["URL-Signature"] = signature.clone();
        socket.text(list.to_string()).await;
        let answer = socket.answer().await;
        assert!(matches!(answer.status(), 400 | 401 | 403 | 404), "{signature}: {answer:?}");
        assert!(!answer.0.to_string().contains("a word"), "{signature}: {answer:?}");
    }
}

#[tokio::test]
async fn an_expiry_is_a_date() {
    let host = with_key().start().await;
    let client = host.client();
    for expires in [
        json!("3600"),
        json!(3600),
        json!(""),
        json!("null"),
        json!("None"),
        json!("2020-01-01T00:00:00"),
        json!("2026-13-01T00:00:00"),
    ] {
        client.post("/v2/queues/orders/share", json!({ "expires": expires })).await.expect(400);
    }
    for expires in ["2050-01-01T02:00:00+02:00", "2050-01-01T00:00:00.5", "2050-01-01T00:00:00Z"] {
        assert_eq!(share(&client, json!({ "expires": expires })).await["expires"], "2050-01-01T00:00:00");
    }
}

/// An expiry that is some seconds ahead.
fn soon() -> String {
    let date = Command::new("date").args(["--utc", "--date=15 seconds", "+%Y-%m-%dT%H:%M:%S"]).output();
    String::from_utf8_lossy(&date.expect("the date can be asked for").stdout).trim().to_owned()
}

#[tokio::test]
async fn what_was_shared_ends_when_it_says() {
    let host = with_key().start().await;
    host.queue("orders").post(["secret"]).await;
    let client = host.client();
    let shared = share(&client, json!({ "expires": soon() })).await;
    let path = "/v2/queues/orders/messages";
    bearing(&client, &shared, "GET", path).send().await.expect(200);
    // Nor does a wait outlive it. What the client itself has posted does not end that.
    let begun = Instant::now();
    let page = bearing(&client, &shared, "GET", &format!("{path}?wait=20")).send().await.expect(200).json();
    assert_eq!(page["messages"], json!([]));
    assert!(begun.elapsed() < Duration::from_secs(19), "{:?}", begun.elapsed());
    eventually("the end of what was shared", Duration::from_secs(45), async || {
        is_no_path(&bearing(&client, &shared, "GET", path).send().await).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_requests_of_the_vectors() {
    for store in STORES {
        the_requests_of_the_vectors_over(store).await;
    }
}

pub async fn the_requests_of_the_vectors_over(store: Store) {
    let section = "[api]\nadmin_mode = true\n[signed_urls]\nsecret_key = \"test-secret\"";
    let host = store.host().section(section).start().await;
    let client = host.client();
    for queue in ["q", "aXb", "a.b"] {
        client.put(&format!("/v2/queues/{queue}"), json!({})).await.expect(201);
    }
    let cases = read("signatures.json", "requests");
    for case in &cases {
        let text = |key: &str| case[key].as_str().unwrap_or_default();
        let mut call = client.request(text("method"), text("path"));
        for (name, value) in case["headers"].as_object().into_iter().flatten() {
            call = call.header(name, value.as_str().unwrap_or_default());
        }
        let due = if case["sukkal"].is_null() { &case["original"] } else { &case["sukkal"] };
        let found = call.send().await;
        assert_eq!(json!(found.status), *due, "{}: {}", case["name"], found.text());
        // What a signature does not cover is no path; a message that is not there is told apart.
        assert!(found.status != 404 || is_no_path(&found) != (case["name"] == "below the path"), "{}", case["name"]);
    }
    assert_eq!(cases.len(), 20);
}
