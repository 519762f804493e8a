//! A full store: nothing new is taken, nothing acknowledged is lost, and room made is used again.

use serde_json::json;
use sukkal_tests::eventually::SOON;
use sukkal_tests::{Answer, Host, Queue, eventually};

async fn post(queue: &Queue, number: usize) -> Answer {
    let body = format!("{number:06}{}", "x".repeat(8_000));
    queue.client().post(&queue.path("/messages"), json!({ "messages": [{ "body": body, "ttl": 3600 }] })).await
}

/// Posts until the store is full; gives how many were acknowledged.
async fn fill(queue: &Queue, from: usize) -> usize {
    for number in from..from + 10_000 {
        let answer = post(queue, number).await;
        match answer.status {
            201 => {}
            503 => {
                let text = answer.json()["description"].as_str().unwrap().to_owned();
                assert!(text.contains("space") || text.contains("room"), "the reason is told: {text}");
                return number - from;
            }
            other => panic!("a post to a full store is answered with {other}"),
        }
    }
    panic!("the store does not fill up");
}

async fn holds_to_its_promises(pool: &str) {
    let host = Host::with().top(&format!("default_pool = \"{pool}\"")).start().await;
    let queue = host.queue("q");
    let n_messages = fill(&queue, 0).await;
    assert!(n_messages > 10, "only {n_messages} messages fit");
    assert_eq!(queue.counts().await, [n_messages as u64, 0, n_messages as u64]);

    let claim = queue.claim(10).await;
    assert_eq!(claim.ids().len(), 10, "claims go on");
    let first = claim.bodies()[0].as_str().unwrap()[..6].to_owned();
    assert_eq!(first, "000000");
    for place in 0..10 {
        claim.delete(place).await.expect(204);
    }
    assert_eq!(queue.list("?echo=true").await.messages.len(), 10, "reads go on");

    while !queue.pop(10).await.is_empty() {}
    assert_eq!(queue.counts().await, [0, 0, 0]);
    eventually("what was freed can be used, without a restart", SOON, async || {
        (post(&queue, 0).await.status == 201).then_some(())
    })
    .await;
    let again = fill(&queue, 1).await;
    assert!(again + 1 >= n_messages / 2, "{n_messages} messages fitted at first, {again} when it was emptied");
}

#[tokio::test]
async fn a_full_sqlite_file_goes_on_with_all_but_posts() {
    holds_to_its_promises("sqlite:pool.db?max_mib=4").await;
}

#[tokio::test]
async fn a_full_memory_pool_goes_on_with_all_but_posts() {
    holds_to_its_promises("memory:?max_bytes=4000000").await;
}

#[tokio::test]
async fn a_full_store_has_lost_nothing_after_a_kill() {
    let mut host = Host::with().top("default_pool = \"sqlite:pool.db?max_mib=4\"").start().await;
    let n_messages = fill(&host.queue("q"), 0).await;
    host.kill();
    host.start_again().await;
    let queue = host.queue("q");
    let (mut seen, mut page) = (0, queue.list("?echo=true&limit=20").await);
    while !page.messages.is_empty() {
        for body in page.bodies() {
            assert_eq!(body.as_str().unwrap()[..6], format!("{seen:06}"));
            seen += 1;
        }
        page = queue.next(&page).await;
    }
    assert_eq!(seen, n_messages);
}

#[tokio::test]
async fn work_that_is_done_takes_no_room() {
    let host = Host::with().top("default_pool = \"memory:?max_bytes=1048576\"").start().await;
    let queue = host.queue("q");
    // Three thousand claims that live for hours would not fit, if each kept its room till its end.
    for _ in 0..150 {
        queue.post((0..20).collect::<Vec<_>>()).await;
        for _ in 0..20 {
            let claim = queue.claim_for(1, 43_200).await.expect("a message to claim");
            claim.delete(0).await.expect(204);
        }
    }
    assert_eq!(queue.counts().await, [0, 0, 0]);
}
