//! Many hosts over one catalog and one pool are one service: whatever one of them was told, all know.

use std::any::Any;
use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sukkal_tests::batches::claimed_by_sevens;
use sukkal_tests::eventually::{SOON, whole_seconds};
use sukkal_tests::pools::{admin, patch, pool, register};
use sukkal_tests::servers::Postgres;
use sukkal_tests::servers::redis::Redis;
use sukkal_tests::shared::Shared;
use sukkal_tests::{Answer, Host, Queue, eventually};
use tokio::task::JoinHandle;

/// How long a store that is there again may take to be found.
const FOUND_AGAIN: Duration = Duration::from_secs(2);

/// Holds every pair of stores that hosts can share to a promise.
pub async fn over_each(promise: impl AsyncFn(Shared)) {
    promise(Shared::postgresql_and_redis().await).await;
}

/// One queue as clients of each of two hosts see it.
pub fn seen_by_both(hosts: &[Host; 2], name: &str) -> [Queue; 2] {
    [hosts[0].queue(name), hosts[1].queue(name)]
}

/// Waits for something to claim, or to read.
pub fn wait(queue: &Queue, claims: bool) -> JoinHandle<Answer> {
    let queue = queue.clone();
    tokio::spawn(async move {
        let client = queue.client();
        match claims {
            true => client.post(&queue.path("/claims?wait=20"), json!({ "ttl": 300, "grace": 60 })).await,
            false => client.get(&queue.path("/messages?echo=true&include_claimed=true&wait=20")).await,
        }
    })
}

async fn post_under(queue: &Queue, key: &str, body: &str) -> Answer {
    let body = json!({ "messages": [{ "ttl": 300, "body": body }] }).to_string();
    let path = queue.path("/messages");
    queue.client().request("POST", &path).header("idempotency-key", key).body(body).send().await
}

