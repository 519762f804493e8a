//! The head of a request: how long it may be, and what it says twice.

use serde_json::json;
use sukkal_tests::Host;
use sukkal_tests::wire::{Wire, head};
use sukkal_tests::ws::request;

#[tokio::test]
async fn a_head_has_64_kib_and_no_more() {
    const LARGEST: usize = 64 * 1024;
    let host = Host::start().await;
    let padded = |length: usize| {
        let bare = head("GET", "/v2/ping", "X: \r\n").len();
        head("GET", "/v2/ping", &format!("X: {}\r\n", "x".repeat(length - bare)))
    };
    for (length, status) in [(LARGEST, 204), (LARGEST + 1, 431), (LARGEST + 2048, 431)] {
        let mut wire = Wire::connect(host.address()).await;
        wire.send(padded(length)).await;
        assert_eq!(wire.reply().await.map(|reply| reply.status), Some(status), "{length}");
    }
}

#[tokio::test]
async fn a_header_of_ours_that_says_two_things_is_refused() {
    let host = Host::start().await;
    let client = host.client();
    let post = || client.request("POST", "/v2/queues/orders/messages").body(r#"{"messages":[{"body":1}]}"#);
    for (name, first, second) in [
        ("X-Project-ID", "p1", "p2"),
        ("Client-ID", "3381af92-2b9e-11e3-b191-71861300734c", "3381af92-2b9e-11e3-b191-71861300734d"),
        ("X-Auth-Token", "t", "u"),
        ("Idempotency-Key", "k", "l"),
    ] {
        let refused = post().header(name, first).also(name, second).send().await.expect(400).json();
        let text = format!("The header {name} is there more than once, with different values.");
        assert_eq!((&refused["title"], &refused["description"]), (&json!("Invalid API request"), &json!(text)));
        post().header(name, first).also(name, first).send().await.expect(201);
    }
    assert_eq!(host.queue("orders").counts().await, [4, 0, 4]);
    let mut socket = host.websocket().await;
    let mut frame = request("queue_list", &json!({}));
    frame["headers"]["x-project-id"] = json!("p2");
    socket.text(frame.to_string()).await;
    let refused = socket.answer().await.expect(400);
    let text = "The header X-Project-ID is there more than once, with different values.";
    assert_eq!(refused.body(), &json!({ "exception": text, "error": null }));
}
