//! Expiry: what has ended is gone at once, everywhere. The shortest life is a minute, and so are these tests.

use std::time::Duration;

use serde_json::json;
use sukkal_tests::{Host, eventually};

/// The shortest ttl, and a little.
const A_MINUTE: Duration = Duration::from_secs(70);

#[tokio::test]
async fn an_expired_message_is_gone_from_everything() {
    let host = Host::start().await;
    let orders = host.queue("orders");
    let ids = orders.post_messages(json!([{ "ttl": 60, "body": "m1" }, { "ttl": 600, "body": "m2" }])).await;
    let gone = async || (orders.get(&ids[0]).await.status == 404).then_some(());
    eventually("m1 ends", A_MINUTE, gone).await;
    assert_eq!(orders.list("?echo=true").await.bodies(), ["m2"]);
    assert_eq!(orders.list(&format!("?ids={},{}", ids[0], ids[1])).await.bodies(), ["m2"]);
    assert_eq!(orders.list(&format!("?echo=true&marker={}", ids[0])).await.bodies(), ["m2"]);
    assert_eq!(orders.counts().await, [1, 0, 1]);
    let claim = orders.claim(5).await;
    assert_eq!(claim.bodies(), ["m2"]);
    claim.release().await;
    assert_eq!(orders.pop(5).await.len(), 1);
}

#[tokio::test]
async fn an_expired_claim_holds_nothing_and_deletes_nothing() {
    let host = Host::start().await;
    let orders = host.queue("orders");
    orders.post(["m"]).await;
    let stalled = orders.claim_for(1, 60).await.expect("there is something to claim");
    let next = eventually("the claim ends", A_MINUTE, async || orders.try_claim(1).await).await;
    assert_eq!(next.bodies(), ["m"]);
    let late = stalled.delete(0).await.status;
    assert!([400, 403].contains(&late), "{late}");
    stalled.get().await.expect(404);
    stalled.renew(300).await.expect(404);
    next.delete(0).await.expect(204);
}
