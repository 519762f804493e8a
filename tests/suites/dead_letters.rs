//! Dead letters: what was claimed too often moves, and is never given out again.

use std::time::Instant;

use futures_util::future::join_all;
use serde_json::json;
use sukkal_tests::eventually::{SOON, whole_seconds};
use sukkal_tests::pools::{pool, poolless};
use sukkal_tests::stores::STORES;
use sukkal_tests::{Host, Queue, eventually};

async fn queues(host: &Host, max_claims: u32) -> (Queue, Queue) {
    let orders = host.queue("orders");
    orders.create(json!({ "_max_claim_count": max_claims, "_dead_letter_queue": "dead" })).await;
    (orders, host.queue("dead"))
}

#[tokio::test]
async fn a_claim_that_meets_both_kinds_gets_the_sound_one() {
    for store in STORES {
        let host = store.host().start().await;
        let (orders, dead) = queues(&host, 1).await;
        let begun = Instant::now();
        let ids = orders.post(["m1"]).await;
        orders.claim(1).await.release().await;
        orders.post(["m2"]).await;
        assert_eq!(orders.claim(2).await.bodies(), ["m2"]);
        eventually("m1 is moved", SOON, async || (dead.counts().await == [1, 0, 1]).then_some(())).await;
        assert_eq!(orders.counts().await, [0, 1, 1]);
        let letters = dead.list("?echo=true").await;
        assert_eq!(letters.bodies(), ["m1"]);
        assert_ne!(letters.ids(), ids, "a dead letter is a new message");
        let left = letters.messages[0]["ttl"].as_u64().unwrap_or_default();
        let least = 3600 - 1 - whole_seconds(begun);
        assert!((least..=3600).contains(&left), "it ends when it would have ended, not after {left} seconds");
    }
}

#[tokio::test]
async fn an_exhausted_message_moves_though_nobody_asks() {
    for store in STORES {
        let host = store.host().start().await;
        let (orders, dead) = queues(&host, 2).await;
        orders.post(["m"]).await;
        orders.claim(1).await.release().await;
        orders.claim(1).await.release().await;
        eventually("the sweep moves it", SOON, async || (dead.counts().await == [1, 0, 1]).then_some(())).await;
        assert!(orders.try_claim(1).await.is_none());
        assert_eq!(dead.claim(1).await.bodies(), ["m"]);
    }
}

#[tokio::test]
async fn a_pop_never_hands_out_an_exhausted_message() {
    for store in STORES {
        let host = store.host().start().await;
        let (orders, dead) = queues(&host, 1).await;
        orders.post(["m"]).await;
        orders.claim(1).await.release().await;
        assert!(orders.pop(1).await.is_empty());
        eventually("it is moved", SOON, async || (dead.counts().await == [1, 0, 1]).then_some(())).await;
    }
}

#[tokio::test]
async fn dead_letters_live_as_long_as_the_queue_says() {
    for store in STORES {
        let host = store.host().start().await;
        let orders = host.queue("orders");
        let rule =
            json!({ "_max_claim_count": 1, "_dead_letter_queue": "dead", "_dead_letter_queue_messages_ttl": 7200 });
        orders.create(rule).await;
        orders.post(["m"]).await;
        orders.claim(1).await.release().await;
        let dead = host.queue("dead");
        let letter = eventually("it is moved", SOON, async || dead.list("?echo=true").await.messages.pop()).await;
        assert_eq!(letter["ttl"], 7200);
    }
}

#[tokio::test]
async fn a_dead_letter_queue_that_cannot_be_is_refused() {
    let host = Host::start().await;
    for name in [json!("orders"), json!("no name"), json!(5)] {
        let metadata = json!({ "_max_claim_count": 1, "_dead_letter_queue": name });
        host.client().put("/v2/queues/orders", metadata).await.expect(400);
    }
    let (_, dead) = queues(&host, 1).await;
    host.client().request("HEAD", &dead.path("")).send().await.expect(204);
}

