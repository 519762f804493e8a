//! The documents of the APIs: served to everybody, sound by the schemas of their own kind, and with
//! examples that are as they say. That answers are as described is seen where the vectors run.

use std::process::Command;

use serde_json::{Value, json};
use sukkal_tests::described::{AsyncApi, Document, OpenApi};
use sukkal_tests::stores::MEMORY;
use sukkal_tests::ws::request;
use sukkal_tests::{Host, programs};

/// A host that serves all that there is.
async fn host() -> Host {
    Host::with().section("[api]\nadmin_mode = true\n[limits]\nmax_claim_ttl = 777").start().await
}

fn none(faults: &[String]) {
    assert!(faults.is_empty(), "{} fault(s):\n{}", faults.len(), faults.join("\n"));
}

#[tokio::test]
async fn whoever_names_no_client_and_no_project_may_read_them() {
    let host = host().await;
    let client = host.client();
    for (path, version) in [("/v2/openapi.json", "3.1.1"), ("/v2/asyncapi.json", "3.0.0")] {
        let request = |method| client.request(method, path).without("client-id").without("x-project-id");
        let answer = request("GET").send().await.expect(200);
        assert_eq!(answer.header("content-type"), "application/json");
        let name = path.trim_start_matches("/v2/").trim_end_matches(".json");
        assert_eq!(answer.json()[name], version);
        assert!(answer.text().contains("777"), "limits are the host's own");
        assert_eq!(request("DELETE").send().await.expect(405).header("allow"), "GET, OPTIONS");
    }
}

#[tokio::test]
async fn the_openapi_document_is_one() {
    let host = host().await;
    let path = host.folder().join("openapi.json");
    std::fs::write(&path, host.client().get("/v2/openapi.json").await.expect(200).body).expect("it can be written");
    let checked = Command::new(programs::python()).args(["-m", "openapi_spec_validator"]).arg(path).output();
    let checked = checked.expect("Python can be started");
    let told = String::from_utf8_lossy(&[checked.stdout, checked.stderr].concat()).into_owned();
    assert!(checked.status.success(), "{told}");
}

#[tokio::test]
async fn the_asyncapi_document_is_one() {
    let document = AsyncApi::of(&host().await.client()).await.0.value;
    let schema = std::fs::read(programs::checkout("tests/schemas/asyncapi-3.0.0.json")).expect("the schema");
    let schema: Value = serde_json::from_slice(&schema).expect("a schema is JSON");
    let validator = jsonschema::draft7::new(&schema).expect("a schema");
    let faults = validator.iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path()));
    none(&faults.collect::<Vec<_>>());
}

#[tokio::test]
async fn examples_are_as_their_schemas_say() {
    let host = host().await;
    let client = host.client();
    let OpenApi(openapi) = OpenApi::of(&client).await;
    let mut faults = Vec::new();
    let n_checked = check_examples(&openapi, "", &openapi.value, &mut faults);
    let asyncapi = AsyncApi::of(&client).await;
    let messages = asyncapi.0.value["components"]["messages"].as_object().expect("messages");
    for (name, message) in messages {
        for example in message["examples"].as_array().expect("every message has an example") {
            let told = asyncapi.message_faults(name, &example["payload"]).into_iter();
            faults.extend(told.map(|fault| format!("{name}: {fault}")));
        }
    }
    none(&faults);
    assert!(n_checked > 60 && messages.len() > 50, "{n_checked}, {}", messages.len());
}

