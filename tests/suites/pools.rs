//! Pools and flavors as administrators see them: registered, shown, changed, refused.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sukkal_tests::described::{AsyncApi, OpenApi};
use sukkal_tests::pools::{admin, patch, pool, poolless, register};
use sukkal_tests::stores::MEMORY;
use sukkal_tests::ws::request;
use sukkal_tests::{Host, programs};

#[tokio::test]
async fn without_pools_lists_are_empty_and_posts_refused() {
    let host = poolless().await;
    for (path, key) in [("queues", "queues"), ("topics", "topics"), ("pools", "pools"), ("flavors", "flavors")] {
        let listed = host.client().get(&format!("/v2/{path}")).await.expect(200).json();
        assert_eq!(listed, json!({ key: [], "links": [] }));
    }
    let refused = host.client().post("/v2/queues/q/messages", json!({ "messages": [{ "body": 1 }] })).await.expect(503);
    assert!(refused.json()["description"].as_str().is_some_and(|text| text.starts_with("No pools registered")));
    let orders = host.queue("orders");
    assert!(orders.try_claim(1).await.is_none() && orders.pop(1).await.is_empty());
    host.client().delete("/v2/queues/orders").await.expect(204);
}

#[tokio::test]
async fn a_pool_is_registered_shown_changed_and_deleted() {
    let host = poolless().await;
    let client = host.client();
    let options = json!({ "max_messages": 1000 });
    let body = json!({ "uri": "memory:a", "weight": 10, "flavor": "f", "options": options });
    let made = register(&host, "one", body).await.expect(201);
    assert_eq!((made.header("location"), made.text().as_str()), ("/v2/pools/one", ""));
    let shown = json!({ "name": "one", "uri": "memory:a", "weight": 10, "flavor": "f", "href": "/v2/pools/one" });
    assert_eq!(client.get("/v2/pools/one").await.expect(200).json(), shown);
    let detailed = client.get("/v2/pools/one?detailed=true").await.expect(200).json();
    assert_eq!(detailed["options"], options);
    // A replacement is whole.
    register(&host, "one", json!({ "uri": "memory:a", "weight": 0 })).await.expect(201);
    let detailed = client.get("/v2/pools/one?detailed=true").await.expect(200).json();
    assert_eq!((&detailed["flavor"], &detailed["options"], &detailed["weight"]), (&Value::Null, &json!({}), &json!(0)));
    let patched = patch(&host, "/v2/pools/one", json!({ "weight": 7, "ignored": 1 })).await.expect(200).json();
    assert_eq!(
        (&patched["weight"], &patched["uri"], &patched["options"]),
        (&json!(7), &json!("memory:a"), &Value::Null)
    );
    for name in ["two", "three"] {
        pool(&host, name, &format!("memory:{name}")).await;
    }
    let page = client.get("/v2/pools?limit=2&detailed=true").await.expect(200);
    assert_eq!(page.header("content-location"), "/v2/pools?limit=2&detailed=true");
    let page = page.json();
    let next = "/v2/pools?limit=2&detailed=true&marker=three";
    assert_eq!(page["links"], json!([{ "rel": "next", "href": next }]));
    let names: Vec<_> = page["pools"].as_array().expect("a list").iter().map(|pool| pool["name"].clone()).collect();
    assert_eq!(names, ["one", "three"]);
    assert_eq!(client.get(next).await.expect(200).json()["pools"][0]["name"], "two");
    client.delete("/v2/pools/two").await.expect(204);
    client.delete("/v2/pools/two").await.expect(204);
    let gone = client.get("/v2/pools/two").await.expect(404).json();
    assert_eq!(gone, json!({ "title": "Not found", "description": "Pool two does not exist" }));
}

#[tokio::test]
async fn what_would_empty_a_pool_in_memory_is_refused_while_queues_live_there() {
    let host = poolless().await;
    pool(&host, "one", "memory:one").await;
    let queue = host.queue("q");
    queue.post(0..3).await;
    for change in [json!({ "options": { "max_messages": 1000 } }), json!({ "uri": "memory:two" })] {
        let told = patch(&host, "/v2/pools/one", change).await.expect(409).text();
        assert!(told.contains("in memory alone"), "{told}");
        assert_eq!(queue.counts().await[2], 3);
    }
    // What does not open it anew is changed as ever.
    patch(&host, "/v2/pools/one", json!({ "weight": 5 })).await.expect(200);
    assert_eq!(queue.counts().await[2], 3);
    host.client().delete(&queue.path("")).await.expect(204);
    patch(&host, "/v2/pools/one", json!({ "options": { "max_messages": 1000 } })).await.expect(200);
}