#[tokio::test]
async fn a_dead_letter_says_where_it_came_from_when_it_is_asked() {
    for store in STORES {
        let host = store.host().start().await;
        let (orders, dead) = queues(&host, 1).await;
        let ids = orders.post(["m"]).await;
        orders.claim(1).await.release().await;
        eventually("it is moved", SOON, async || (dead.counts().await == [1, 0, 1]).then_some(())).await;
        let due = json!({ "queue": "orders", "id": ids[0], "claim_count": 1, "reason": "claims exhausted" });
        assert_eq!(dead.list("?echo=true&origin=true").await.messages[0]["origin"], due);
        let letter = dead.list("?echo=true").await;
        assert!(letter.messages[0].get("origin").is_none(), "clients refuse keys that they did not ask for");
        let one =
            host.client().get(&format!("/v2/queues/dead/messages/{}?origin=true", letter.ids()[0])).await.expect(200);
        assert_eq!(one.json()["origin"], due);
    }
}

#[tokio::test]
async fn a_dead_letter_queue_made_anew_gets_what_waited_for_it() {
    for store in STORES {
        let host = store.host().start().await;
        let (orders, dead) = queues(&host, 1).await;
        orders.post(["m"]).await;
        host.client().delete("/v2/queues/dead").await.expect(204);
        orders.claim(1).await.release().await;
        assert!(orders.try_claim(1).await.is_none(), "it has used up its claims");
        assert_eq!(orders.counts().await, [1, 0, 1], "it waits");
        dead.create(json!({})).await;
        eventually("it is moved", SOON, async || (dead.counts().await == [1, 0, 1]).then_some(())).await;
        assert_eq!(dead.claim(1).await.bodies(), ["m"]);
    }
}

#[tokio::test]
async fn a_dead_letter_queue_is_there_as_soon_as_it_is_named() {
    let host = Host::start().await;
    let named = |path: &str, value| json!([{ "op": "add", "path": format!("/metadata/{path}"), "value": value }]);
    let (orders, dead) = (host.queue("orders"), host.queue("dead"));
    orders.create(json!({ "_dead_letter_queue": "first" })).await;
    host.client().request("HEAD", "/v2/queues/first").send().await.expect(204);
    host.client().patch(&orders.path(""), named("_dead_letter_queue", json!("dead"))).await.expect(200);
    host.client().request("HEAD", &dead.path("")).send().await.expect(204);
    orders.post(["m"]).await;
    orders.claim(1).await.release().await;
    orders.claim(1).await.release().await;
    host.client().patch(&orders.path(""), named("_max_claim_count", json!(2))).await.expect(200);
    eventually("m is moved", SOON, async || (dead.counts().await == [1, 0, 1]).then_some(())).await;
}

/// A host with two flavors, of a pool each, and a pool without any.
async fn flavors() -> Host {
    let host = poolless().await;
    for name in ["a", "b"] {
        pool(&host, name, &format!("memory:{name}")).await;
        host.client().put(&format!("/v2/flavors/{name}"), json!({ "pool_list": [name] })).await.expect(201);
    }
    pool(&host, "plain", "memory:plain").await;
    host
}

fn flavor(name: &str) -> serde_json::Value {
    json!([{ "op": "replace", "path": "/metadata/_flavor", "value": name }])
}

#[tokio::test]
async fn a_queue_takes_its_dead_letter_queue_along_to_another_flavor() {
    let host = flavors().await;
    let (orders, dead) = (host.queue("orders"), host.queue("dead"));
    orders.create(json!({ "_flavor": "a", "_max_claim_count": 1, "_dead_letter_queue": "dead" })).await;
    for name in ["", "b", "a", "b"] {
        host.client().patch(&orders.path(""), flavor(name)).await.expect(200);
        orders.post(["m"]).await;
        orders.claim(1).await.release().await;
        eventually("m is moved", SOON, async || (dead.counts().await == [1, 0, 1]).then_some(())).await;
        assert_eq!(dead.pop(1).await.len(), 1);
    }
    host.client().delete("/v2/flavors/a").await.expect(204);
    host.client().delete("/v2/pools/a").await.expect(204);
}

