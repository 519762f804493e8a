//! What belongs to a websocket and ends with it: its client's identity, and its subscriptions.

use std::time::Duration;

use serde_json::{Value, json};
use sukkal_tests::eventually::SOON;
use sukkal_tests::host::Setup;
use sukkal_tests::rest::Client;
use sukkal_tests::stores::STORES;
use sukkal_tests::ws::{Reply, Socket, request};
use sukkal_tests::{Host, Scrape, eventually, programs};

/// With a filter that knows whoever has a token `lasts-SECONDS`, for so long.
fn identifying() -> Setup {
    let libraries = [programs::library("sukkal-memory"), programs::bad_library("misbehaves")];
    let memory = "catalog = \"memory:\"\ndefault_pool = \"memory:\"\npipeline = [\"misbehaves\"]";
    Host::with()
        .plugins(libraries)
        .top(memory)
        .section("[filters.misbehaves]\ndoes = \"identifies\"\nat = \"authenticate\"")
}

async fn authenticate(socket: &mut Socket, token: &str) -> Reply {
    let headers = json!({ "X-Auth-Token": token, "X-Project-ID": "p1" });
    socket.text(json!({ "action": "authenticate", "headers": headers }).to_string()).await;
    socket.answer().await
}

async fn subscribers(client: &Client, queue: &str) -> Vec<String> {
    let request = client.request("GET", &format!("/v2/queues/{queue}/subscriptions"));
    let page = request.header("x-auth-token", "lasts-60").send().await.expect(200).json();
    let all = page["subscriptions"].as_array().cloned().unwrap_or_default();
    all.iter().map(|one| one["subscriber"].as_str().unwrap_or_default().to_owned()).collect()
}

async fn subscribe(socket: &mut Socket, queue: &str) -> Reply {
    socket.ask("subscription_create", json!({ "queue_name": queue })).await
}

