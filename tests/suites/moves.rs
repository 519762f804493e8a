//! Queues that move to a pool of another flavor, while pools, hosts and clocks fail.

use std::time::Duration;

use serde_json::{Value, json};
use sukkal_tests::eventually::SOON;
use sukkal_tests::pools::{admin, poolless, register};
use sukkal_tests::queue::Queue;
use sukkal_tests::servers::proxy::Proxy;
use sukkal_tests::servers::redis::Redis;
use sukkal_tests::shared::Shared;
use sukkal_tests::{Answer, Host, Scrape, eventually};

/// Longer than a queue is left to whoever moves it.
const ABANDONED: Duration = Duration::from_secs(60);

/// A flavor with a pool of its own, of the same name.
async fn flavor(host: &Host, name: &str, uri: &str) {
    register(host, name, json!({ "uri": uri, "weight": 1, "flavor": name })).await.expect(201);
    host.client().put(&format!("/v2/flavors/{name}"), json!({ "pool_list": [name] })).await.expect(201);
}

async fn move_to(queue: &Queue, flavor: &str) -> Answer {
    let patch = json!([{ "op": "replace", "path": "/metadata/_flavor", "value": flavor }]);
    queue.client().patch(&queue.path(""), patch).await
}

async fn post_under(queue: &Queue, key: &str, body: &str) -> Answer {
    let body = json!({ "messages": [{ "ttl": 300, "body": body }] }).to_string();
    let post = queue.client().request("POST", &queue.path("/messages")).header("idempotency-key", key).body(body);
    post.send().await
}

fn resources(answer: &Answer) -> Value {
    answer.json()["resources"].clone()
}

#[tokio::test]
async fn a_repeated_post_is_refused_while_the_pool_where_its_queue_was_does_not_answer() {
    let (host, mut redis) = (poolless().await, Redis::start());
    flavor(&host, "far", &format!("{}?timeout_ms=2000", redis.uri())).await;
    flavor(&host, "near", "sqlite:near.db").await;
    let orders = host.queue("orders");
    orders.create(json!({ "_flavor": "far" })).await;
    let first = resources(&post_under(&orders, "k", "x").await.expect(201));
    assert_eq!(orders.pop(1).await.len(), 1);
    move_to(&orders, "near").await.expect(200);
    redis.kill();
    for (key, body) in [("k", "x"), ("k", "another"), ("unknown", "x")] {
        post_under(&orders, key, body).await.expect(503);
        assert_eq!(orders.counts().await, [0, 0, 0], "{key} {body}");
    }
    orders.post(["without a key"]).await;
    redis.start_again();
    let again = eventually("the pool is found again", SOON, async || {
        let answer = post_under(&orders, "k", "x").await;
        (answer.status != 503).then_some(answer)
    });
    assert_eq!(resources(&again.await.expect(201)), first);
    post_under(&orders, "k", "another").await.expect(400);
    assert_eq!(orders.counts().await, [1, 0, 1]);
    post_under(&orders, "unknown", "x").await.expect(201);
    assert_eq!(orders.counts().await, [2, 0, 2]);
}

