//! HTTP as clients in the field speak it, and as nobody should.

use serde_json::json;
use sukkal_tests::Host;
use sukkal_tests::stores::STORES;
use sukkal_tests::wire::{Wire, head, request};

const MESSAGES: &str = "/v2/queues/orders/messages";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

/// A post of one message whose body has so many letters.
fn message(n_letters: usize) -> String {
    format!("{{\"messages\":[{{\"body\":\"{}\"}}]}}", "x".repeat(n_letters))
}

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

#[tokio::test]
async fn a_form_is_refused_ten_times_on_one_connection() {
    let host = Host::start().await;
    let mut wire = Wire::connect(host.address()).await;
    for _ in 0..10 {
        wire.send(request("POST", MESSAGES, FORM, "{\"messages\":[]}")).await;
        let reply = wire.reply().await.expect("an answer on the same connection");
        assert_eq!(reply.status, 400);
        assert!(reply.body.contains("Invalid Content-Type"), "{}", reply.body);
    }
}

#[tokio::test]
async fn chunked_bodies_are_read_like_others() {
    let host = Host::start().await;
    let mut wire = Wire::connect(host.address()).await;
    let body = message(1024);
    let (first, second) = body.split_at(100);
    let chunked = head("POST", MESSAGES, "Transfer-Encoding: chunked\r\n");
    wire.send(format!("{chunked}{}{}0\r\n\r\n", chunk(first), chunk(second))).await;
    assert_eq!(wire.reply().await.map(|reply| reply.status), Some(201));
    wire.send(format!("{chunked}{}0\r\n\r\n", chunk(&message(300 * 1024)))).await;
    let refused = wire.reply().await.expect("an answer");
    assert_eq!(refused.status, 400);
    assert!(refused.body.contains("Message collection size is too large. Max size 262144"), "{}", refused.body);
}

#[tokio::test]
async fn an_endless_body_is_refused_and_cut_off() {
    let host = Host::start().await;
    let mut wire = Wire::connect(host.address()).await;
    wire.send(head("POST", MESSAGES, "Transfer-Encoding: chunked\r\n")).await;
    let piece = chunk(&"x".repeat(64 * 1024));
    let before = host.resident();
    let mut n_sent = 0;
    while wire.send(&piece).await {
        n_sent += 1;
        assert!(n_sent < 10_000, "the host reads for ever");
    }
    let grown = host.resident().saturating_sub(before);
    assert!(grown < 16 * 1024 * 1024, "the host has grown by {grown} bytes");
    // The answer may have been lost with the connection, which was closed while we were sending.
    let answer = String::from_utf8_lossy(&wire.rest().await).into_owned();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    host.queue("orders").post(["fine"]).await;
}

