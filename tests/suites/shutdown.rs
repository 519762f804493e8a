//! Leaving: SIGTERM ends the host with 0, and nothing that was begun is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;
use sukkal_tests::eventually::SOON;
use sukkal_tests::stores::MEMORY;
use sukkal_tests::wire::{Wire, head, request};
use sukkal_tests::{Host, Scrape, eventually, programs, ws};
use tokio::net::TcpStream;

#[tokio::test]
async fn idle_connections_do_not_hold_up_the_end() {
    let mut host = MEMORY.host().start().await;
    let mut idle = Vec::new();
    for number in 0..50 {
        let mut wire = Wire::connect(host.address()).await;
        // Some have never sent anything, some have been served.
        if number % 2 == 0 {
            wire.send(head("GET", "/v2/ping", "")).await;
            assert_eq!(wire.reply().await.map(|reply| reply.status), Some(204));
        }
        idle.push(wire);
    }
    host.terminate();
    let status = tokio::time::timeout(SOON, host.wait()).await.expect("the host ends soon");
    assert_eq!(status.code(), Some(0));
    for mut wire in idle {
        wire.rest().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn posts_in_flight_are_answered_and_kept() {
    let mut host = Host::start().await;
    let acknowledged = Arc::new(AtomicU64::new(0));
    let posters = (0..8).map(|_| {
        let (acknowledged, address) = (acknowledged.clone(), host.address().to_owned());
        tokio::spawn(async move {
            let mut wire = Wire::connect(&address).await;
            let post = request("POST", "/v2/queues/orders/messages", "", "{\"messages\":[{\"body\":1}]}");
            while wire.send(&post).await {
                match wire.reply().await {
                    Some(reply) => assert_eq!(reply.status, 201),
                    None => break,
                }
                acknowledged.fetch_add(1, Ordering::SeqCst);
            }
        })
    });
    let posters = posters.collect::<Vec<_>>();
    eventually("posts flow", SOON, async || (acknowledged.load(Ordering::SeqCst) > 100).then_some(())).await;
    assert_eq!(host.stop().await.code(), Some(0));
    for poster in posters {
        poster.await.expect("each answer is a 201");
    }
    host.start_again().await;
    let [free, _, total] = host.queue("orders").counts().await;
    assert_eq!(free, total);
    // A poster whose connection was closed as it sent cannot know.
    let known = acknowledged.load(Ordering::SeqCst);
    assert!((known..=known + 8).contains(&total), "{known} acknowledged, {total} there");
}

#[tokio::test]
async fn half_a_request_holds_up_the_end_no_longer_than_the_grace_time() {
    let mut host = MEMORY.host().top("shutdown_grace = 2").start().await;
    let mut stalled = Vec::new();
    for n_bytes in [5, 60, 200] {
        let mut wire = Wire::connect(host.address()).await;
        let post = request("POST", "/v2/queues/orders/messages", "", &"x".repeat(1000));
        assert!(wire.send(&post[..n_bytes]).await);
        stalled.push(wire);
    }
    host.client().get("/v2/ping").await.expect(204);
    host.terminate();
    let status = tokio::time::timeout(SOON, host.wait()).await.expect("the host ends soon");
    assert_eq!(status.code(), Some(0));
}

/// A post whose body arrives in two parts, of which the first is sent.
async fn begun_upload(host: &Host) -> (Wire, String) {
    let post = request("POST", "/v2/queues/uploads/messages", "", "{\"messages\":[{\"body\":\"slow\"}]}");
    let (first, rest) = post.split_at(post.len() - 10);
    let mut wire = Wire::connect(host.address()).await;
    assert!(wire.send(first).await);
    (wire, rest.to_owned())
}

#[tokio::test]
async fn everything_that_is_open_ends_as_it_should() {
    let mut host = Host::with().top("shutdown_grace = 20").start().await;
    let (mut idle, mut waiting) = (Vec::new(), Vec::new());
    for _ in 0..50 {
        idle.push(Wire::connect(host.address()).await);
    }
    host.queue("empty").create(serde_json::json!({})).await;
    for _ in 0..20 {
        let mut wire = Wire::connect(host.address()).await;
        wire.send(request("POST", "/v2/queues/empty/claims?wait=20", "", "")).await;
        waiting.push(wire);
    }
    let (mut upload, rest) = begun_upload(&host).await;
    let pages = host.pages();
    eventually("the long polls wait", SOON, async || {
        let in_flight = Scrape::of(&pages, "/metrics").await.sum("sukkal_requests_in_flight", &[]);
        (in_flight == 20.0).then_some(())
    })
    .await;
    host.terminate();
    for mut wire in waiting {
        assert_eq!(wire.reply().await.map(|reply| reply.status), Some(204), "a long poll ends at once");
    }
    for mut wire in idle {
        assert_eq!(wire.rest().await, b"", "an idle connection is closed");
    }
    eventually("new connections are refused", SOON, async || {
        TcpStream::connect(host.address()).await.is_err().then_some(())
    })
    .await;
    pages.get("/ready").await.expect(503);
    pages.get("/live").await.expect(200);
    assert!(upload.send(rest).await);
    assert_eq!(upload.reply().await.map(|reply| reply.status), Some(201), "what was under way is answered");
    assert_eq!(host.wait().await.code(), Some(0));
}

#[tokio::test]
async fn a_claim_is_given_back_whose_client_leaves_while_the_host_ends() {
    let libraries = [programs::library("sukkal-sqlite"), programs::bad_library("misbehaves")];
    let slow = "[filters.misbehaves]\ndoes = \"slow\"\nat = \"egress\"";
    let mut host = Host::with().plugins(libraries).top("pipeline = [\"misbehaves\"]").section(slow).start().await;
    host.queue("orders").post(["a"]).await;
    let mut socket = host.websocket().await;
    socket.text(ws::request("claim_create", &json!({ "queue_name": "orders" })).to_string()).await;
    let pages = host.pages();
    eventually("the claim is under way", SOON, async || {
        let in_flight = Scrape::of(&pages, "/metrics").await.sum("sukkal_requests_in_flight", &[]);
        (in_flight == 1.0).then_some(())
    })
    .await;
    host.terminate();
    eventually("new connections are refused", SOON, async || {
        TcpStream::connect(host.address()).await.is_err().then_some(())
    })
    .await;
    let is_answered = tokio::time::timeout(Duration::ZERO, socket.next()).await.is_ok();
    drop(socket);
    assert_eq!(host.wait().await.code(), Some(0));
    host.start_again().await;
    let claimed = host.queue("orders").try_claim(1).await;
    // On a machine that is slower than the filter the client has it.
    assert_eq!(claimed.is_some(), !is_answered, "{}", host.log());
}