#[tokio::test]
async fn a_post_under_a_key_is_stored_once_whichever_hosts_it_is_sent_to() {
    over_each(async |shared| {
        let hosts = shared.pair().await;
        let queues = seen_by_both(&hosts, "orders");
        let posts: Vec<_> = (0..16)
            .map(|number| {
                let queue = queues[number % 2].clone();
                tokio::spawn(async move { post_under(&queue, "k", "a").await.expect(201).json() })
            })
            .collect();
        let mut answers = Vec::new();
        for post in posts {
            answers.push(post.await.expect("no task panics")["resources"].clone());
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        assert_eq!(queues[0].counts().await, [1, 0, 1]);
        post_under(&queues[1], "k", "another").await.expect(400);
    })
    .await;
}

#[tokio::test]
async fn a_rule_for_dead_letters_holds_on_every_host_at_once() {
    over_each(async |shared| {
        let hosts = shared.pair().await;
        let [here, there] = seen_by_both(&hosts, "orders");
        here.post(["bad", "good"]).await;
        // Now the other host knows the queue as it was before.
        there.claim(1).await.release().await;
        let rule = json!([
            { "op": "add", "path": "/metadata/_max_claim_count", "value": 2 },
            { "op": "add", "path": "/metadata/_dead_letter_queue", "value": "dead" },
        ]);
        here.client().patch(&here.path(""), rule).await.expect(200);
        there.claim(1).await.release().await;
        assert_eq!(there.claim(2).await.bodies(), ["good"]);
        assert_eq!(hosts[1].queue("dead").list("?echo=true").await.bodies(), ["bad"]);
        assert_eq!(hosts[0].queue("dead").list("?echo=true").await.bodies(), ["bad"]);
    })
    .await;
}

#[tokio::test]
async fn a_queue_that_one_host_has_made_anew_is_new_on_every_host() {
    over_each(async |shared| {
        let hosts = shared.pair().await;
        let [here, there] = seen_by_both(&hosts, "orders");
        let old = there.post(["old", "older"]).await;
        let claim = there.claim(1).await;
        here.client().delete(&here.path("")).await.expect(204);
        assert!(there.list("?echo=true&include_claimed=true").await.messages.is_empty());
        claim.get().await.expect(404);
        there.get(&old[0]).await.expect(404);
        here.post(["new"]).await;
        assert_eq!(there.list("?echo=true").await.bodies(), ["new"]);
        there.post(["newer"]).await;
        assert_eq!(here.list("?echo=true").await.bodies(), ["new", "newer"]);
    })
    .await;
}

/// A host whose user the pool refuses from then on, and two others.
async fn one_cut_off_and_two_others() -> (Host, [Host; 2], impl Any) {
    let (postgres, redis) = (Postgres::start().await, Redis::in_memory());
    let acl = |rules: &[&str]| redis.ask(&[&["ACL", "SETUSER", "cut"], rules].concat()).expect("the server answers");
    acl(&["on", ">secret", "~*", "&*", "+@all"]);
    let host = |user: &str| {
        let pool = format!("redis://{user}127.0.0.1:{}", redis.port());
        Host::with().top(&format!("catalog = {:?}\ndefault_pool = {pool:?}", postgres.uri())).start()
    };
    let (cut, here, there) = tokio::join!(host("cut:secret@"), host(""), host(""));
    acl(&["off"]);
    redis.ask(&["CLIENT", "KILL", "USER", "cut"]).expect("the server answers");
    (cut, [here, there], (postgres, redis))
}

#[tokio::test]
async fn a_queue_made_anew_before_its_pool_has_heard_of_the_deletion_is_new_on_every_host() {
    let (cut, hosts, _servers) = one_cut_off_and_two_others().await;
    for by_posting in [false, true] {
        let [here, there] = seen_by_both(&hosts, &format!("by-posting-{by_posting}"));
        there.post(["old"]).await;
        cut.client().delete(&here.path("")).await.expect(503);
        let mut bodies = vec!["newer"];
        if by_posting {
            here.post(["new"]).await;
            bodies.insert(0, "new");
        } else {
            here.create(json!({})).await;
        }
        there.post(["newer"]).await;
        for queue in [&here, &there] {
            assert_eq!(queue.list("?echo=true").await.bodies(), bodies);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_that_hosts_change_at_the_same_time_are_all_kept() {
    over_each(async |shared| {
        let hosts = shared.pair().await;
        let queues = seen_by_both(&hosts, "orders");
        queues[0].create(json!({})).await;
        let patches: Vec<_> = (0..30)
            .map(|number| {
                let queue = queues[number % 2].clone();
                tokio::spawn(async move {
                    let change = json!([{ "op": "add", "path": format!("/metadata/k{number}"), "value": number }]);
                    queue.client().patch(&queue.path(""), change).await.expect(200);
                    queue.post([number as u64]).await;
                })
            })
            .collect();
        for patch in patches {
            patch.await.expect("each is taken, and so are posts meanwhile");
        }
        let metadata = hosts[1].client().get(&queues[1].path("")).await.expect(200).json();
        assert!((0..30).all(|number| metadata[format!("k{number}")] == number), "{metadata}");
        assert_eq!(queues[0].counts().await, [30, 0, 30]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_on_all_hosts_share_the_messages_of_a_queue() {
    over_each(async |shared| {
        let hosts = shared.pair().await;
        let queues = seen_by_both(&hosts, "orders");
        for batch in 0..20 {
            queues[batch % 2].post((0..50).map(|number| (batch * 50 + number) as u64)).await;
        }
        let all = claimed_by_sevens(&queues, 16).await;
        let distinct: HashSet<u64> = all.iter().copied().collect();
        assert_eq!((all.len(), distinct.len()), (1_000, 1_000));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_a_queue_on_one_host_fails_no_post_on_another() {
    over_each(async |shared| {
        let hosts = shared.pair().await;
        let queues = seen_by_both(&hosts, "orders");
        let posters: Vec<_> = (0..4)
            .map(|number| {
                let queue = queues[number % 2].clone();
                tokio::spawn(async move {
                    for round in 0..25 {
                        queue.post([round]).await;
                    }
                })
            })
            .collect();
        while posters.iter().any(|poster| !poster.is_finished()) {
            for queue in &queues {
                queue.client().delete(&queue.path("")).await.expect(204);
            }
        }
        for poster in posters {
            poster.await.expect("each post is taken");
        }
    })
    .await;
}

#[tokio::test]
async fn what_a_host_left_behind_that_died_another_removes() {
    over_each(async |shared| {
        let [mut dies, lives] = shared.pair().await;
        let orders = dies.queue("orders");
        for _ in 0..10 {
            orders.post(0..1000).await;
        }
        let store = shared.opened().await;
        assert_eq!(store.messages().await, 10_000);
        dies.client().delete("/v2/queues/orders").await.expect(204);
        dies.kill();
        lives.queue("orders").post(["new"]).await;
        assert_eq!(lives.queue("orders").list("?echo=true").await.bodies(), ["new"]);
        let gone = async || (store.messages().await == 1).then_some(());
        eventually("the old messages are gone from the store", SOON * 3, gone).await;
    })
    .await;
}

/// Two hosts whose clocks are seven seconds off, one to each side.
async fn with_wrong_clocks(shared: &Shared) -> [Host; 2] {
    let setups = [7_000, -7_000].map(|ahead| shared.host().clock_ahead(ahead).start());
    let [ahead, behind] = setups;
    let (ahead, behind) = tokio::join!(ahead, behind);
    [ahead, behind]
}

#[tokio::test]
async fn hosts_with_wrong_clocks_agree_on_claims_delays_and_markers() {
    over_each(async |shared| {
        let hosts = with_wrong_clocks(&shared).await;
        let [ahead, behind] = seen_by_both(&hosts, "orders");
        let begun = Instant::now();
        ahead.post(["a"]).await;
        behind.post(["b"]).await;
        let first = behind.list("?echo=true&limit=1").await;
        let age = first.messages[0]["age"].as_u64().expect("an age");
        assert!(age <= whole_seconds(begun), "{age} seconds, though it has just been posted");
        assert_eq!(first.bodies(), ["a"]);
        ahead.post(["c"]).await;
        let second = behind.next(&first).await;
        let third = ahead.next(&second).await;
        assert_eq!([second.bodies(), third.bodies()].concat(), ["b", "c"], "a marker passes nothing by");
        let claim = behind.claim(1).await;
        assert!(claim.get().await.expect(200).json()["age"].as_u64().is_some_and(|age| age < 7));
        let seen = ahead.client().get(&claim.path()).await.expect(200).json();
        assert!(seen["age"].as_u64().is_some_and(|age| age < 7), "{seen}");
        assert_eq!(ahead.claim(3).await.bodies(), ["b", "c"], "what is claimed is so on every host");
        claim.release().await;
        let waiting = wait(&behind, true);
        assert_eq!(waiting.await.expect("no task panics").expect(201).json()["messages"][0]["body"], "a");
        ahead.post_messages(json!([{ "ttl": 300, "delay": 12, "body": "late" }])).await;
        assert!(behind.try_claim(1).await.is_none() && ahead.try_claim(1).await.is_none());
        let waiting = wait(&ahead, true);
        assert_eq!(waiting.await.expect("no task panics").expect(201).json()["messages"][0]["body"], "late");
    })
    .await;
}

/// A host without a default pool, and with the paths of administrators.
async fn poolless(shared: &Shared) -> Host {
    admin(shared.host_without_pool()).start().await
}

#[tokio::test]
async fn a_pool_that_is_registered_on_one_host_is_used_by_all() {
    over_each(async |shared| {
        let (here, there) = tokio::join!(poolless(&shared), poolless(&shared));
        let (one, two) = (Redis::in_memory(), Redis::in_memory());
        pool(&here, "one", &one.uri()).await;
        there.queue("first").post(["a"]).await;
        assert_eq!(here.queue("first").list("?echo=true").await.bodies(), ["a"]);
        pool(&there, "two", &two.uri()).await;
        register(&here, "three", json!({ "uri": two.uri(), "weight": 1 })).await.expect(409);
        patch(&here, "/v2/pools/one", json!({ "weight": 0 })).await.expect(200);
        here.client().put("/v2/flavors/second", json!({ "pool_list": ["two"] })).await.expect(201);
        there.queue("second").create(json!({ "_flavor": "second" })).await;
        there.queue("second").post(["b"]).await;
        assert!(two.ask(&["DBSIZE"]).is_ok_and(|size| size != ":0"), "the other server has it");
        there.client().delete("/v2/pools/one").await.expect(403);
        there.client().delete("/v2/queues/first").await.expect(204);
        there.client().delete("/v2/pools/one").await.expect(204);
        let is_gone = async || (here.client().get("/v2/pools/one").await.status == 404).then_some(());
        eventually("it is gone everywhere", SOON, is_gone).await;
        assert_eq!(here.queue("second").list("?echo=true").await.bodies(), ["b"]);
        here.client().get("/v2/queues/first/messages?echo=true").await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn a_pool_that_is_down_leaves_the_others_on_every_host_and_is_found_again() {
    over_each(async |shared| {
        let (here, there) = tokio::join!(poolless(&shared), poolless(&shared));
        let (mut down, up) = (Redis::start(), Redis::with("maxmemory-policy allkeys-lru\n"));
        pool(&here, "down", &format!("{}?timeout_ms=2000", down.uri())).await;
        here.queue("theirs").post(["a"]).await;
        patch(&here, "/v2/pools/down", json!({ "weight": 0 })).await.expect(200);
        pool(&there, "up", &up.uri()).await;
        there.queue("ours").post(["b"]).await;
        down.kill();
        for host in [&here, &there] {
            host.client().get("/v2/queues/theirs/messages?echo=true").await.expect(503);
            assert_eq!(host.queue("ours").list("?echo=true").await.bodies(), ["b"]);
            host.queue("ours").claim(1).await.release().await;
            let is_told = async || {
                let health = host.client().get("/v2/health").await.expect(200).json();
                let reachable = |name: &str| health[name]["storage_reachable"].as_bool();
                (reachable("down") == Some(false) && reachable("up") == Some(true)).then_some(health)
            };
            let health = eventually("health tells which one is down", SOON, is_told).await;
            let warned = |warnings: &Value| warnings[0].as_str().is_some_and(|text| text.contains("allkeys-lru"));
            assert!(warned(&health["up"]["warnings"]), "{health}");
            let listed = host.client().get("/v2/pools?detailed=true").await.expect(200).json();
            assert!(warned(&listed["pools"][1]["warnings"]), "{listed}");
        }
        down.start_again();
        for host in [&here, &there] {
            let served =
                async || (host.client().get("/v2/queues/theirs/messages?echo=true").await.status == 200).then_some(());
            eventually("the pool is found again", FOUND_AGAIN, served).await;
            assert_eq!(host.queue("theirs").list("?echo=true").await.bodies(), ["a"]);
        }
    })
    .await;
}
