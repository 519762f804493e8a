//! What becomes of a pool whose Redis has no memory left.

use std::time::Duration;

use serde_json::json;
use sukkal_plugin_sdk::testing::{TestClock, call};
use sukkal_plugin_sdk::{Applied, Bytes, ErrorKind, Header, Key, NewMessage, Post, QueueId, QueueRef};
use sukkal_tests::batches::is_back;
use sukkal_tests::servers::redis::Redis;
use sukkal_tests::stores::REDIS;

use crate::redis_failures::over;

#[tokio::test]
async fn a_server_without_memory_goes_on_with_all_but_posts() {
    let redis = Redis::with("maxmemory 8mb\nmaxmemory-policy noeviction\n");
    let host = over(&redis.uri()).start().await;
    let queue = host.queue("q");
    let body = "x".repeat(16_000);
    let mut stored = 0;
    let refusal = loop {
        let messages = json!({ "messages": [{ "ttl": 3600, "body": body }] });
        let answer = queue.client().post(&queue.path("/messages"), messages).await;
        if answer.status != 201 {
            break answer.expect(503);
        }
        stored += 1;
        assert!(stored < 2_000, "it never fills up");
    };
    assert!(refusal.text().contains("space"), "{}", refusal.text());
    // From here on nothing at all may take more of it. The header changes with the metadata.
    redis.ask(&["CONFIG", "SET", "maxmemory", "1mb"]).expect("the server answers");
    let rule = json!([{ "op": "add", "path": "/metadata/_max_claim_count", "value": 5 }]);
    queue.client().patch(&queue.path(""), rule).await.expect(200);
    let claim = queue.claim(10).await;
    redis.ask(&["CONFIG", "SET", "maxmemory", "8mb"]).expect("the server answers");
    claim.renew(400).await.expect(204);
    for place in 0..10 {
        claim.delete(place).await.expect(204);
    }
    claim.release().await;
    while !queue.pop(20).await.is_empty() {}
    assert_eq!(queue.counts().await, [0, 0, 0]);
    is_back(&queue, "again").await;
}

/// As a host does whose connection broke before it had the answer.
#[tokio::test]
async fn a_post_that_took_the_last_memory_is_answered_the_same_when_it_is_repeated() {
    let redis = Redis::in_memory();
    let (clock, folder) = (TestClock::default(), tempfile::tempdir().expect("a folder"));
    let library = REDIS.load(&clock, folder.path()).expect("the library is sound");
    let pool = library.open_pool(REDIS.arguments(&redis.uri(), folder.path())).await.expect("the pool opens");
    let id = QueueId(1);
    let queue = QueueRef::new(id, 1, pool.place(id, None).expect("a placement"));
    pool.configure(&call(&clock), &queue, Header { epoch: 1, ..Header::default() }).await.expect("a queue");
    let post = async |key: &'static str| {
        let ttl = Duration::from_secs(3_600);
        let messages = vec![NewMessage { body: "1".into(), ttl, ..NewMessage::default() }];
        let (scope, window) = ("host".to_owned(), Duration::from_secs(60));
        let key = Key { scope, key: key.into(), fingerprint: Bytes::new(), window };
        pool.post(&call(&clock), &queue, Post { messages, key: Some(key), ..Post::default() }).await
    };
    let stored = post("one").await.expect("it is stored");
    redis.ask(&["CONFIG", "SET", "maxmemory", "1"]).expect("the server answers");
    let error = post("two").await.expect_err("there is no room");
    assert_eq!((error.kind, error.applied), (ErrorKind::Full, Applied::No));
    let again = post("one").await.expect("it is there");
    assert!(again.repeated && again.places == stored.places, "{again:?} after {stored:?}");
    redis.ask(&["CONFIG", "SET", "maxmemory", "0"]).expect("the server answers");
    assert!(!post("two").await.expect("it is stored").repeated);
}
