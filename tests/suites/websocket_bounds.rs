//! What a websocket's client cannot do to the host: bounds on size, on what is unread, on silence and
//! on number; and how such connections end.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use sukkal_tests::eventually::SOON;
use sukkal_tests::long_run::scaled;
use sukkal_tests::stores::STORES;
use sukkal_tests::wire::Wire;
use sukkal_tests::ws::{Frame, Socket, packed, request};
use sukkal_tests::{Host, Scrape, eventually, programs};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame as Piece;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

const MIB: usize = 1 << 20;

fn post(bytes: usize) -> Value {
    json!({ "queue_name": "q", "messages": [{ "body": "x".repeat(bytes) }] })
}

#[tokio::test]
async fn what_is_too_long_is_told_so_before_it_is_held() {
    let host = Host::start().await;
    host.websocket().await.ask("queue_list", json!({})).await.expect(200);
    let before = host.resident();
    let mut sockets = Vec::new();
    for _ in 0..20 {
        let mut socket = host.websocket().await;
        // The head of a masked text frame of 2^40 bytes.
        socket.wire().write_all(&[0x81, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]).await.expect("the host reads");
        assert_eq!(socket.closed().await, Some(1009));
        sockets.push(socket);
    }
    assert!(host.resident() < before + 16 * MIB as u64, "{before} then {}", host.resident());
}

#[tokio::test]
async fn a_message_too_long_ends_the_connection_whole_or_in_pieces() {
    let host = Host::start().await;
    let mut whole = host.websocket().await;
    whole.send(Message::text("x".repeat(MIB))).await;
    assert_eq!(whole.closed().await, Some(1009));
    let mut pieces = host.websocket().await;
    for number in 0..1024 {
        let kind = if number == 0 { Data::Text } else { Data::Continue };
        let piece = Piece::message(vec![b'x'; 1024], OpCode::Data(kind), number == 1023);
        if !pieces.send(Message::Frame(piece)).await {
            break;
        }
    }
    assert_eq!(pieces.closed().await, Some(1009));
}

#[tokio::test]
async fn the_largest_post_is_taken_and_one_byte_more_is_refused() {
    for store in STORES {
        let host = store.host().start().await;
        let mut socket = host.websocket().await;
        let most = 262_144 - json!([{ "body": "" }]).to_string().len();
        socket.ask("message_post", post(most)).await.expect(201);
        let refused = socket.ask("message_post", post(most + 1)).await.expect(400);
        assert_eq!(refused.body()["exception"], "Message collection size is too large. Max size 262144");
        // A long text has four more bytes before it than an empty one.
        let most_packed = 262_144 - packed(&json!([{ "body": "" }])).len() - 4;
        socket.ask_packed("message_post", post(most_packed)).await.expect(201);
        let refused = socket.ask_packed("message_post", post(most_packed + 1)).await.expect(400);
        assert_eq!(refused.body()["exception"], "Message collection size is too large. Max size 262144");
        let listed = socket.ask("message_list", json!({ "queue_name": "q", "echo": true })).await.expect(200);
        let lengths = listed.body()["messages"].as_array().into_iter().flatten();
        let lengths: Vec<_> = lengths.map(|message| message["body"].as_str().map(str::len)).collect();
        assert_eq!(lengths, [Some(most), Some(most_packed)]);
    }
}

#[tokio::test]
async fn a_post_is_as_long_as_it_came_however_long_its_json_is() {
    for store in STORES {
        let host = store.host().start().await;
        let mut socket = host.websocket().await;
        let floats: Vec<_> = (0..16_000).map(|number| f64::from(number) / 7.0 + 0.1).collect();
        let bodies = [json!(floats), json!("\0".repeat(60_000)), json!(vec![false; 60_000])];
        for body in &bodies {
            let message = json!({ "body": body });
            let messages = json!({ "queue_name": "q", "messages": [message] });
            assert!(message.to_string().len() > 262_144, "longer than a post in JSON may be");
            socket.ask_packed("message_post", messages).await.expect(201);
        }
        let list = json!({ "queue_name": "q", "echo": true });
        let read = |messages: &Value| -> Vec<_> {
            messages["messages"].as_array().into_iter().flatten().map(|message| message["body"].clone()).collect()
        };
        assert_eq!(read(socket.ask_packed("message_list", list.clone()).await.expect(200).body()), bodies);
        assert_eq!(read(socket.ask("message_list", list).await.expect(200).body()), bodies);
        let listed = host.client().get("/v2/queues/q/messages?echo=true").await.expect(200).json();
        assert_eq!(read(&listed), bodies);
    }
}