#[tokio::test]
async fn a_pool_whose_file_is_not_synced_is_changed_and_keeps_what_it_has() {
    let host = poolless().await;
    let body = json!({ "uri": "sqlite:one.db", "weight": 1, "options": { "synchronous": "normal" } });
    host.client().put("/v2/pools/one", body).await.expect(201);
    let queue = host.queue("q");
    queue.post(0..3).await;
    for synchronous in ["normal", "full"] {
        let options = json!({ "synchronous": synchronous, "readers": 2 });
        patch(&host, "/v2/pools/one", json!({ "options": options })).await.expect(200);
        assert_eq!(queue.counts().await[2], 3, "{synchronous}");
    }
}

#[tokio::test]
async fn bodies_that_are_no_pool_are_refused_with_a_reason() {
    let host = poolless().await;
    for (method, path) in
        [("PUT", "/v2/pools/p"), ("PATCH", "/v2/pools/p"), ("PUT", "/v2/flavors/f"), ("PATCH", "/v2/flavors/f")]
    {
        for body in ["", "5", "\"x\"", "true", "null", "[5]", "{", "{}", "{\"weight\":\"5\"}", "{\"pool_list\":5}"] {
            let answer = host.client().request(method, path).body(body).send().await.expect(400).json();
            let told = answer["description"].as_str().is_some_and(|text| !text.is_empty());
            assert!(told && answer["title"] == "Invalid request body", "{method} {path} {body}: {answer}");
        }
    }
    let empty = host.client().request("PUT", "/v2/pools/p").body("").send().await.json();
    assert_eq!(empty["description"], "JSON could not be parsed.");
    let nothing = patch(&host, "/v2/pools/p", json!({ "x": 1 })).await.expect(400).json();
    assert_eq!(nothing["description"], "One of `uri`, `weight`, `flavor`, or `options` needs to be specified");
    patch(&host, "/v2/pools/p", json!({ "weight": 1 })).await.expect(404);
    let unknown = register(&host, "p", json!({ "uri": "memory:", "weight": 1, "wight": 2 })).await.expect(400);
    assert!(unknown.text().contains("wight"));
    let name = register(&host, "a%20b", json!({ "uri": "memory:", "weight": 1 })).await.expect(400).json();
    assert_eq!(name["title"], "Invalid pool identification");
    assert_eq!(host.client().get("/v2/pools").await.expect(200).json()["pools"], json!([]));
}

#[tokio::test]
async fn a_store_is_registered_once_in_whatever_spelling() {
    let host = admin(Host::with()).start().await;
    pool(&host, "p1", "sqlite:one.db").await;
    let data = host.folder().join("data");
    std::os::unix::fs::symlink(data.join("one.db"), data.join("link.db")).expect("a link can be made");
    let absolute = format!("sqlite:{}", data.join("one.db").display());
    for uri in ["sqlite:one.db", "sqlite:./x/../one.db", "sqlite:one.db?readers=3", "sqlite:link.db", &absolute] {
        let refused = register(&host, "p2", json!({ "uri": uri, "weight": 1 })).await.expect(409).json();
        let text = "The database URI is in use by another pool. It is that of the pool p1.";
        assert_eq!(refused, json!({ "title": "Resource conflict", "description": text }), "{uri}");
    }
    let default = register(&host, "p2", json!({ "uri": "sqlite:pool.db", "weight": 1 })).await.expect(409).json();
    assert!(default["description"].as_str().is_some_and(|text| text.ends_with("the default pool.")), "{default}");
    let catalog = register(&host, "p2", json!({ "uri": "sqlite:catalog.db", "weight": 1 })).await.expect(400).json();
    assert!(catalog["description"].as_str().is_some_and(|text| text.contains("in use by a catalog")), "{catalog}");
    // The same again, and the same in another way.
    pool(&host, "p1", "sqlite:one.db").await;
    host.queue("orders").post(["a"]).await;
    pool(&host, "p1", "sqlite:one.db?readers=3").await;
    assert_eq!(host.queue("orders").list("?echo=true").await.bodies(), ["a"]);
    pool(&host, "p1", "sqlite:other.db").await;
    pool(&host, "p2", "sqlite:one.db").await;
}

