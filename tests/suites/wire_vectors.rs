//! The vectors of the specification, each sent to the real host.

use serde_json::{Value, json};
use sukkal_tests::described::OpenApi;
use sukkal_tests::rest::JSON_PATCH;
use sukkal_tests::stores::{STORES, Store};
use sukkal_tests::vectors::{Placeholders, answer, read};
use sukkal_tests::{Answer, Client, Host};

use crate::{signed_urls, websocket};

/// All faults together: one run shows everything.
fn none(faults: &[String]) {
    assert!(faults.is_empty(), "{} fault(s):\n{}", faults.len(), faults.join("\n"));
}

/// All of them over a store with a server, each over one of its own.
pub async fn all_over<S>(mut start: impl AsyncFnMut() -> S, store: impl Fn(&S) -> Store) {
    let server = start().await;
    single_requests_over(store(&server)).await;
    let server = start().await;
    one_long_session_over(store(&server)).await;
    let server = start().await;
    metadata_patches_over(store(&server)).await;
    let server = start().await;
    checksums_over(store(&server)).await;
    let server = start().await;
    signed_urls::the_requests_of_the_vectors_over(store(&server)).await;
    let server = start().await;
    websocket::one_long_session_over(store(&server)).await;
}

#[tokio::test]
async fn single_requests() {
    for store in STORES {
        single_requests_over(store).await;
    }
}

async fn single_requests_over(store: Store) {
    let host =
        store.host().section("[api]\nadmin_mode = true\n[signed_urls]\nsecret_key = \"test-secret\"").start().await;
    let client = host.client();
    client.put("/v2/queues/q", json!({})).await.expect(201);
    client.put("/v2/queues/small", json!({ "_max_messages_post_size": 100 })).await.expect(201);
    client.put("/v2/queues/delay", json!({ "_default_message_delay": 10 })).await.expect(201);
    let described = OpenApi::of(&client).await;
    let mut faults = Vec::new();
    let cases = read("requests.json", "cases");
    for case in &cases {
        if case["request"]["path"].as_str().is_some_and(|path| path.ends_with("/meta")) {
            client.delete("/v2/queues/meta").await.expect(204);
        }
        let request = &case["request"];
        let found = send(&client, request).await;
        let due = answer(case);
        let [method, path] = ["method", "path"].map(|key| request[key].as_str().unwrap_or_default());
        faults.extend(described.faults(method, path, body(&request["body"]).as_deref(), &found));
        faults.extend(differences(due, &found).map(|fault| format!("{}: {fault}", case["name"])));
    }
    none(&faults);
    assert_eq!(cases.len(), 260);
}

/// Sends the request of a vector.
async fn send(client: &Client, request: &Value) -> Answer {
    let text = |key: &str| request[key].as_str().unwrap_or_default();
    let mut call = client.request(text("method"), text("path"));
    for name in request["omit_headers"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        call = call.without(name);
    }
    for (name, value) in request["headers"].as_object().into_iter().flatten() {
        call = call.header(name, value.as_str().unwrap_or_default());
    }
    if let Some(body) = body(&request["body"]) {
        call = call.body(body);
    }
    call.send().await
}