#[tokio::test]
async fn a_connection_is_closed_when_its_clients_identity_ends() {
    let host = identifying().start().await;
    let mut socket = host.websocket().await;
    socket.ask("queue_list", json!({})).await.expect(403);
    authenticate(&mut socket, "nobody").await.expect(401);
    authenticate(&mut socket, "lasts-2").await.expect(200);
    subscribe(&mut socket, "q").await.expect(201);
    // What is under way at the end is answered first, but for what waits longer.
    let wait = json!({ "queue_name": "q", "wait": 20 });
    socket.text(request("claim_create", &wait).to_string()).await;
    assert_eq!(socket.closed().await, Some(4003));
    // Also what one without an identity could not end.
    let client = host.client();
    eventually("its subscription has ended with it", SOON, async || {
        subscribers(&client, "q").await.is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn whoever_proves_itself_anew_stays() {
    let host = identifying().start().await;
    let (mut renewed, mut ending) = (host.websocket().await, host.websocket().await);
    authenticate(&mut renewed, "lasts-1").await.expect(200);
    authenticate(&mut renewed, "lasts-60").await.expect(200);
    // One that fails changes nothing.
    authenticate(&mut renewed, "nobody").await.expect(401);
    authenticate(&mut ending, "lasts-2").await.expect(200);
    assert_eq!(ending.closed().await, Some(4003));
    renewed.ask("queue_list", json!({})).await.expect(200);
    authenticate(&mut renewed, "lasts-1").await.expect(200);
    assert_eq!(renewed.closed().await, Some(4003), "the last one counts");
}

#[tokio::test]
async fn a_frame_names_no_other_project_than_its_connections_identity() {
    let host = identifying().start().await;
    let theirs = host.client().of_project("theirs");
    let call = theirs.request("POST", "/v2/queues/q/messages").body(r#"{"messages":[{"body":"a secret"}]}"#);
    call.header("x-auth-token", "lasts-60").send().await.expect(201);
    let mut socket = host.websocket().await;
    // The project of the token counts, whatever this frame names.
    let headers = json!({ "X-Auth-Token": "lasts-60-in-ours", "X-Project-ID": "theirs" });
    socket.text(json!({ "action": "authenticate", "headers": headers }).to_string()).await;
    socket.answer().await.expect(200);
    let mut ask = async |action: &str, headers: Value, mut body: Value| {
        body["queue_name"] = json!("q");
        let mut frame = request(action, &body);
        frame["headers"]["X-Project-ID"] = json!("ours");
        for (name, value) in headers.as_object().expect("headers are an object") {
            frame["headers"][name] = value.clone();
        }
        socket.text(frame.to_string()).await;
        socket.answer().await
    };
    let post = || json!({ "messages": [{ "body": "ours" }] });
    for (stated, what) in [
        (json!({ "X-Project-ID": "theirs" }), "project"),
        (json!({ "X-Tenant-Id": "theirs" }), "project"),
        (json!({ "X-User-Id": "another" }), "user"),
        (json!({ "X-Roles": "member, admin" }), "role"),
    ] {
        let told = format!("The headers name another {what} than the identity that was proven.");
        for (action, body) in [
            ("queue_list", json!({})),
            ("message_list", json!({ "echo": true })),
            ("message_post", post()),
            ("queue_create", json!({})),
            ("claim_create", json!({})),
            ("subscription_create", json!({})),
        ] {
            let refused = ask(action, stated.clone(), body).await.expect(403);
            let body = json!({ "exception": told, "error": "Not authorized" });
            assert_eq!(refused.body(), &body, "{action} {stated}");
        }
    }
    assert_eq!(ask("queue_list", json!({}), json!({})).await.expect(200).body(), &json!({ "queues": [] }));
    for stated in [json!({}), json!({ "X-Project-ID": "", "X-User-Id": "u", "X-Roles": "Member," })] {
        ask("message_post", stated, post()).await.expect(201);
    }
    let listed = ask("message_list", json!({}), json!({ "echo": true })).await.expect(200);
    assert_eq!(listed.body()["messages"].as_array().map(Vec::len), Some(2));
    let listed = theirs.request("GET", "/v2/queues/q/messages?echo=true").header("x-auth-token", "lasts-60");
    assert_eq!(listed.send().await.expect(200).json()["messages"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_client_that_vanished_while_it_subscribed_leaves_nothing_behind() {
    let libraries = [programs::library("sukkal-memory"), programs::bad_library("misbehaves")];
    let memory = "catalog = \"memory:\"\ndefault_pool = \"memory:\"\npipeline = [\"misbehaves\"]";
    let slow =
        "[filters.misbehaves]\ndoes = \"slow\"\nat = \"request\"\ntimeout = 20\nactions = [\"subscription_create\"]";
    let host = Host::with().plugins(libraries).top(memory).section(slow).start().await;
    let pages = host.pages();
    let requests = async |name: &str| Scrape::of(&pages, "/metrics").await.sum(name, &[("transport", "websocket")]);
    let mut socket = host.websocket().await;
    socket.text(request("subscription_create", &json!({ "queue_name": "q" })).to_string()).await;
    eventually("the request is under way", SOON, async || {
        (requests("sukkal_requests_in_flight").await == 1.0).then_some(())
    })
    .await;
    drop(socket);
    eventually("the host sees it go", SOON, async || (requests("sukkal_connections").await == 0.0).then_some(())).await;
    eventually("the request has ended", SOON, async || {
        (requests("sukkal_requests_in_flight").await == 0.0).then_some(())
    })
    .await;
    host.client().request("HEAD", "/v2/queues/q").send().await.expect(204);
    eventually("no subscription is left", SOON, async || {
        subscribers(&host.client(), "q").await.is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_connection_is_one_subscriber_of_a_queue() {
    for store in STORES {
        let host = store.host().start().await;
        let (mut one, mut other) = (host.websocket().await, host.websocket().await);
        let made = subscribe(&mut one, "q").await.expect(201);
        assert_eq!(made.body()["message"], "Subscription q created.");
        let id = made.body()["subscription_id"].as_str().expect("an id").to_owned();
        assert_eq!(subscribe(&mut one, "q").await.expect(409).body(), "Subscription q not created.");
        subscribe(&mut other, "q").await.expect(201);
        let named = json!({ "queue_name": "q", "subscription_id": id });
        let shown = one.ask_packed("subscription_get", named.clone()).await.expect(200);
        assert_eq!((&shown.body()["source"], &shown.body()["confirmed"]), (&json!("q"), &json!(false)));
        assert!(shown.body()["subscriber"].as_str().is_some_and(|text| text.starts_with("websocket://")));
        let listed = other.ask("subscription_list", json!({ "queue_name": "q" })).await.expect(200);
        assert_eq!(listed.body()["subscriptions"].as_array().map(Vec::len), Some(2));
        // Whoever may end it may do so, and the connection can subscribe again.
        other.ask("subscription_delete", named.clone()).await.expect(204);
        let ended = other.ask("subscription_delete", named.clone()).await.expect(204);
        assert_eq!(ended.body(), &json!(format!("Subscription {id} removed.")));
        let gone = one.ask("subscription_get", named).await.expect(404);
        let told = json!({
            "exception": format!("Subscription {id} does not exist"),
            "error": format!("Subscription {id} for queue q does not exist."),
        });
        assert_eq!(gone.body(), &told);
        assert_ne!(subscribe(&mut one, "q").await.expect(201).body()["subscription_id"], json!(id));
        drop(one);
        let client = host.client();
        eventually("only the other one is left", SOON, async || {
            (subscribers(&client, "q").await.len() == 1).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn subscriptions_of_others_are_made_and_refused_as_over_rest() {
    let host = Host::start().await;
    let mut socket = host.websocket().await;
    let mut create = async |more: Value| {
        let mut body = more;
        body["queue_name"] = json!("q");
        socket.ask("subscription_create", body).await
    };
    create(json!({ "subscriber": "http://a.example", "ttl": 600, "options": { "n": 1 } })).await.expect(201);
    let again = create(json!({ "subscriber": "http://a.example" })).await.expect(409);
    assert_eq!(again.body(), "Subscription q not created.");
    let refused = create(json!({ "subscriber": "ftp://a.example" })).await.expect(400);
    let told = refused.body()["exception"].as_str().unwrap_or_default();
    assert!(told.starts_with("The subscriber type of subscription must be supported in the list"), "{told}");
    create(json!({ "subscriber": "http://127.0.0.1/" })).await.expect(400);
    create(json!({ "subscriber": "http://b.example", "ttl": 1 })).await.expect(400);
    create(json!({ "subscriber": 5 })).await.expect(400);
    assert_eq!(subscribers(&host.client(), "q").await, ["http://a.example"]);
    let page = json!({ "queue_name": "nosuch" });
    assert_eq!(socket.ask("subscription_list", page).await.expect(200).body(), &json!({ "subscriptions": [] }));
}

#[tokio::test]
async fn a_connection_subscribes_to_so_many_queues_and_no_more() {
    let host = STORES[1].host().start().await;
    let mut socket = host.websocket().await;
    for number in 0..1024 {
        subscribe(&mut socket, &format!("q{number}")).await.expect(201);
    }
    let refused = subscribe(&mut socket, "one-more").await.expect(400);
    assert_eq!(refused.body()["exception"], "A connection may have no more than 1024 subscriptions.");
    host.client().delete("/v2/queues/q9").await.expect(204);
    let mut attempts = 0;
    while subscribe(&mut socket, &format!("more{attempts}")).await.status() != 201 {
        attempts += 1;
        assert!(attempts < 300, "what has ended with its queue counts no more");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let listed = socket.ask("subscription_list", json!({ "queue_name": "q7" })).await.expect(200);
    let id = &listed.body()["subscriptions"][0]["id"];
    socket.ask("subscription_delete", json!({ "queue_name": "q7", "subscription_id": id })).await.expect(204);
    subscribe(&mut socket, "one-more").await.expect(201);
}

#[tokio::test]
async fn a_listing_that_waits_goes_on_with_the_next_queue_of_its_name() {
    for store in STORES {
        let host = store.host().start().await;
        let queue = host.queue("q");
        queue.create(json!({})).await;
        let mut socket = host.websocket().await;
        let wait = json!({ "queue_name": "q", "echo": true, "wait": 20 });
        socket.text(request("message_list", &wait).to_string()).await;
        let pages = host.pages();
        eventually("it waits", SOON, async || {
            let in_flight = Scrape::of(&pages, "/metrics").await.sum("sukkal_requests_in_flight", &[]);
            (in_flight == 1.0).then_some(())
        })
        .await;
        host.client().delete("/v2/queues/q").await.expect(204);
        queue.post(["of the next one"]).await;
        let listed = socket.answer().await.expect(200);
        assert_eq!(listed.body()["messages"][0]["body"], "of the next one");
    }
}