#[tokio::test]
async fn what_cannot_be_opened_is_refused_in_time_with_the_reason() {
    let host = admin(MEMORY.host()).start().await;
    let long = format!("memory:{}", "x".repeat(300));
    for (body, reason) in [
        (json!({ "uri": "nope://x", "weight": 1 }), "scheme nope; provided are: "),
        (json!({ "uri": "x", "weight": 1 }), "the URI has no scheme; provided are: "),
        (json!({ "uri": "MEMORY:a", "weight": 1 }), "write the URI's scheme in small letters; provided are: "),
        (json!({ "uri": "sqlite:///no/such/dir/x.db", "weight": 1 }), "check that its directory exists"),
        (json!({ "uri": "redis://127.0.0.1:1", "weight": 1 }), "cannot be reached"),
        // A network where nobody answers: it is reserved for documentation.
        (json!({ "uri": "redis://192.0.2.1", "weight": 1 }), "cannot be reached"),
        (json!({ "uri": "sqlite:x.db?readrs=1", "weight": 1 }), "no parameter readrs"),
        (json!({ "uri": "memory:x", "weight": 1, "options": { "max_mesages": 1 } }), "did you mean `max_messages`?"),
        (json!({ "uri": "memory:x", "weight": 1, "options": { "max_messages": "many" } }), "options.max_messages"),
        (json!({ "uri": long, "weight": 1 }), "255"),
        (json!({ "uri": "memory:x", "weight": -1 }), "weight"),
        (json!({ "uri": "memory:x", "weight": "5" }), "weight"),
        (json!({ "uri": "memory:x" }), "weight"),
    ] {
        let begun = Instant::now();
        let refused = register(&host, "p", body.clone()).await.expect(400).json();
        assert!(begun.elapsed() < Duration::from_secs(5), "{body} took {:?}", begun.elapsed());
        let told = refused["description"].as_str().is_some_and(|text| text.contains(reason));
        assert!(told && refused["title"] == "Invalid request body", "{body}: {refused}");
    }
    let unknown = register(&host, "p", json!({ "uri": "nope://x", "weight": 1 })).await.text();
    assert!(
        unknown.contains("cannot connect to URI: ") && unknown.contains("memory, ") && unknown.contains("sqlite"),
        "{unknown}"
    );
    assert_eq!(host.client().get("/v2/pools").await.expect(200).json()["pools"], json!([]));
}

#[tokio::test]
async fn a_store_that_never_answers_is_refused_within_five_seconds() {
    let libraries = ["sukkal-memory"].map(programs::library);
    for at in ["open", "health"] {
        let section = format!("[api]\nadmin_mode = true\n[plugins.misbehaves]\ndoes = \"never\"\nat = \"{at}\"");
        let libraries = libraries.iter().cloned().chain([programs::bad_library("misbehaves")]);
        let host = MEMORY.host().plugins(libraries).section(&section).start().await;
        let begun = Instant::now();
        let refused = register(&host, "p", json!({ "uri": "misbehaves:", "weight": 1 })).await.expect(400).json();
        assert!(begun.elapsed() < Duration::from_secs(5), "{at} took {:?}", begun.elapsed());
        assert_eq!(refused["description"], "cannot connect to URI: the store does not answer");
        host.client().get("/v2/ping").await.expect(204);
    }
}