/// The bytes that a vector's body stands for.
fn body(body: &Value) -> Option<Vec<u8>> {
    if let Some(hex) = body["body_hex"].as_str() {
        let digits = hex.as_bytes().chunks(2).filter_map(|pair| std::str::from_utf8(pair).ok());
        return Some(digits.filter_map(|pair| u8::from_str_radix(pair, 16).ok()).collect());
    }
    let text = body.as_str()?;
    let Some(length) = text.strip_prefix("<a JSON object of ").and_then(|rest| rest.strip_suffix(" bytes>")) else {
        return Some(text.as_bytes().to_vec());
    };
    let frame = r#"{"a":""}"#;
    let filling = length.parse::<usize>().expect("a length in bytes") - frame.len();
    Some(format!(r#"{{"a":"{}"}}"#, "x".repeat(filling)).into_bytes())
}

fn differences(due: &Value, found: &Answer) -> impl Iterator<Item = String> {
    let body = found.json();
    let header = |name: &str| json!(found.header(name));
    let pairs = [
        ("status", &due["status"], json!(found.status)),
        ("title", &due["title"], body["title"].clone()),
        ("description", &due["description"], body["description"].clone()),
        ("location", &due["location"], header("location")),
        ("allow", &due["allow"], header("allow")),
    ];
    let different = pairs.into_iter().filter(|(_, due, found)| !due.is_null() && *due != found);
    let texts = different.map(|(what, due, found)| format!("{what} is {found} where {due} is due"));
    texts.collect::<Vec<_>>().into_iter()
}

#[tokio::test]
async fn one_long_session() {
    for store in STORES {
        one_long_session_over(store).await;
    }
}

async fn one_long_session_over(store: Store) {
    let host = store.host().start().await;
    let client = host.client();
    let described = OpenApi::of(&client).await;
    let mut placeholders = Placeholders::default();
    let mut faults = Vec::new();
    let steps = read("lifecycle.json", "steps");
    for step in &steps {
        let request = &step["request"];
        let path = placeholders.fill(request["path"].as_str().unwrap_or_default());
        let method = request["method"].as_str().unwrap_or_default();
        let sent = (!request["body"].is_null()).then(|| request["body"].to_string());
        let mut call = client.request(method, &path);
        for (name, value) in request["headers"].as_object().into_iter().flatten() {
            call = call.header(name, value.as_str().unwrap_or_default());
        }
        if let Some(sent) = sent.clone() {
            call = call.body(sent);
        }
        let found = call.send().await;
        faults.extend(described.faults(method, &path, sent.as_deref().map(str::as_bytes), &found));
        let due = answer(step);
        let place = format!("{} {path}: ", request["method"]);
        let mut compare = |what: &str, due: &Value, found: &Value| {
            faults.extend(placeholders.compare(&format!("{place}{what}"), due, found).err());
        };
        compare("status", &due["status"], &json!(found.status));
        if !due["location"].is_null() {
            compare("location", &due["location"], &json!(found.header("location")));
        }
        compare("body", &due["body"], &found.json());
    }
    none(&faults);
    assert_eq!(steps.len(), 77);
}

#[tokio::test]
async fn metadata_patches() {
    for store in STORES {
        metadata_patches_over(store).await;
    }
}

async fn metadata_patches_over(store: Store) {
    let host = store.host().start().await;
    let client = host.client();
    let described = OpenApi::of(&client).await;
    let mut faults = Vec::new();
    let cases = read("json_patch.json", "cases");
    for case in &cases {
        client.delete("/v2/queues/patched").await.expect(204);
        client.put("/v2/queues/patched", case["stored"].clone()).await.expect(201);
        let before = client.get("/v2/queues/patched").await.expect(200).json();
        let patch = case["patch"].as_str().unwrap_or_default().to_owned();
        let call = client.request("PATCH", "/v2/queues/patched").header("content-type", JSON_PATCH);
        let found = call.body(patch.clone()).send().await;
        faults.extend(described.faults("PATCH", "/v2/queues/patched", Some(patch.as_bytes()), &found));
        let after = client.get("/v2/queues/patched").await.expect(200).json();
        let due = answer(case);
        faults.extend(differences(due, &found).map(|fault| format!("{patch}: {fault}")));
        if found.status == 200 {
            let compare = |due: &Value, found: &Value| Placeholders::default().compare(&patch, due, found).err();
            faults.extend(compare(&due["body"], &found.json()));
            faults.extend(compare(&found.json(), &after));
        } else if before != after {
            faults.push(format!("{patch}: refused, and changed the metadata to {after}"));
        }
    }
    none(&faults);
    assert_eq!(cases.len(), 44);
}

#[tokio::test]
async fn checksums() {
    for store in STORES {
        checksums_over(store).await;
    }
}

async fn checksums_over(store: Store) {
    let host = store.host().section("[api]\nenable_checksum = true").start().await;
    let client = host.client();
    let mut faults = Vec::new();
    let cases = read("checksum.json", "cases");
    for case in &cases {
        let body = case["body_as_posted"].as_str().unwrap_or_default();
        let post = client.request("POST", "/v2/queues/sums/messages");
        let posted = post.body(format!("{{\"messages\":[{{\"body\":{body}}}]}}")).send().await.expect(201).json();
        let path = posted["resources"][0].as_str().unwrap_or_default().to_owned();
        let message = client.get(&path).await.expect(200).json();
        let due = case["checksum"].as_str().filter(|sum| !sum.is_empty());
        if message["checksum"].as_str() != due {
            faults.push(format!("{body}: {} where {due:?} is due", message["checksum"]));
        }
    }
    none(&faults);
    assert_eq!(cases.len(), 30);
}

#[tokio::test]
async fn the_home_document() {
    for admin_mode in [false, true] {
        let host = Host::with().section(&format!("[api]\nadmin_mode = {admin_mode}")).start().await;
        let answer = host.client().get("/v2/").await.expect(200);
        assert_eq!(answer.header("content-type"), "application/json-home");
        assert_eq!(answer.header("cache-control"), "max-age=86400");
        let resources = read("home.json", "resources");
        let shown = resources.into_iter().filter(|resource| admin_mode || resource["admin"] != true);
        let due = shown.map(|resource| {
            let mut hints = json!({ "allow": resource["allow"], "formats": { "application/json": {} } });
            let mut entry = json!({ "hints": {} });
            if !resource["accept-post"].is_null() {
                hints["accept-post"] = resource["accept-post"].clone();
            }
            for key in ["href", "href-template", "href-vars"].into_iter().filter(|key| !resource[*key].is_null()) {
                entry[key] = resource[key].clone();
            }
            entry["hints"] = hints;
            (resource["rel"].as_str().unwrap_or_default().to_owned(), entry)
        });
        let due = json!({ "resources": due.collect::<serde_json::Map<_, _>>() });
        assert_eq!(Placeholders::default().compare("home", &due, &answer.json()), Ok(()));
    }
}
