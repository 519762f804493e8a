//! Expiry: what has ended is gone at once, everywhere. The shortest life is a minute, and so are these
//! tests: each is under way over all stores together.

use std::time::Duration;

use serde_json::json;
use sukkal_tests::stores::{MEMORY, REDIS, SQLITE};
use sukkal_tests::{Host, eventually};

/// The shortest ttl, and patience.
const A_MINUTE: Duration = Duration::from_secs(100);

/// Runs a test over every store at once.
async fn over_all(test: impl AsyncFn(Host)) {
    let (sqlite, memory, redis) =
        (SQLITE.host().start().await, MEMORY.host().start().await, REDIS.host().start().await);
    tokio::join!(test(sqlite), test(memory), test(redis));
}

#[tokio::test]
async fn an_expired_message_is_gone_from_everything() {
    over_all(async |host| {
        let orders = host.queue("orders");
        let ids = orders.post_messages(json!([{ "ttl": 60, "body": "m1" }, { "ttl": 600, "body": "m2" }])).await;
        let first = orders.list("?echo=true&limit=1").await;
        let gone = async || (orders.get(&ids[0]).await.status == 404).then_some(());
        eventually("m1 ends", A_MINUTE, gone).await;
        assert_eq!(orders.list("?echo=true&include_claimed=true&include_delayed=true").await.bodies(), ["m2"]);
        assert_eq!(orders.list(&format!("?ids={},{}", ids[0], ids[1])).await.bodies(), ["m2"]);
        assert_eq!(orders.next(&first).await.bodies(), ["m2"], "a marker outlives its message");
        assert_eq!(orders.counts().await, [1, 0, 1]);
        let claim = orders.claim(5).await;
        assert_eq!(claim.bodies(), ["m2"]);
        claim.release().await;
        assert_eq!(orders.pop(5).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn an_expired_claim_holds_nothing_and_deletes_nothing() {
    over_all(async |host| {
        let (orders, quiet) = (host.queue("orders"), host.queue("quiet"));
        quiet.post(["q"]).await;
        let forgotten = quiet.claim_for(1, 60).await.expect("there is something to claim");
        orders.post(["m"]).await;
        let stalled = orders.claim_for(1, 60).await.expect("there is something to claim");
        let next = eventually("the claim ends", A_MINUTE, async || orders.try_claim(1).await).await;
        assert_eq!(next.bodies(), ["m"]);
        let late = stalled.delete(0).await.status;
        assert!([400, 403].contains(&late), "{late}");
        stalled.get().await.expect(404);
        stalled.renew(300).await.expect(404);
        stalled.release().await;
        assert_eq!(next.get().await.expect(200).json()["messages"][0]["body"], "m", "it stays with its holder");
        next.delete(0).await.expect(204);
        // Nobody has asked for this one since: its claim has ended all the same.
        forgotten.delete(0).await.expect(400);
        assert_eq!(quiet.counts().await, [1, 0, 1]);
        assert_eq!(quiet.claim(1).await.bodies(), ["q"]);
    })
    .await;
}

#[tokio::test]
async fn what_the_end_of_a_claim_exhausts_moves_though_nobody_asks() {
    over_all(async |host| {
        let (orders, dead) = (host.queue("orders"), host.queue("dead"));
        orders.create(json!({ "_max_claim_count": 2, "_dead_letter_queue": "dead" })).await;
        // One would end with its claim, were it not for the grace.
        orders.post_messages(json!([{ "ttl": 60, "body": "short" }, { "ttl": 3600, "body": "long" }])).await;
        orders.claim(2).await.release().await;
        let last = orders.claim_for(2, 60).await.expect("there is something to claim");
        assert_eq!(last.messages.len(), 2);
        let moved = async || (dead.counts().await == [2, 0, 2]).then_some(());
        eventually("the sweep moves them", A_MINUTE, moved).await;
        assert!(orders.try_claim(2).await.is_none());
        assert!(orders.pop(2).await.is_empty());
        assert_eq!(orders.counts().await, [0, 0, 0]);
        assert_eq!(dead.list("?echo=true").await.bodies(), ["short", "long"]);
        // Under its old id it is not there any more.
        last.delete(0).await.expect(204);
        assert_eq!(dead.counts().await, [2, 0, 2]);
    })
    .await;
}

#[tokio::test]
async fn what_the_end_of_its_last_claim_exhausts_moves_though_its_own_end_has_come() {
    over_all(async |host| {
        let (orders, dead) = (host.queue("orders"), host.queue("dead"));
        orders.create(json!({ "_max_claim_count": 1, "_dead_letter_queue": "dead" })).await;
        let twice = host.queue("twice");
        twice.create(json!({ "_max_claim_count": 2, "_dead_letter_queue": "dead" })).await;
        for (queue, body) in [(&orders, "used up"), (&twice, "not used up")] {
            queue.post_messages(json!([{ "ttl": 60, "body": body }])).await;
            queue.claim_for(1, 60).await.expect("there is something to claim");
        }
        let moved = async || (dead.counts().await == [1, 0, 1]).then_some(());
        eventually("it is moved", A_MINUTE, moved).await;
        assert_eq!(orders.counts().await, [0, 0, 0]);
        assert_eq!(twice.counts().await, [0, 0, 0], "the other has expired");
        let letters = dead.list("?echo=true").await;
        assert_eq!(letters.bodies(), ["used up"]);
        assert_eq!(letters.messages[0]["ttl"], 60);
    })
    .await;
}
