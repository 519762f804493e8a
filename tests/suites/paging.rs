//! Paging and following: nothing is skipped, nothing is shown twice.

use serde_json::json;
use sukkal_tests::Host;
use sukkal_tests::rest::OTHER;
use sukkal_tests::stores::STORES;

#[tokio::test]
async fn pages_go_on_where_the_last_one_ended() {
    for store in STORES {
        let host = store.host().start().await;
        let orders = host.queue("orders");
        orders.post(1..=5).await;
        let first = orders.list("?echo=true&limit=2").await;
        assert_eq!(first.bodies(), [1, 2]);
        let marker = &first.ids()[1];
        assert_eq!(first.next, Some(format!("/v2/queues/orders/messages?limit=2&echo=true&marker={marker}")));
        let second = orders.next(&first).await;
        let third = orders.next(&second).await;
        assert_eq!((second.bodies(), third.bodies()), (vec![json!(3), json!(4)], vec![json!(5)]));
        let end = orders.next(&third).await;
        assert!(end.messages.is_empty() && end.next.is_none());
        orders.post([6]).await;
        assert_eq!(orders.next(&third).await.bodies(), [6]);
    }
}

#[tokio::test]
async fn a_marker_outlives_its_message() {
    for store in STORES {
        let host = store.host().start().await;
        let orders = host.queue("orders");
        orders.post(1..=6).await;
        let first = orders.list("?echo=true&limit=2").await;
        for id in first.ids() {
            orders.delete(&id).await.expect(204);
        }
        let second = orders.next(&first).await;
        assert_eq!(second.bodies(), [3, 4]);
        let third = orders.next(&second).await;
        assert_eq!(third.bodies(), [5, 6]);
        assert!(orders.next(&third).await.messages.is_empty());
    }
}

#[tokio::test]
async fn filters_come_before_the_limit() {
    for store in STORES {
        let host = store.host().start().await;
        let mine = host.queue("orders");
        let theirs = mine.seen_by(host.client().with_id(OTHER));
        mine.post(1..=30).await;
        theirs.post(["theirs"]).await;
        mine.post(31..=60).await;
        assert_eq!(mine.list("?limit=2").await.bodies(), ["theirs"]);
        assert_eq!(theirs.list("?limit=2").await.bodies(), [1, 2]);
        let claim = theirs.claim(20).await;
        assert_eq!(theirs.list("?limit=2").await.bodies(), [21, 22]);
        assert_eq!(theirs.list("?limit=2&include_claimed=true").await.bodies(), [1, 2]);
        claim.release().await;
        assert_eq!(theirs.list("?limit=2").await.bodies(), [1, 2]);
    }
}

#[tokio::test]
async fn a_client_id_has_many_spellings() {
    let host = Host::start().await;
    let mine = host.queue("orders");
    mine.post(["mine"]).await;
    let spelt = host.client().with_id("{3381AF922B9E11E3B19171861300734C}");
    assert!(mine.seen_by(spelt).list("").await.messages.is_empty());
    let client = host.client().with_id(OTHER);
    assert_eq!(mine.seen_by(client).list("").await.bodies(), ["mine"]);
}

#[tokio::test]
async fn messages_are_read_by_their_ids_in_the_order_asked() {
    for store in STORES {
        let host = store.host().start().await;
        let orders = host.queue("orders");
        let ids = orders.post(["a", "b", "c"]).await;
        let query = format!("?ids={},{},{},nope", ids[2], ids[0], ids[2]);
        let page = orders.list(&query).await;
        assert_eq!(page.bodies(), ["c", "a"]);
        assert!(page.next.is_none());
        let missing = host.client().get(&orders.path("/messages?ids=nope")).await.expect(404).json();
        assert_eq!(missing["description"], "No messages with IDs: ['nope'] found in the queue orders for project p1.");
    }
}

#[tokio::test]
async fn ids_that_are_none_are_not_found() {
    for store in STORES {
        let host = store.host().start().await;
        let orders = host.queue("orders");
        orders.post(["a"]).await;
        let long = "x".repeat(4096);
        for id in ["not-an-id", "%00", long.as_str()] {
            orders.get(id).await.expect(404);
            orders.delete(id).await.expect(204);
        }
        let client = host.client();
        client.get(&orders.path("/claims/x")).await.expect(404);
        client.patch(&orders.path("/claims/x"), json!({ "ttl": 60 })).await.expect(404);
        client.delete(&orders.path("/claims/x")).await.expect(204);
        client.get(&orders.path(&format!("/messages?ids={}", ["x"; 21].join(",")))).await.expect(400);
        let nothing = orders.list("?echo=true&marker=not-an-id").await;
        assert!(nothing.messages.is_empty() && nothing.next.is_none());
        assert_eq!(orders.counts().await, [1, 0, 1]);
    }
}