#[tokio::test]
async fn a_queue_stays_beside_a_dead_letter_queue_that_cannot_go_along() {
    let host = flavors().await;
    let (orders, dead, others) = (host.queue("orders"), host.queue("dead"), host.queue("others"));
    let rule = json!({ "_flavor": "a", "_max_claim_count": 1, "_dead_letter_queue": "dead" });
    orders.create(rule.clone()).await;
    dead.post(["by hand"]).await;
    let refused = async |why: &str| {
        let told = host.client().patch(&orders.path(""), flavor("b")).await.expect(400).text().to_owned();
        assert!(told.contains("_dead_letter_queue dead must live beside its queue") && told.contains(why), "{told}");
    };
    refused("It holds messages.").await;
    dead.pop(1).await;
    others.create(rule).await;
    refused("Other queues send it their dead letters.").await;
    for queue in [&orders, &others] {
        queue.post(["m"]).await;
        queue.claim(1).await.release().await;
    }
    eventually("both are moved", SOON, async || (dead.counts().await == [2, 0, 2]).then_some(())).await;
    // Alone, without a rule, the name is held to the same.
    let apart = json!([{ "op": "add", "path": "/metadata/_dead_letter_queue", "value": "dead" }]);
    host.queue("apart").create(json!({ "_flavor": "b" })).await;
    host.client().patch("/v2/queues/apart", apart).await.expect(400);
    let (one, other) = (host.queue("one"), host.queue("other"));
    one.create(json!({ "_flavor": "a", "_max_claim_count": 1, "_dead_letter_queue": "other" })).await;
    let back = json!([{ "op": "add", "path": "/metadata/_dead_letter_queue", "value": "one" }]);
    host.client().patch(&other.path(""), back).await.expect(200);
    host.client().patch(&one.path(""), flavor("b")).await.expect(409);
}

#[tokio::test]
async fn a_dead_letter_queue_that_is_made_anew_leaves_nobody_without_it() {
    let host = flavors().await;
    pool(&host, "further", "memory:further").await;
    let dead = host.queue("dead");
    let rule = json!({ "_max_claim_count": 1, "_dead_letter_queue": "dead" });
    let queues: Vec<_> = (0..10).map(|number| host.queue(&format!("q{number}"))).collect();
    for queue in &queues {
        queue.create(rule.clone()).await;
        host.client().delete(&dead.path("")).await.expect(204);
    }
    // Where it would be made for one that cannot be beside them, they would lose it.
    let mut of_flavor = rule.clone();
    of_flavor["_flavor"] = json!("a");
    let told = host.client().put("/v2/queues/apart", of_flavor).await.expect(400).text().to_owned();
    assert!(told.contains("Other queues send it their dead letters."), "{told}");
    dead.create(json!({})).await;
    for queue in &queues {
        queue.post(["m"]).await;
        queue.claim(1).await.release().await;
    }
    eventually("all are moved", SOON, async || (dead.counts().await == [10, 0, 10]).then_some(())).await;
}

#[tokio::test]
async fn queues_that_are_made_at_once_share_a_dead_letter_queue() {
    let host = flavors().await;
    pool(&host, "further", "memory:further").await;
    for number in 0..20 {
        let rule = json!({ "_max_claim_count": 1, "_dead_letter_queue": format!("dead{number}") });
        let queues: Vec<_> = (0..4).map(|one| host.queue(&format!("q{number}-{one}"))).collect();
        join_all(queues.iter().map(|queue| queue.create(rule.clone()))).await;
        for queue in &queues {
            queue.post(["m"]).await;
            queue.claim(1).await.release().await;
        }
        let dead = host.queue(&format!("dead{number}"));
        eventually("all are moved", SOON, async || (dead.counts().await == [4, 0, 4]).then_some(())).await;
    }
}