#[tokio::test]
async fn secrets_are_shown_nowhere() {
    let host = poolless().await;
    let uri = "memory://me:hunter2@store/x?password=hunter2";
    let refused = register(&host, "p", json!({ "uri": uri, "weight": 1 })).await.expect(400);
    assert!(!refused.text().contains("hunter2"), "{}", refused.text());
    let uri = "memory://me:hunter2@store/x";
    register(&host, "p", json!({ "uri": uri, "weight": 1 })).await.expect(201);
    let shown = host.client().get("/v2/pools/p?detailed=true").await.expect(200);
    assert_eq!(shown.json()["uri"], "memory://me:***@store/x");
    // What was shown is taken for what is stored: it is opened as before.
    let again = patch(&host, "/v2/pools/p", json!({ "uri": shown.json()["uri"], "weight": 2 })).await.expect(200);
    // So is a part of it: the store is not opened with a mask for a password.
    let other = json!({ "uri": "memory://me:***@store/x?max_bytes=10000000" });
    let other = patch(&host, "/v2/pools/p", other).await.expect(200);
    assert_eq!(other.json()["uri"], "memory://me:***@store/x?max_bytes=10000000");
    let masked = patch(&host, "/v2/pools/p", json!({ "uri": "memory://you:***@store/x" })).await.expect(400);
    assert!(masked.text().contains("send the secret itself"), "{}", masked.text());
    let listed = host.client().get("/v2/pools?detailed=true").await.expect(200);
    let conflict =
        register(&host, "q", json!({ "uri": "memory://store/x?max_bytes=10000000", "weight": 1 })).await.expect(409);
    let page = host.pages().get("/plugins").await.expect(200);
    for text in [again.text(), listed.text(), conflict.text(), page.text(), host.log()] {
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[tokio::test]
async fn a_secret_among_the_options_goes_to_no_other_server() {
    let libraries = [programs::library("sukkal-sqlite"), programs::bad_library("misbehaves")];
    let host = admin(Host::with().plugins(libraries)).start().await;
    let there = "misbehaves://me:pw@store:1/x";
    let body = json!({ "uri": there, "weight": 1, "options": { "token": "hunter2" } });
    register(&host, "p", body).await.expect(201);
    let shown = || async { host.client().get("/v2/pools/p?detailed=true").await.expect(200).json() };
    assert_eq!(shown().await["options"], json!({ "token": "***" }));
    for uri in [
        "misbehaves://me:pw@other:1/x",
        "misbehaves://me:pw@store:2/x",
        "misbehaves://you:pw@store:1/x",
        "misbehaves://store:1/x",
        // To many a driver this leads to another.
        "misbehaves://me:any@other:1/?y=@store:1/x",
    ] {
        for body in [json!({ "uri": uri }), json!({ "uri": uri, "options": { "token": "***" } })] {
            let refused = patch(&host, "/v2/pools/p", body.clone()).await.expect(400).json();
            let told = refused["description"].as_str().is_some_and(|text| text.contains("options.token"));
            assert!(told, "{body}: {refused}");
        }
        let body = json!({ "uri": uri, "weight": 1, "options": { "token": "***" } });
        register(&host, "p", body).await.expect(400);
    }
    assert_eq!(shown().await["uri"], "misbehaves://me:***@store:1/x");
    // Where it is stored for, and where it is named, it may go.
    for body in [
        json!({ "uri": "misbehaves://me:***@store:1/y" }),
        json!({ "uri": "misbehaves://me:new@store:1/z", "options": { "token": "***" } }),
        json!({ "weight": 2 }),
        json!({ "uri": "misbehaves://other:1/x", "options": { "token": "hunter3" } }),
        json!({ "uri": there, "options": {} }),
    ] {
        patch(&host, "/v2/pools/p", body).await.expect(200);
    }
    assert!(!host.log().contains("hunter"));
}

#[tokio::test]
async fn pools_are_for_administrators_and_flavors_can_be_read() {
    let host = poolless().await;
    pool(&host, "p", "memory:p").await;
    host.client().put("/v2/flavors/f", json!({ "pool_list": ["p"] })).await.expect(201);
    for (method, path, status) in [
        ("GET", "/v2/pools", 403),
        ("GET", "/v2/pools/p", 403),
        ("PUT", "/v2/pools/p", 403),
        ("PATCH", "/v2/pools/p", 403),
        ("DELETE", "/v2/pools/p", 403),
        ("PUT", "/v2/flavors/f", 403),
        ("PATCH", "/v2/flavors/f", 403),
        ("DELETE", "/v2/flavors/f", 403),
        ("GET", "/v2/flavors", 200),
        ("GET", "/v2/flavors/f", 200),
        ("POST", "/v2/pools", 405),
    ] {
        let answer = host.client().request(method, path).header("x-roles", "member").send().await;
        assert_eq!(answer.status, status, "{method} {path}");
    }
    let plain = Host::start().await;
    for path in ["/v2/pools", "/v2/pools/p", "/v2/flavors", "/v2/flavors/f"] {
        plain.client().get(path).await.expect(404);
    }
}

#[tokio::test]
async fn answers_are_as_they_are_described() {
    let host = poolless().await;
    let described = OpenApi::of(&host.client()).await;
    let mut faults = Vec::new();
    for (method, path, body) in [
        ("PUT", "/v2/pools/p", json!({ "uri": "example:p", "weight": 1, "options": { "max_mib": 5 } })),
        ("PUT", "/v2/pools/q", json!({ "uri": "example:p", "weight": 1 })),
        ("PUT", "/v2/pools/q", json!({ "uri": "nope:", "weight": 1 })),
        ("GET", "/v2/pools/p?detailed=true", Value::Null),
        ("GET", "/v2/pools?detailed=true&limit=1", Value::Null),
        ("GET", "/v2/pools?limit=0", Value::Null),
        ("PATCH", "/v2/pools/p", json!({ "weight": 2 })),
        ("PUT", "/v2/flavors/f", json!({ "pool_list": ["p"], "capabilities": {} })),
        ("GET", "/v2/flavors/f", Value::Null),
        ("GET", "/v2/flavors?detailed=true", Value::Null),
        ("PATCH", "/v2/flavors/f", json!({ "pool_list": ["p"] })),
        ("PATCH", "/v2/flavors/f", json!({ "pool_list": ["nosuch"] })),
        ("DELETE", "/v2/pools/p", Value::Null),
        ("GET", "/v2/health", Value::Null),
        ("DELETE", "/v2/flavors/f", Value::Null),
        ("DELETE", "/v2/pools/p?force=true", Value::Null),
        ("GET", "/v2/pools/p", Value::Null),
        ("GET", "/v2/flavors/f", Value::Null),
    ] {
        let body = Some(body).filter(|body| !body.is_null()).map(|body| body.to_string());
        let client = host.client();
        let call = client.request(method, path);
        let call = if let Some(body) = &body { call.body(body.clone()) } else { call };
        let answer = call.send().await;
        faults.extend(described.faults(method, path, body.as_deref().map(str::as_bytes), &answer));
    }
    let (mut socket, described) = (host.websocket().await, AsyncApi::of(&host.client()).await);
    for (action, body) in [
        ("pool_create", json!({ "pool_name": "p", "uri": "memory:p", "weight": 1 })),
        ("pool_list", json!({ "limit": 1, "detailed": true })),
        ("pool_get", json!({ "pool_name": "p" })),
        ("pool_update", json!({ "pool_name": "p", "weight": 2 })),
        ("flavor_create", json!({ "flavor_name": "f", "pool_list": ["p"] })),
        ("flavor_list", json!({ "detailed": true })),
        ("flavor_get", json!({ "flavor_name": "f" })),
        ("flavor_update", json!({ "flavor_name": "f", "pool_list": ["p"] })),
        ("pool_delete", json!({ "pool_name": "p" })),
        ("flavor_delete", json!({ "flavor_name": "f" })),
        ("pool_delete", json!({ "pool_name": "p", "force": true })),
    ] {
        let answer = socket.ask(action, body.clone()).await;
        faults.extend(described.faults(&request(action, &body), &answer.0));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test]
async fn the_websocket_has_pools_and_flavors_too() {
    let host = poolless().await;
    let mut socket = host.websocket().await;
    let body = json!({ "pool_name": "p", "uri": "memory:p", "weight": 1, "options": { "max_messages": 5 } });
    assert_eq!(socket.ask("pool_create", body).await.expect(201).body(), &json!({}));
    let shown = json!({ "name": "p", "uri": "memory:p", "weight": 1, "flavor": null, "href": "/v2/pools/p" });
    assert_eq!(socket.ask_packed("pool_get", json!({ "pool_name": "p" })).await.expect(200).body(), &shown);
    let updated = socket.ask("pool_update", json!({ "pool_name": "p", "weight": 4 })).await.expect(200);
    assert_eq!(updated.body()["weight"], 4);
    let listed = socket.ask("pool_list", json!({ "detailed": true, "limit": 1 })).await.expect(200);
    assert_eq!(listed.body()["pools"][0]["options"], json!({ "max_messages": 5 }));
    assert_eq!(listed.body()["links"][0]["href"], "/v2/pools?limit=1&detailed=true&marker=p");
    let flavor = json!({ "flavor_name": "f", "pool_list": ["p"] });
    socket.ask("flavor_create", flavor.clone()).await.expect(201);
    assert_eq!(
        socket.ask("flavor_get", json!({ "flavor_name": "f" })).await.expect(200).body()["pool_list"],
        json!(["p"])
    );
    assert_eq!(socket.ask("flavor_update", flavor).await.expect(200).body()["pool_list"], json!(["p"]));
    assert_eq!(socket.ask("flavor_list", json!({})).await.expect(200).body()["flavors"][0]["name"], "f");
    let refused = socket.ask("pool_delete", json!({ "pool_name": "p" })).await.expect(403);
    assert!(refused.body()["exception"].as_str().is_some_and(|text| text.contains("used by flavors f")), "{refused:?}");
    assert_eq!(socket.ask("flavor_delete", json!({ "flavor_name": "f" })).await.expect(204).body(), &json!({}));
    assert_eq!(socket.ask("pool_delete", json!({ "pool_name": "p" })).await.expect(204).body(), &json!({}));
    let missing = socket.ask("pool_get", json!({ "pool_name": "p" })).await.expect(404);
    assert_eq!(missing.body(), &json!({ "exception": "Pool p does not exist", "error": null }));
    let unknown = socket.ask("pool_create", json!({ "pool_name": "p", "uri": "nope:", "weight": 1 })).await.expect(400);
    let told = unknown.body()["exception"].as_str().is_some_and(|text| text.contains("cannot connect to URI: "));
    assert!(told, "{unknown:?}");
    socket.ask("pool_create", json!({ "pool_name": "a b", "uri": "memory:", "weight": 1 })).await.expect(400);
}