#[tokio::test]
async fn metadata_are_as_long_as_they_came_however_long_their_json_is() {
    for store in STORES {
        let host = store.host().start().await;
        let mut socket = host.websocket().await;
        let of_nuls = |count: usize| json!({ "a": "\0".repeat(count) });
        let most = 65_536 - packed(&of_nuls(60_000)).len() + 60_000;
        let create = |count| json!({ "queue_name": "q", "metadata": of_nuls(count) });
        let refused = socket.ask_packed("queue_create", create(most + 1)).await.expect(400);
        assert_eq!(refused.body()["exception"], "Queue metadata is too large. Max size: 65536");
        socket.ask("queue_create", create(20_000)).await.expect(400);
        socket.ask_packed("queue_create", create(most)).await.expect(201);
        let read = host.client().get("/v2/queues/q").await;
        assert_eq!(read.expect(200).json()["a"], "\0".repeat(most));
    }
}

#[tokio::test]
async fn who_does_not_read_is_told_so_and_holds_no_more_than_the_bound() {
    let host = Host::with().websocket("max_unread = 1048576").start().await;
    let mut reader = host.websocket().await;
    for _ in 0..8 {
        reader.ask("message_post", post(200_000)).await.expect(201);
    }
    let before = host.resident();
    let mut sleeper = host.websocket().await;
    let list = request("message_list", &json!({ "queue_name": "q", "echo": true })).to_string();
    // The system's own buffers take some of the answers; what they do not take is bounded.
    for _ in 0..40 {
        if !sleeper.text(list.clone()).await {
            break;
        }
    }
    loop {
        match sleeper.next().await {
            Frame::Text(_) => {}
            Frame::Closed(code) => break assert_eq!(code, Some(1008)),
            other => panic!("{other:?}"),
        }
    }
    reader.ask("queue_list", json!({})).await.expect(200);
    assert!(host.resident() < before + 128 * MIB as u64, "{before} then {}", host.resident());
}

/// Writes frames, which repeat themselves after so many bytes, over and over until the host takes no more: not while it
/// answers others, so that it is no slow machine that holds them up.
async fn pour(host: &Host, socket: &mut Socket, frames: &[u8], period: usize) {
    let (mut n_sent, mut n_pauses) = (0, 0);
    while n_pauses < 3 {
        match timeout(Duration::from_secs(1), socket.wire().write(&frames[n_sent % period..])).await {
            Ok(sent) => {
                n_sent += sent.expect("the connection stays open");
                n_pauses = 0;
            }
            Err(_) => {
                host.client().get("/v2/queues").await.expect(200);
                n_pauses += 1;
            }
        }
        assert!(n_sent < 128 * MIB, "the host reads and reads");
    }
}

#[tokio::test]
async fn who_pings_without_end_and_reads_nothing_is_held_up_and_costs_nothing() {
    const FRAME: usize = 6 + 125;
    let host = Host::start().await;
    let mut reader = host.websocket().await;
    reader.ask("queue_list", json!({})).await.expect(200);
    let before = host.resident();
    let mut pinging = host.websocket().await;
    // Masked by zeros, each as long as it may be.
    let ping = [&[0x89, 0x80 + 125, 0, 0, 0, 0][..], &[b'x'; 125]].concat();
    pour(&host, &mut pinging, &ping.repeat(4096), FRAME).await;
    assert!(host.resident() < before + 16 * MIB as u64, "{before} then {}", host.resident());
    reader.ask("queue_list", json!({})).await.expect(200);
}

/// A text frame of a length that takes two bytes or eight, masked by zeros.
fn masked(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match u16::try_from(text.len()) {
        Ok(length) => frame.extend([&[0x80 + 126][..], &length.to_be_bytes()].concat()),
        Err(_) => frame.extend([&[0x80 + 127][..], &text.len().to_be_bytes()].concat()),
    }
    frame.extend([0; 4]);
    frame.extend(text.as_bytes());
    frame
}

/// The largest post to a queue that stores it once, however often it comes.
fn repeatable(queue: &str, key: &str) -> String {
    let body = json!({ "queue_name": queue, "messages": [{ "body": "x".repeat(262_000) }] });
    let mut post = request("message_post", &body);
    post["headers"]["Idempotency-Key"] = json!(key);
    post.to_string()
}

/// How many bytes of memory the host takes for each of some connections whose clients write what is not answered, as
/// long as it is read.
async fn held_by_each(frames: &[u8]) -> u64 {
    const CONNECTIONS: u64 = 4;
    let stuck = "[filters.misbehaves]\ndoes = \"never\"\nat = \"request\"\nqueues = [\"stuck\"]\ntimeout = 60";
    let libraries = [programs::library("sukkal-sqlite"), programs::bad_library("misbehaves")];
    let host = Host::with().plugins(libraries).top("pipeline = [\"misbehaves\"]").section(stuck).start().await;
    let mut reader = host.websocket().await;
    reader.ask("message_post", post(200_000)).await.expect(201);
    let before = host.resident();
    let mut writers = Vec::new();
    for _ in 0..CONNECTIONS {
        writers.push(host.websocket().await);
    }
    join_all(writers.iter_mut().map(|writer| pour(&host, writer, frames, frames.len()))).await;
    reader.ask("queue_list", json!({})).await.expect(200);
    host.resident().saturating_sub(before) / CONNECTIONS
}