#[tokio::test]
async fn pools_and_flavors_are_answered_as_described() {
    let host = host().await;
    let client = host.client();
    let described = OpenApi::of(&client).await;
    let mut faults = Vec::new();
    for (method, path, body, status) in [
        ("PUT", "/v2/pools/a", r#"{"uri":"memory:a","weight":10,"options":{}}"#, 201),
        ("PUT", "/v2/pools/b", r#"{"uri":"memory:a","weight":10}"#, 409),
        ("PUT", "/v2/pools/b", r#"{"uri":"nosuch:b","weight":10}"#, 400),
        ("PUT", "/v2/pools/b", r#"{"uri":"memory:b"}"#, 400),
        ("GET", "/v2/pools/a", "", 200),
        ("GET", "/v2/pools/a?detailed=true", "", 200),
        ("GET", "/v2/pools/none", "", 404),
        ("GET", "/v2/pools?limit=1&detailed=true", "", 200),
        ("PATCH", "/v2/pools/a", r#"{"weight":5}"#, 200),
        ("PATCH", "/v2/pools/a", "{}", 400),
        ("PUT", "/v2/flavors/f", r#"{"pool_list":["a"]}"#, 201),
        ("PUT", "/v2/flavors/g", r#"{"pool_list":["none"]}"#, 400),
        ("GET", "/v2/flavors?detailed=true", "", 200),
        ("GET", "/v2/flavors", "", 200),
        ("GET", "/v2/flavors/f", "", 200),
        ("GET", "/v2/flavors/none", "", 404),
        ("PATCH", "/v2/flavors/f", r#"{"pool_list":["a"]}"#, 200),
        ("GET", "/v2/health", "", 200),
        ("DELETE", "/v2/pools/a", "", 403),
        ("DELETE", "/v2/flavors/f", "", 204),
        ("DELETE", "/v2/pools/a", "", 204),
        ("GET", "/v2/health", "", 200),
    ] {
        let body = Some(body).filter(|body| !body.is_empty());
        let call = client.request(method, path);
        let answer = if let Some(body) = body { call.body(body) } else { call }.send().await.expect(status);
        faults.extend(described.faults(method, path, body.map(str::as_bytes), &answer));
    }
    none(&faults);
}

#[tokio::test]
async fn pools_and_flavors_are_answered_as_described_on_the_websocket() {
    let host = host().await;
    let described = AsyncApi::of(&host.client()).await;
    let mut socket = host.websocket().await;
    let mut faults = Vec::new();
    for (action, body, status) in [
        ("pool_create", json!({ "pool_name": "a", "uri": "memory:a", "weight": 10 }), 201),
        ("pool_create", json!({ "pool_name": "b", "uri": "memory:a", "weight": 10 }), 409),
        ("pool_create", json!({ "pool_name": "b" }), 400),
        ("pool_get", json!({ "pool_name": "a", "detailed": true }), 200),
        ("pool_get", json!({ "pool_name": "none" }), 404),
        ("pool_list", json!({ "limit": 1 }), 200),
        ("pool_update", json!({ "pool_name": "a", "weight": 5 }), 200),
        ("flavor_create", json!({ "flavor_name": "f", "pool_list": ["a"] }), 201),
        ("flavor_list", json!({ "detailed": true }), 200),
        ("flavor_get", json!({ "flavor_name": "f" }), 200),
        ("flavor_update", json!({ "flavor_name": "f", "pool_list": ["a"] }), 200),
        ("pool_delete", json!({ "pool_name": "a" }), 403),
        ("flavor_delete", json!({ "flavor_name": "f" }), 204),
        ("pool_delete", json!({ "pool_name": "a", "force": true }), 204),
        ("check_node_health", json!({}), 200),
        ("get_home_doc", json!({}), 200),
        ("ping_node", json!({}), 204),
    ] {
        let answer = socket.ask(action, body.clone()).await.expect(status);
        faults.extend(described.faults(&request(action, &body), &answer.0));
    }
    none(&faults);
}

#[tokio::test]
async fn whatever_is_sent_is_answered_as_described() {
    // Nobody waits for those who wait.
    let settings = "[api]\nadmin_mode = true\n[limits]\nmax_wait = 1\n[signed_urls]\nsecret_key = \"test-secret\"";
    let host = MEMORY.host().section(settings).start().await;
    let mut command = Command::new(programs::python().with_file_name("schemathesis"));
    command.args(["run", &format!("{}/v2/openapi.json", host.base()), "--checks", "all", "--continue-on-failure"]);
    // As many requests an operation as take some seconds in all; the same ones each time.
    command.args(["--max-examples", "5", "--seed", "1", "--generation-database", "none", "--warnings", "off"]);
    command.env("SCHEMATHESIS_HOOKS", programs::checkout("tests/clients/schemathesis_hooks.py"));
    let tried = command.current_dir(host.folder()).output().expect("schemathesis can be started");
    let told = String::from_utf8_lossy(&[tried.stdout, tried.stderr].concat()).into_owned();
    assert!(tried.status.success(), "{told}");
}

/// Checks each `example` below a place against the schema beside it.
fn check_examples(document: &Document, place: &str, value: &Value, faults: &mut Vec<String>) -> usize {
    let members: Vec<(String, &Value)> = match value {
        Value::Object(members) => {
            members.iter().map(|(key, value)| (key.replace('~', "~0").replace('/', "~1"), value)).collect()
        }
        Value::Array(items) => items.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    let mut n_checked = 0;
    if let (Some(example), Some(_)) = (value.get("example"), value.get("schema")) {
        n_checked += 1;
        let told = document.faults(&format!("{place}/schema"), example).into_iter();
        faults.extend(told.map(|fault| format!("{place}: {fault}")));
    }
    let below = members.into_iter().filter(|(key, _)| key != "example");
    n_checked
        + below.map(|(key, value)| check_examples(document, &format!("{place}/{key}"), value, faults)).sum::<usize>()
}
