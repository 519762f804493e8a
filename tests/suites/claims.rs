//! Claims: a message has one holder, and comes back in its old place.

use std::collections::HashSet;
use std::time::Instant;

use serde_json::json;
use sukkal_tests::Host;
use sukkal_tests::eventually::whole_seconds;
use sukkal_tests::stores::STORES;

#[tokio::test]
async fn released_messages_return_to_their_old_place() {
    for store in STORES {
        let host = store.host().start().await;
        let orders = host.queue("orders");
        orders.post(["a", "b", "c"]).await;
        orders.claim(2).await.release().await;
        assert_eq!(orders.claim(3).await.bodies(), ["a", "b", "c"]);
    }
}

#[tokio::test]
async fn claimed_messages_are_hidden_from_everybody_else() {
    for store in STORES {
        let host = store.host().start().await;
        let orders = host.queue("orders");
        orders.post(["a", "b"]).await;
        let claim = orders.claim(1).await;
        assert_eq!(orders.list("?echo=true").await.bodies(), ["b"]);
        assert_eq!(orders.list("?echo=true&include_claimed=true").await.bodies(), ["a", "b"]);
        assert_eq!(orders.counts().await, [1, 1, 2]);
        let popped = orders.pop(2).await;
        assert_eq!(popped.len(), 1);
        assert_eq!(popped[0]["body"], "b");
        assert!(orders.try_claim(1).await.is_none());
        claim.delete(0).await.expect(204);
        assert_eq!(orders.counts().await, [0, 0, 0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_workers_never_share_a_message() {
    for store in STORES {
        let host = store.host().start().await;
        let orders = host.queue("orders");
        for batch in 0..5 {
            orders.post(batch * 200..(batch + 1) * 200).await;
        }
        let workers = (0..16).map(|_| {
            let orders = orders.seen_by(host.client());
            tokio::spawn(async move {
                let mut ids = Vec::new();
                while let Some(claim) = orders.try_claim(7).await {
                    ids.extend(claim.ids());
                }
                // Nothing is given back here, so what was there for this one would still be.
                assert_eq!(orders.counts().await[0], 0, "a worker was sent away from what was free");
                ids
            })
        });
        let mut all = Vec::new();
        for worker in workers.collect::<Vec<_>>() {
            all.extend(worker.await.expect("no worker panics"));
        }
        assert_eq!(all.len(), 1000);
        assert_eq!(all.into_iter().collect::<HashSet<_>>().len(), 1000);
    }
}

#[tokio::test]
async fn a_message_is_deleted_under_its_own_claim_alone() {
    for store in STORES {
        let host = store.host().start().await;
        let orders = host.queue("orders");
        orders.post(["a", "b"]).await;
        let (first, second) = (orders.claim(1).await, orders.claim(1).await);
        let id = &first.ids()[0];
        let unclaimed = orders.delete(id).await.expect(403).json();
        assert_eq!(unclaimed["title"], "Unable to delete");
        orders.delete_claimed(id, &second.id).await.expect(403);
        orders.delete_claimed(id, "invalid").await.expect(400);
        orders.delete_claimed(id, &first.id).await.expect(204);
        orders.delete_claimed(id, &first.id).await.expect(204);
        orders.get(id).await.expect(404);
    }
}

#[tokio::test]
async fn a_released_claim_deletes_nothing() {
    for store in STORES {
        let host = store.host().start().await;
        let orders = host.queue("orders");
        orders.post(["a"]).await;
        let claim = orders.claim(1).await;
        claim.release().await;
        claim.delete(0).await.expect(400);
        claim.get().await.expect(404);
        claim.renew(300).await.expect(404);
        claim.release().await;
        let next = orders.claim(1).await;
        let late = claim.delete(0).await.status;
        assert!([400, 403].contains(&late), "{late}");
        next.delete(0).await.expect(204);
    }
}

#[tokio::test]
async fn a_renewed_claim_is_as_new() {
    for store in STORES {
        let host = store.host().start().await;
        let orders = host.queue("orders");
        orders.post_messages(json!([{ "ttl": 60, "body": "short" }, { "ttl": 3600, "body": "long" }])).await;
        let claim = orders.claim(2).await;
        // What would end before the claim does lives until the claim's end and grace.
        assert_eq!(claim.messages[0]["ttl"], 360);
        assert_eq!(claim.messages[1]["ttl"], 3600);
        let begun = Instant::now();
        claim.renew(1000).await.expect(204);
        let renewed = claim.get().await.expect(200).json();
        assert_eq!(renewed["ttl"], 1000);
        assert!(renewed["age"].as_u64().is_some_and(|age| age <= whole_seconds(begun)), "{renewed}");
        assert_eq!(renewed["messages"][0]["ttl"], 1060);
        assert_eq!(renewed["messages"][1]["ttl"], 3600);
    }
}

#[tokio::test]
async fn a_claim_takes_what_clients_send() {
    let host = Host::start().await;
    let orders = host.queue("orders");
    orders.post(0..15).await;
    let claims = orders.path("/claims");
    let client = host.client();
    let by_body = client.post(&claims, json!({ "limit": 3, "ttl": null, "grace": null })).await.expect(201);
    assert_eq!(by_body.json()["messages"].as_array().map(Vec::len), Some(3));
    let no_body = client.request("POST", &claims).send().await.expect(201);
    assert_eq!(no_body.json()["messages"].as_array().map(Vec::len), Some(10), "ten where nothing is said");
    let claim = no_body.header("location").to_owned();
    let href = no_body.json()["messages"][0]["href"].as_str().unwrap_or_default().to_owned();
    let id = claim.rsplit('/').next().unwrap_or_default();
    assert!(href.ends_with(&format!("?claim_id={id}")), "{href}");
    let shown = client.get(&claim).await.expect(200).json();
    assert_eq!(shown["ttl"], 300);
    assert_eq!(shown["href"], claim);
}

#[tokio::test]
async fn ids_can_stand_in_links_and_lists_as_they_are() {
    let plain = |id: &str| {
        let letters = id.bytes().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, b'-' | b'_'));
        assert!(letters && (1..=64).contains(&id.len()), "{id}");
    };
    for store in STORES {
        let host = store.host().start().await;
        let orders = host.queue("orders");
        for _ in 0..20 {
            let ids = orders.post(0..50).await;
            ids.iter().for_each(|id| plain(id));
            while let Some(claim) = orders.try_claim(20).await {
                plain(&claim.id);
                assert!(!claim.messages.is_empty(), "a claim that was made holds something");
                for (message, id) in claim.messages.iter().zip(claim.ids()) {
                    let path = orders.path(&format!("/messages/{id}?claim_id={}", claim.id));
                    assert_eq!(message["href"], path, "a link of a claimed message has nothing but its claim");
                }
                let list = claim.ids().join(",");
                host.client().delete(&orders.path(&format!("/messages?ids={list}"))).await.expect(204);
            }
        }
        assert_eq!(orders.counts().await, [0, 0, 0]);
    }
}

#[tokio::test]
async fn a_missing_queue_is_empty_and_stays_missing() {
    for store in STORES {
        let host = store.host().start().await;
        let orders = host.queue("orders");
        let client = host.client();
        assert!(orders.try_claim(1).await.is_none());
        assert!(orders.list("").await.messages.is_empty());
        assert!(orders.pop(1).await.is_empty());
        orders.delete("abc").await.expect(204);
        client.delete(&orders.path("/messages?ids=a,b")).await.expect(204);
        client.get(&orders.path("/messages?ids=a")).await.expect(404);
        client.get(&orders.path("/claims/x")).await.expect(404);
        client.request("POST", &orders.path("/purge")).send().await.expect(204);
        assert_eq!(orders.counts().await, [0, 0, 0]);
        client.request("HEAD", "/v2/queues/orders").send().await.expect(404);
        assert_eq!(client.get("/v2/queues").await.expect(200).json()["queues"], json!([]));
    }
}

#[tokio::test]
async fn popped_messages_show_how_often_they_were_claimed() {
    for store in STORES {
        let host = store.host().start().await;
        let orders = host.queue("orders");
        orders.post(["a"]).await;
        orders.claim(1).await.release().await;
        let claim = orders.claim(1).await;
        claim.renew(400).await.expect(204);
        claim.release().await;
        let popped = orders.pop(1).await;
        assert_eq!(popped[0]["claim_count"], 2);
        assert_eq!(popped[0]["claim_id"], json!(null));
        let mut keys =
            popped[0].as_object().map(|message| message.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
        keys.sort();
        assert_eq!(keys, ["age", "body", "claim_count", "claim_id", "id", "ttl"]);
    }
}

#[tokio::test]
async fn deleting_by_ids_can_be_made_to_need_claims() {
    let host = Host::with().section("[api]\nmessage_delete_with_claim_id = true").start().await;
    let orders = host.queue("orders");
    orders.post(["a", "b"]).await;
    let claim = orders.claim(2).await;
    let (ids, client) = (claim.ids().join(","), host.client());
    client.delete(&orders.path(&format!("/messages?ids={ids}"))).await.expect(400);
    client.delete(&orders.path(&format!("/messages?ids={ids}&claim_ids=nope"))).await.expect(400);
    assert_eq!(orders.counts().await, [0, 2, 2]);
    client.delete(&orders.path(&format!("/messages?ids={ids}&claim_ids={}", claim.id))).await.expect(204);
    assert_eq!(orders.counts().await, [0, 0, 0]);
}
