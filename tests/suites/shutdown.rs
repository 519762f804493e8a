//! Leaving: SIGTERM ends the host with 0, and nothing that was begun is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sukkal_tests::eventually::SOON;
use sukkal_tests::wire::{Wire, head, request};
use sukkal_tests::{Host, eventually};

#[tokio::test]
async fn idle_connections_do_not_hold_up_the_end() {
    let mut host = Host::start().await;
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
    let mut host = Host::with().top("shutdown_grace = 2").start().await;
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