#[tokio::test]
async fn many_bodies_that_are_too_long_take_no_more_than_the_limit_each() {
    const TOGETHER: usize = 50;
    let host = Host::start().await;
    host.queue("orders").post(["warm"]).await;
    let before = host.resident();
    let mut wires = Vec::new();
    for number in 0..TOGETHER {
        let mut wire = Wire::connect(host.address()).await;
        let framing = ["Content-Length: 1099511627776\r\n", "Transfer-Encoding: chunked\r\n"][number % 2];
        wire.send(head("POST", MESSAGES, framing)).await;
        // As much as is allowed, and a megabyte more that waits for the host to read it.
        let piece = if number % 2 == 0 { "x".repeat(4096) } else { chunk(&"x".repeat(4096)) };
        for _ in 0..64 + 256 {
            if !wire.try_send(&piece) {
                break;
            }
        }
        wires.push(wire);
    }
    let grown = host.resident().saturating_sub(before);
    let each = (262_144 + 256 * 1024) * TOGETHER as u64;
    assert!(grown < each, "the host has grown by {grown} bytes for {TOGETHER} bodies");
    for mut wire in wires {
        let answer = String::from_utf8_lossy(&wire.rest().await).into_owned();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    host.queue("orders").post(["fine"]).await;
}

#[tokio::test]
async fn bodies_on_their_way_take_no_more_than_the_limit_each() {
    const TOGETHER: usize = 50;
    let host = Host::start().await;
    host.queue("orders").post(["warm"]).await;
    let before = host.resident();
    let mut wires = Vec::new();
    for number in 0..TOGETHER {
        let mut wire = Wire::connect(host.address()).await;
        let announced = number % 2 == 0;
        let framing = if announced { "Content-Length: 262144\r\n" } else { "Transfer-Encoding: chunked\r\n" };
        assert!(wire.send(head("POST", MESSAGES, framing)).await);
        let piece = if announced { "x".repeat(10_000) } else { chunk(&"x".repeat(10_000)) };
        for _ in 0..26 {
            assert!(wire.send(&piece).await);
        }
        // So that the host has had its turn.
        host.client().get("/v2/ping").await.expect(204);
        wires.push(wire);
    }
    let grown = host.resident().saturating_sub(before);
    // Beside the body: what is read ahead, and what the allocator keeps.
    let each = (262_144 + 192 * 1024) * TOGETHER as u64;
    assert!(grown < each, "the host has grown by {grown} bytes for {TOGETHER} bodies, where {each} are allowed");
    drop(wires);
    assert_eq!(host.queue("orders").counts().await, [1, 0, 1]);
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_and_the_connection_goes_on() {
    let host = Host::start().await;
    let mut wire = Wire::connect(host.address()).await;
    wire.send(request("POST", MESSAGES, "", &message(262_144))).await;
    assert_eq!(wire.reply().await.map(|reply| reply.status), Some(400));
    wire.send(request("POST", MESSAGES, "", &message(10))).await;
    assert_eq!(wire.reply().await.map(|reply| reply.status), Some(201));
}

#[tokio::test]
async fn a_body_that_is_announced_as_too_long_is_refused_before_it_is_sent() {
    let host = Host::start().await;
    let expects = |length| format!("Content-Length: {length}\r\nExpect: 100-continue\r\n");
    let mut wire = Wire::connect(host.address()).await;
    wire.send(head("POST", MESSAGES, &expects(10_000_000))).await;
    let refused = wire.reply().await.expect("an answer");
    assert_eq!(refused.status, 400, "{}", refused.head);
    assert!(refused.body.contains("Max size 262144"), "{}", refused.body);
    let mut wire = Wire::connect(host.address()).await;
    let message = message(10);
    wire.send(head("POST", MESSAGES, &expects(message.len()))).await;
    assert_eq!(wire.reply().await.map(|reply| reply.status), Some(100));
    wire.send(message).await;
    assert_eq!(wire.reply().await.map(|reply| reply.status), Some(201));
}

#[tokio::test]
async fn refusals_keep_the_connection() {
    let host = Host::start().await;
    let mut wire = Wire::connect(host.address()).await;
    let refusals = [
        (request("POST", "/v2/nosuch", "", "{}"), 404),
        (request("POST", "/v2/queues", "", "{}"), 405),
        (request("PUT", "/v2/queues/b@d", "", "{}"), 400),
        (request("POST", MESSAGES, "Accept: text/html\r\n", &message(1)), 406),
        (request("POST", MESSAGES, "", "{"), 400),
        (request("PATCH", "/v2/queues/orders", "", "[]"), 415),
        (request("GET", "/v2/queues/none/messages/a", "", ""), 404),
    ];
    for (request, status) in refusals {
        wire.send(&request).await;
        let reply = wire.reply().await.expect("an answer on the same connection");
        assert_eq!(reply.status, status, "{request}");
        assert!(reply.head.contains("x-openstack-request-id: req-"), "{}", reply.head);
        assert!(reply.head.contains("vary: accept"), "{}", reply.head);
        assert!(reply.head.contains("content-type: application/json"), "{}", reply.head);
    }
    wire.send(request("POST", MESSAGES, "", &message(1))).await;
    assert_eq!(wire.reply().await.map(|reply| reply.status), Some(201));
}

#[tokio::test]
async fn requests_sent_at_once_are_answered_in_order() {
    let host = Host::start().await;
    let mut wire = Wire::connect(host.address()).await;
    let posts = request("POST", MESSAGES, "", &message(1)).repeat(20);
    wire.send(posts + &request("GET", "/v2/nosuch", "", "") + &head("GET", "/v2/ping", "")).await;
    for _ in 0..20 {
        assert_eq!(wire.reply().await.map(|reply| reply.status), Some(201));
    }
    assert_eq!(wire.reply().await.map(|reply| reply.status), Some(404));
    assert_eq!(wire.reply().await.map(|reply| reply.status), Some(204));
    assert_eq!(host.queue("orders").counts().await, [20, 0, 20]);
}

#[tokio::test]
async fn a_client_may_ask_before_it_sends_its_body() {
    let host = Host::start().await;
    let mut wire = Wire::connect(host.address()).await;
    let body = message(5000);
    let expect = format!("Content-Length: {}\r\nExpect: 100-continue\r\n", body.len());
    wire.send(head("POST", MESSAGES, &expect)).await;
    assert_eq!(wire.reply().await.map(|reply| reply.status), Some(100));
    wire.send(body).await;
    assert_eq!(wire.reply().await.map(|reply| reply.status), Some(201));
}

#[tokio::test]
async fn a_body_that_comes_in_pieces_is_one_body() {
    let host = Host::start().await;
    let mut wire = Wire::connect(host.address()).await;
    let request = request("POST", MESSAGES, "", &message(2000));
    for piece in request.as_bytes().chunks(97) {
        assert!(wire.send(piece).await);
        tokio::task::yield_now().await;
    }
    assert_eq!(wire.reply().await.map(|reply| reply.status), Some(201));
}

#[tokio::test]
async fn a_client_that_leaves_in_mid_request_does_no_harm() {
    let host = Host::start().await;
    for cut in [1, 40, 150, 300] {
        let request = request("POST", MESSAGES, "", &message(1000));
        let mut wire = Wire::connect(host.address()).await;
        wire.send(&request[..cut]).await;
        drop(wire);
    }
    assert_eq!(host.queue("orders").counts().await, [0, 0, 0]);
    host.client().get("/v2/ping").await.expect(204);
}

#[tokio::test]
async fn what_is_no_http_does_no_harm() {
    let host = Host::start().await;
    let noise =
        ["\0\0\0\0\r\n\r\n", "GET\r\n\r\n", "\u{16}\u{3}\u{1}\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "x: y\r\n\r\n"];
    for bytes in noise {
        let mut wire = Wire::connect(host.address()).await;
        wire.send(bytes).await;
        let rest = String::from_utf8_lossy(&wire.rest().await).into_owned();
        assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 4") || rest.starts_with("HTTP/1.1 5"), "{rest}");
    }
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(2_000_000));
    let mut wire = Wire::connect(host.address()).await;
    wire.send(long).await;
    wire.rest().await;
    host.client().get("/v2/ping").await.expect(204);
}

#[tokio::test]
async fn what_is_no_http_is_refused_in_the_form_of_every_refusal() {
    let host = Host::start().await;
    let many: String = (0..101).map(|number| format!("X-{number}: x\r\n")).collect();
    let cases: [(&[u8], u16); 5] = [
        (b"GET /v2/queues/\x80 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /v2/ping HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400),
        (b"GET /v2/ping HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (&head("GET", "/v2/ping", &many).into_bytes(), 431),
        (&head("GET", &format!("/v2/{}", "a".repeat(500_000)), "").into_bytes(), 431),
    ];
    for (bytes, status) in cases {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        let mut wire = Wire::connect(host.address()).await;
        wire.send(head("GET", "/v2/ping", "")).await;
        assert_eq!(wire.reply().await.map(|reply| reply.status), Some(204));
        wire.send(bytes).await;
        let refused = wire.reply().await.unwrap_or_else(|| panic!("{shown}: no answer"));
        assert_eq!(refused.status, status, "{shown}");
        for part in ["x-openstack-request-id: req-", "content-type: application/json", "connection: close"] {
            assert!(refused.head.contains(part), "{shown}: {}", refused.head);
        }
        let told: serde_json::Value = serde_json::from_str(&refused.body).expect("JSON");
        assert!(told["title"].is_string() && told["description"].is_string(), "{told}");
        assert!(wire.rest().await.is_empty(), "{shown}: the connection is closed");
    }
}

#[tokio::test]
async fn a_request_names_its_host_once_and_codes_its_body_in_one_way() {
    let host = Host::start().await;
    let chunked = format!("{}0\r\n\r\n", chunk(&message(1)));
    let post = |headers: &str| format!("{}{chunked}", head("POST", MESSAGES, headers));
    for (request, status) in [
        ("GET /v2/ping HTTP/1.1\r\n\r\n".to_owned(), 400),
        (head("GET", "/v2/ping", "Host: other\r\n"), 400),
        (post("Transfer-Encoding: gzip, chunked\r\n"), 501),
        (post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400),
    ] {
        let mut wire = Wire::connect(host.address()).await;
        wire.send(&request).await;
        let refused = wire.reply().await.expect("an answer");
        assert_eq!(refused.status, status, "{request}: {}", refused.head);
        assert!(
            refused.head.contains("x-openstack-request-id: req-") && refused.body.contains("\"title\""),
            "{request}"
        );
        wire.rest().await;
    }
    assert_eq!(host.queue("orders").counts().await, [0, 0, 0], "nothing was stored");
}

#[tokio::test]
async fn a_client_that_has_said_all_gets_its_answer() {
    for store in STORES {
        let host = store.host().start().await;
        for number in 0..20 {
            let mut wire = Wire::connect(host.address()).await;
            wire.send(request("POST", MESSAGES, "", &message(number * 5_000))).await;
            wire.finish().await;
            let reply = wire.reply().await.expect("an answer");
            assert_eq!(reply.status, 201, "{}", reply.body);
            assert!(wire.rest().await.is_empty(), "the connection is closed");
        }
        let mut wire = Wire::connect(host.address()).await;
        wire.send(head("GET", "/v2/ping", "").repeat(3)).await;
        wire.finish().await;
        for _ in 0..3 {
            assert_eq!(wire.reply().await.map(|reply| reply.status), Some(204));
        }
        // Of one that waits nobody can tell whether it is still there.
        let empty = host.queue("empty");
        let mut wire = Wire::connect(host.address()).await;
        wire.send(request("POST", &empty.path("/claims?wait=20"), "", "{}")).await;
        wire.finish().await;
        assert!(wire.reply().await.is_none());
        empty.post(["a"]).await;
        assert_eq!(empty.claim(1).await.bodies(), ["a"]);
    }
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_as_such_whatever_it_is_for() {
    let host = Host::start().await;
    let long = format!("{{\"ttl\": 300, \"x\": \"{}\"}}", "x".repeat(300_000));
    for (method, path, text) in [
        ("PUT", "/v2/queues/orders", "Queue metadata is too large. Max size: 65536"),
        ("POST", "/v2/queues/orders/claims", "The body is too large. Max size: 262144"),
        ("POST", "/v2/queues/orders/share", "The body is too large. Max size: 262144"),
        ("POST", "/v2/queues/orders/subscriptions", "The body is too large. Max size: 262144"),
        ("POST", MESSAGES, "Message collection size is too large. Max size 262144"),
    ] {
        let mut wire = Wire::connect(host.address()).await;
        wire.send(request(method, path, "", &long)).await;
        let refused = wire.reply().await.expect("an answer");
        assert!(refused.status == 400 && refused.body.contains(text), "{method} {path}: {}", refused.body);
        // The same where it was only announced.
        let mut wire = Wire::connect(host.address()).await;
        wire.send(head(method, path, "Content-Length: 262145\r\nExpect: 100-continue\r\n")).await;
        let refused = wire.reply().await.expect("an answer");
        assert!(refused.status == 400 && refused.body.contains(text), "{method} {path}: {}", refused.body);
    }
    let mut wire = Wire::connect(host.address()).await;
    wire.send(request("GET", "/v2/queues/orders/messages", "", &long)).await;
    assert_eq!(wire.reply().await.map(|reply| reply.status), Some(200), "it has no use for a body");
}

#[tokio::test]
async fn the_front_door_needs_no_headers() {
    let host = Host::start().await;
    let mut wire = Wire::connect(host.address()).await;
    wire.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let reply = wire.reply().await.expect("an answer");
    assert_eq!(reply.status, 300);
    let versions: serde_json::Value = serde_json::from_str(&reply.body).expect("JSON");
    assert_eq!(versions["versions"][0]["id"], "2");
    assert_eq!(versions["versions"][0]["links"], json!([{ "href": "/v2/", "rel": "self" }]));
    let head = host.client().request("HEAD", "/").without("client-id").without("x-project-id").send().await;
    assert_eq!((head.status, head.body.len()), (300, 0));
}

#[tokio::test]
async fn an_answer_to_head_has_no_body_on_the_wire() {
    let host = Host::start().await;
    let mut wire = Wire::connect(host.address()).await;
    wire.send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\nGET /v2/nosuch HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await;
    let told = String::from_utf8_lossy(&wire.rest().await).into_owned();
    let (head, next) = told.split_once("\r\n\r\n").unwrap_or_default();
    assert!(head.starts_with("HTTP/1.1 300"), "{told}");
    assert!(next.starts_with("HTTP/1.1 4"), "{told}");
}

#[tokio::test]
async fn the_front_door_is_open_to_the_oldest_client() {
    let host = Host::start().await;
    for request in ["GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"] {
        let mut wire = Wire::connect(host.address()).await;
        wire.send(request).await;
        let told = String::from_utf8_lossy(&wire.rest().await).into_owned();
        assert!(told.get(8..12) == Some(" 300") && told.contains("\"versions\""), "{request}: {told}");
    }
}

#[tokio::test]
async fn options_tell_the_methods() {
    let host = Host::start().await;
    let answer = host.client().request("OPTIONS", "/v2/queues").send().await.expect(200);
    assert_eq!(answer.header("allow"), "GET, OPTIONS");
}

#[tokio::test]
async fn a_target_that_is_no_path_is_unknown() {
    let host = Host::start().await;
    let mut wire = Wire::connect(host.address()).await;
    for (method, target) in [
        ("GET", "example.org"),
        ("DELETE", "-b191"),
        ("CONNECT", "example.org:443"),
        ("OPTIONS", "*"),
        ("GET", "http://example.org/v2/nosuch"),
    ] {
        assert!(wire.send(head(method, target, "")).await, "{method} {target}: the connection is kept");
        assert_eq!(wire.reply().await.map(|reply| reply.status), Some(404), "{method} {target}");
    }
    assert!(!host.log().contains("panicked"), "{}", host.log());
}