#[tokio::test]
async fn large_posts_that_wait_for_one_another_are_read_up_to_a_bound() {
    let held = held_by_each(&masked(&repeatable("stuck", "k"))).await;
    assert!(held < 8 * MIB as u64, "{held}");
}

#[tokio::test]
async fn what_waits_does_not_hold_what_came_with_it() {
    let wait = request("claim_create", &json!({ "queue_name": "none", "wait": 20 })).to_string();
    let held = held_by_each(&[masked(&"x".repeat(270_000)), masked(&wait)].concat()).await;
    assert!(held < 8 * MIB as u64, "{held}");
}

#[tokio::test]
async fn large_posts_are_read_on_as_those_before_them_are_answered() {
    const N_POSTS: u64 = 20;
    let host = Host::start().await;
    let mut socket = host.websocket().await;
    let posts: Vec<_> = (0..N_POSTS).flat_map(|number| masked(&repeatable("q", &number.to_string()))).collect();
    let (mut answers, mut requests) = tokio::io::split(socket.wire());
    let (queue, mut nowhere) = (host.queue("q"), tokio::io::sink());
    let posting = async {
        requests.write_all(&posts).await.expect("the host reads");
        eventually("all are stored", SOON * 5, async || (queue.counts().await[2] == N_POSTS).then_some(())).await;
    };
    tokio::select! {
        _ = tokio::io::copy(&mut answers, &mut nowhere) => panic!("the connection stays open"),
        posted = timeout(SOON * 6, posting) => posted.expect("the host reads on"),
    }
}

#[tokio::test]
async fn who_falls_silent_is_closed_and_who_answers_pings_is_not() {
    let host = Host::with().websocket("ping_interval = 1\nidle_timeout = 3").start().await;
    let mut silent = host.websocket().await;
    let mut alive = host.websocket().await;
    // It answers pings as long as it is read from.
    let waiting = tokio::spawn(async move {
        let outcome = tokio::time::timeout(Duration::from_secs(6), alive.next()).await;
        (outcome.is_err(), alive)
    });
    // Nothing is read from this one meanwhile, so nothing is answered.
    let (is_open, mut alive) = waiting.await.expect("the task ends");
    assert!(is_open, "who answers pings stays");
    alive.ask("queue_list", json!({})).await.expect(200);
    // It was told 1001; the system forgets that where an answer to a ping comes too late.
    assert!(matches!(silent.closed().await, None | Some(1001)));
}

#[tokio::test]
async fn one_connection_too_many_is_refused() {
    let host = Host::with().websocket("max_connections = 2").start().await;
    let address = host.websocket_address();
    let kept = [host.websocket().await, host.websocket().await];
    assert!(Socket::try_connect(&address).await.is_err_and(|error| error.contains("503")));
    drop(kept);
    eventually("there is room again", SOON, async || Socket::try_connect(&address).await.ok()).await;
}

#[tokio::test]
async fn who_asks_for_no_websocket_is_told_so() {
    let host = Host::start().await;
    let ask = |line: &str, headers: &str| format!("{line} HTTP/1.1\r\nHost: sukkal\r\n{headers}\r\n");
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    let sound = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (request, status, about) in [
        (ask("GET /", ""), 426, "websocket"),
        (ask("GET /", &format!("{upgrade}Sec-WebSocket-Version: 12\r\nSec-WebSocket-Key: x\r\n")), 426, "websocket"),
        (ask("GET /", &format!("{upgrade}Sec-WebSocket-Version: 13\r\n")), 400, "websocket"),
        (ask("GET /", &format!("{upgrade}{sound}Origin: https://evil.example.org\r\n")), 403, "origin"),
        (ask("GET /", &format!("{upgrade}{sound}Host: other\r\n")), 400, "one header Host"),
        (ask("POST /", "Content-Length: 5\r\n") + "hello", 400, "websocket"),
        ("\u{16}\u{3}\u{1} is no HTTP at all\r\n\r\n".to_owned(), 400, "websocket"),
    ] {
        let mut wire = Wire::connect(&host.websocket_address()).await;
        wire.send(&request).await;
        let reply = wire.reply().await.expect("an answer");
        assert_eq!(reply.status, status, "{request}");
        assert!(reply.head.contains("connection: close"), "{}", reply.head);
        assert_eq!(reply.head.contains("sec-websocket-version: 13"), status == 426, "{}", reply.head);
        assert!(reply.head.contains("content-type: application/json"), "{}", reply.head);
        let told: Value = serde_json::from_str(&reply.body).expect("a refusal is JSON");
        assert!(told["description"].as_str().is_some_and(|why| why.contains(about)), "{told}");
        assert!(told["title"].is_string(), "{told}");
        assert_eq!(wire.rest().await, b"", "the connection is closed");
    }
    host.websocket().await.ask("queue_list", json!({})).await.expect(200);
}