#[tokio::test]
async fn a_queue_that_has_moved_too_often_waits_until_keys_are_forgotten() {
    let limits = "[limits]\nidempotency_window = 15\nrequest_timeout = 15";
    let host = admin(Host::with().top("default_pool = \"\"").section(limits)).start().await;
    for number in 0..10 {
        flavor(&host, &format!("f{number}"), &format!("memory:p{number}")).await;
    }
    let orders = host.queue("orders");
    orders.create(json!({ "_flavor": "f0" })).await;
    for number in 1..=8 {
        move_to(&orders, &format!("f{number}")).await.expect(200);
    }
    let refused = move_to(&orders, "f9").await.expect(409).json();
    let text = "The flavor of the queue cannot be changed. It has moved too often of late. Try again in some minutes.";
    assert_eq!(refused, json!({ "title": "Resource conflict", "description": text }));
    assert_eq!(host.client().get(&orders.path("")).await.expect(200).json()["_flavor"], "f8");
    let there = resources(&post_under(&orders, "k", "x").await.expect(201));
    assert_eq!(resources(&post_under(&orders, "k", "x").await.expect(201)), there);
    assert_eq!(orders.pop(1).await.len(), 1);
    let moved = async || (move_to(&orders, "f9").await.status == 200).then_some(());
    eventually("keys are forgotten, and the queue moves", SOON * 3, moved).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_that_others_change_while_a_queue_moves_are_changed() {
    let host = poolless().await;
    flavor(&host, "f0", "memory:p0").await;
    flavor(&host, "f1", "sqlite:p1.db").await;
    let orders = host.queue("orders");
    orders.create(json!({ "_flavor": "f0" })).await;
    let changes = (0..4).map(|who| {
        let queue = orders.seen_by(host.client());
        tokio::spawn(async move {
            for number in 0..40 {
                let (name, value) = match who {
                    0 => ("_flavor".to_owned(), json!(format!("f{}", number % 2))),
                    _ => (format!("k{who}"), json!(number)),
                };
                let patch = json!([{ "op": "add", "path": format!("/metadata/{name}"), "value": value }]);
                queue.client().patch(&queue.path(""), patch).await.expect(200);
            }
        })
    });
    for change in changes.collect::<Vec<_>>() {
        change.await.expect("every change is made");
    }
    let metadata = host.client().get(&orders.path("")).await.expect(200).json();
    assert_eq!(
        ["_flavor", "k1", "k2", "k3"].map(|name| metadata[name].clone()),
        [json!("f1"), json!(39), json!(39), json!(39)]
    );
}

/// Two hosts over one catalog without a default pool, of which the second has a clock that is off by so many
/// milliseconds.
async fn hosts(shared: &Shared, off: i64) -> [Host; 2] {
    let setup = admin(shared.host_without_pool());
    let (one, other) = tokio::join!(setup.clone().start(), setup.clock_ahead(off).start());
    [one, other]
}

async fn catalog_calls(host: &Host, method: &str) -> f64 {
    let calls = [("kind", "catalog"), ("method", method)];
    Scrape::of(&host.pages(), "/metrics").await.sum("sukkal_store_calls_total", &calls)
}

#[tokio::test]
async fn a_host_whose_clock_is_ahead_leaves_a_move_to_whoever_is_at_it() {
    let shared = Shared::postgresql_and_redis().await;
    let [mover, other] = hosts(&shared, 3_600_000).await;
    let (near, far) = (Redis::in_memory(), Redis::in_memory());
    flavor(&mover, "near", &near.uri()).await;
    flavor(&mover, "far", &format!("{}?timeout_ms=20000", far.uri())).await;
    let (orders, seen) = (mover.queue("orders"), other.queue("orders"));
    orders.create(json!({ "_flavor": "near" })).await;
    assert_eq!(seen.counts().await, [0, 0, 0]);
    far.freeze();
    let commits = catalog_calls(&mover, "commit").await;
    let moving = tokio::spawn(async move { move_to(&orders, "far").await });
    let is_moving = async || (catalog_calls(&mover, "commit").await > commits).then_some(());
    eventually("the queue is on its way", SOON, is_moving).await;
    let (looks, commits) = (catalog_calls(&other, "get").await, catalog_calls(&other, "commit").await);
    let listing = tokio::spawn(async move { seen.list("?echo=true").await });
    let looked = async || (catalog_calls(&other, "get").await > looks + 10.0).then_some(());
    eventually("the other host looks whether it has arrived", SOON, looked).await;
    assert_eq!(catalog_calls(&other, "commit").await, commits, "it takes nothing back");
    far.thaw();
    moving.await.expect("no task panics").expect(200);
    assert!(listing.await.expect("no task panics").messages.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_is_looked_at_while_it_moves_keeps_its_dead_letter_queue_beside_it() {
    let host = poolless().await;
    flavor(&host, "near", "sqlite:near.db").await;
    flavor(&host, "far", "sqlite:far.db").await;
    let (orders, dead) = (host.queue("orders"), host.queue("dead"));
    orders.create(json!({ "_flavor": "near", "_max_claim_count": 1, "_dead_letter_queue": "dead" })).await;
    for round in 0..10 {
        let lookers: Vec<_> = (0..4)
            .map(|_| {
                let orders = orders.clone();
                tokio::spawn(async move {
                    for _ in 0..50 {
                        orders.counts().await;
                    }
                })
            })
            .collect();
        move_to(&orders, ["far", "near"][round % 2]).await.expect(200);
        for looker in lookers {
            looker.await.expect("it can be looked at meanwhile");
        }
        orders.post(["m"]).await;
        dies(&orders, &dead).await;
    }
}

#[tokio::test]
async fn a_move_that_ends_half_way_with_its_host_can_be_made_again_from_a_host_whose_clock_is_behind() {
    let shared = Shared::postgresql_and_redis().await;
    let [mut mover, other] = hosts(&shared, -600_000).await;
    let (near, far) = (Redis::in_memory(), Redis::in_memory());
    let proxy = Proxy::to(far.port()).await;
    flavor(&mover, "near", &near.uri()).await;
    flavor(&mover, "far", &format!("redis://127.0.0.1:{}?timeout_ms=20000", proxy.port())).await;
    let (orders, dead) = (other.queue("orders"), other.queue("dead"));
    orders.create(json!({ "_flavor": "near", "_max_claim_count": 1, "_dead_letter_queue": "dead" })).await;
    // The dead letter queue has gone ahead when the other pool is to be told of the queue itself.
    proxy.swallow_from("p1\0orders");
    let patch = json!([{ "op": "replace", "path": "/metadata/_flavor", "value": "far" }]).to_string();
    let client = mover.client();
    let moving = tokio::spawn(async move {
        let patch = client.request("PATCH", "/v2/queues/orders").body(patch);
        patch.header("content-type", sukkal_tests::rest::JSON_PATCH).try_send().await
    });
    let half_way = async || proxy.has_swallowed().then_some(());
    eventually("the dead letter queue has moved", SOON, half_way).await;
    mover.kill();
    // Its dead letter queue cannot be brought back yet when the queue is found to stay.
    far.freeze();
    assert!(moving.await.expect("no task panics").is_err(), "nobody was told that it has moved");
    let ids = eventually("the queue is not left on its way", ABANDONED, async || {
        let answer = post_under(&orders, "k", "m").await;
        (answer.status == 201).then(|| resources(&answer))
    })
    .await;
    far.thaw();
    let answers = async || (other.client().get(&dead.path("/stats")).await.status == 200).then_some(());
    eventually("the other pool is found again", SOON, answers).await;
    dies(&orders, &dead).await;
    move_to(&orders, "far").await.expect(200);
    assert_eq!(resources(&post_under(&orders, "k", "m").await.expect(201)), ids);
    assert_eq!([orders.counts().await, dead.counts().await], [[0, 0, 0]; 2], "it is not stored again");
    mover.start_again().await;
    let (orders, dead) = (mover.queue("orders"), mover.queue("dead"));
    orders.post(["m"]).await;
    dies(&orders, &dead).await;
}

/// The only message of a queue goes to its dead letter queue, and is taken out there.
async fn dies(queue: &Queue, dead: &Queue) {
    let claim = queue.claim(10).await;
    assert_eq!(claim.bodies(), ["m"]);
    claim.release().await;
    // Whoever uses the queue next has its dead letter queue brought back.
    let counts = async || [queue.counts().await, dead.counts().await];
    let is_dead = async || (counts().await == [[0, 0, 0], [1, 0, 1]]).then_some(());
    eventually("m is a dead letter", SOON * 2, is_dead).await;
    assert_eq!(dead.pop(10).await.len(), 1);
    assert_eq!(queue.counts().await, [0, 0, 0]);
}
