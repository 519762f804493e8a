//! What becomes of queues in Redis of which somebody else has overwritten keys, and of those beside them.

use std::collections::BTreeSet;

use serde_json::json;
use sukkal_tests::eventually::SOON;
use sukkal_tests::servers::redis::Redis;
use sukkal_tests::{Host, Queue, eventually};

use crate::redis_failures::over;

/// The headers that there are.
fn headers(redis: &Redis) -> BTreeSet<String> {
    let said = redis.ask(&["KEYS", "sukkal:{*}:?????????????"]).expect("the server answers");
    said.lines().filter(|line| line.starts_with("sukkal")).map(str::to_owned).collect()
}

/// A queue in which something has been delayed for a second, and one of whose keys is overwritten; its header.
async fn overwritten(redis: &Redis, host: &Host, name: &str, key: &str) -> String {
    let (before, queue) = (headers(redis), host.queue(name));
    queue.post_messages(json!([{ "ttl": 300, "delay": 1, "body": name }])).await;
    let header = headers(redis).difference(&before).next().expect("it has a header").clone();
    assert_eq!(redis.ask(&["SET", &format!("{header}{key}"), "foreign"]).expect("the server answers"), "OK");
    header
}

/// A queue whose dead letter queue is `dead-NAME`, and of which a message was claimed once, and given back.
async fn with_a_dead_letter(host: &Host, name: &str) -> Queue {
    let (queue, dead) = (host.queue(name), host.queue(&format!("dead-{name}")));
    queue.create(json!({ "_max_claim_count": 1, "_dead_letter_queue": dead.name() })).await;
    queue.post([name]).await;
    queue.claim(1).await.release().await;
    dead
}

#[tokio::test]
async fn a_queue_with_overwritten_keys_keeps_no_other_from_being_swept_and_is_told_of_once() {
    let redis = Redis::in_memory();
    let host = over(&redis.uri()).start().await;
    let queues = [
        overwritten(&redis, &host, "index", ":0w").await,
        overwritten(&redis, &host, "states", ":0s").await,
        overwritten(&redis, &host, "header", "").await,
    ];
    let told = |header: &String| host.log().matches(header.rsplit(':').next().unwrap_or_default()).count();
    for queue in &queues {
        eventually("it is told of", SOON, async || (told(queue) > 0).then_some(())).await;
    }
    let dead = with_a_dead_letter(&host, "whole").await;
    let moved = async || (dead.pop(1).await.first()?["body"] == "whole").then_some(());
    eventually("its last claim has ended", SOON, moved).await;
    let tried = |queue: &String| redis.ask(&["ZSCORE", "sukkal:{000}:d", queue.rsplit(':').next().unwrap_or_default()]);
    let first = tried(&queues[0]).expect("the server answers");
    let again = async || tried(&queues[0]).is_ok_and(|next| next > first).then_some(());
    eventually("it is tried again", 3 * SOON, again).await;
    assert_eq!(queues.each_ref().map(told), [1; 3], "{}", host.log());
    assert!(!host.log().contains("a sweep failed"), "{}", host.log());
}

#[tokio::test]
async fn a_dead_letter_queue_that_is_overwritten_keeps_nobody_from_claiming() {
    let redis = Redis::in_memory();
    let host = over(&redis.uri()).start().await;
    let (before, queue) = (headers(&redis), host.queue("q"));
    host.queue("dead").create(json!({})).await;
    let header = headers(&redis).difference(&before).next().expect("it has a header").clone();
    queue.create(json!({ "_max_claim_count": 1, "_dead_letter_queue": "dead" })).await;
    redis.ask(&["SET", &header, "foreign"]).expect("the server answers");
    queue.post(["worn", "fresh"]).await;
    queue.claim(1).await.release().await;
    assert_eq!(queue.claim(2).await.bodies(), ["fresh"]);
}