#[tokio::test]
async fn no_websocket_is_served_where_none_is_wanted() {
    let host = Host::with().websocket("listen = \"\"").start().await;
    assert!(!host.log().contains("websockets at"));
}

#[tokio::test]
async fn stopping_answers_what_is_under_way_and_closes_with_1001() {
    for store in STORES {
        let mut host = store.host().start().await;
        let mut idle = Vec::new();
        for _ in 0..20 {
            idle.push(host.websocket().await);
        }
        let mut waiter = host.websocket().await;
        waiter.text(request("claim_create", &json!({ "queue_name": "none", "wait": 20 })).to_string()).await;
        host.queue("q").post(["a"]).await;
        let is_under_way = async || {
            let seen = Scrape::of(&host.pages(), "/metrics").await;
            (seen.sum("sukkal_requests_in_flight", &[("transport", "websocket")]) == 1.0).then_some(())
        };
        eventually("the poll is under way", SOON, is_under_way).await;
        let begun = std::time::Instant::now();
        host.terminate();
        let Frame::Text(answer) = waiter.next().await else { panic!("a poll is answered") };
        assert_eq!(answer["headers"]["status"], 204);
        for socket in idle.iter_mut().chain([&mut waiter]) {
            assert_eq!(socket.closed().await, Some(1001));
        }
        assert_eq!(host.wait().await.code(), Some(0));
        assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn any_bytes_in_frames_leave_the_connection_open() {
    let host = Host::start().await;
    let mut socket = host.websocket().await;
    for number in 0..scaled(300, 100_000) {
        let mut bytes: Vec<u8> = (0..number % 64).map(|_| rand::random()).collect();
        if number % 3 == 0 {
            // Something that begins well.
            let good = packed(&request("message_post", &json!({ "queue_name": "q", "messages": [{ "body": 1 }] })));
            bytes = [&good[..number % good.len()], &bytes].concat();
        }
        socket.binary(bytes.clone()).await;
        match socket.next().await {
            Frame::Binary(answer) => assert!(answer["headers"]["status"].as_u64() < Some(500), "{bytes:x?}: {answer}"),
            other => panic!("{bytes:x?}: {other:?}"),
        }
    }
    socket.ask("queue_list", json!({})).await.expect(200);
}

/// Whether the client of one of the host's websockets has closed it, and the host has not (proc_pid_net(5)).
fn has_half_closed(host: &Host) -> bool {
    const CLOSE_WAIT: &str = "08";
    let address = host.websocket_address();
    let port: u16 = address.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("an address has a port");
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the system tells of its connections");
    let mut connections = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    connections.any(|one| one.len() > 3 && one[1].ends_with(&format!(":{port:04X}")) && one[3] == CLOSE_WAIT)
}

#[tokio::test]
async fn who_waits_often_and_goes_away_takes_nothing() {
    for store in STORES {
        let host = store.host().start().await;
        let mut waiter = host.websocket().await;
        waiter.ask("queue_create", json!({ "queue_name": "q" })).await.expect(201);
        let wait = request("claim_create", &json!({ "queue_name": "q", "wait": 20 })).to_string();
        for _ in 0..127 {
            waiter.text(wait.clone()).await;
        }
        // The last that is read while so many are in flight.
        waiter
            .text(request("message_post", &json!({ "queue_name": "seen", "messages": [{ "body": 1 }] })).to_string())
            .await;
        eventually("the host has read them", SOON, async || {
            (host.client().get("/v2/queues/seen/messages?echo=true").await.text().contains("body")).then_some(())
        })
        .await;
        for _ in 0..20 {
            waiter.text(wait.clone()).await;
        }
        drop(waiter);
        eventually("the end has come to the host's machine", SOON, async || has_half_closed(&host).then_some(())).await;
        let queue = host.queue("q");
        queue.post(["a"]).await;
        let claim = json!({ "ttl": 300, "grace": 60 });
        let claimed = queue.client().post(&queue.path("/claims?wait=20"), claim).await.expect(201).json();
        assert_eq!(claimed["messages"][0]["body"], "a");
    }
}
