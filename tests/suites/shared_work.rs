//! What the service does by itself is done once, however many hosts share a catalog and a pool.

use serde_json::json;
use sukkal_tests::eventually::SOON;
use sukkal_tests::pools::{admin, pool, register};
use sukkal_tests::servers::Postgres;
use sukkal_tests::servers::redis::Redis;
use sukkal_tests::shared::Shared;
use sukkal_tests::{Host, Scrape, eventually};

/// What one script of the pool's settles at the most.
const STEP: u64 = 250;
const POSTS: u64 = 10;

/// Three hosts, and what they share.
struct Three {
    hosts: Vec<Host>,
    redis: Redis,
    _postgres: Postgres,
}

impl Three {
    async fn start() -> Three {
        let (postgres, redis) = (Postgres::start().await, Redis::in_memory());
        let setup = Host::with().top(&format!("catalog = {:?}\ndefault_pool = {:?}", postgres.uri(), redis.uri()));
        let (a, b, c) = tokio::join!(setup.clone().start(), setup.clone().start(), setup.start());
        Three { hosts: vec![a, b, c], redis, _postgres: postgres }
    }

    /// How often each host has called a method of the pool.
    async fn calls(&self, method: &str) -> Vec<u64> {
        let mut calls = Vec::new();
        for host in &self.hosts {
            let scrape = Scrape::of(&host.pages(), "/metrics").await;
            calls.push(scrape.sum("sukkal_store_calls_total", &[("kind", "pool"), ("method", method)]) as u64);
        }
        calls
    }

    /// Waits until each host has begun and ended a sweep.
    async fn all_sweep(&self) {
        let before = self.calls("sweep").await;
        let swept = async || {
            let now = self.calls("sweep").await;
            now.iter().zip(&before).all(|(now, before)| *now > before + 1).then_some(())
        };
        eventually("each host sweeps", SOON, swept).await;
    }

    /// How many scripts the server has run.
    fn scripts(&self) -> u64 {
        let said = self.redis.ask(&["INFO", "commandstats"]).expect("the server answers");
        let count = said.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls=")?.split(',').next());
        count.and_then(|count| count.parse().ok()).unwrap_or(0)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_falls_due_is_settled_once_for_all_hosts() {
    let three = Three::start().await;
    let queue = three.hosts[0].queue("q");
    queue.create(json!({})).await;
    three.redis.ask(&["CONFIG", "RESETSTAT"]).expect("the server answers");
    let swept = three.calls("sweep").await.iter().sum::<u64>();
    for _ in 0..POSTS {
        queue.post_messages((0..1_000).map(|_| json!({ "ttl": 300, "delay": 2, "body": 1 })).collect()).await;
    }
    // Each post is a script, and settles as well where some are due already.
    let alone = POSTS + POSTS * 1_000 / STEP;
    eventually("all is settled", SOON * 2, async || (three.scripts() >= alone).then_some(())).await;
    three.all_sweep().await;
    let scripts = three.scripts();
    three.all_sweep().await;
    // A sweep ends with the first script that finds less than it could settle.
    let short = three.calls("sweep").await.iter().sum::<u64>() - swept;
    assert!(scripts <= alone + short, "{scripts} scripts in place of {alone}, in {short} sweeps");
    assert_eq!(queue.counts().await, [10_000, 0, 10_000]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_queue_is_removed_by_the_host_that_deleted_it() {
    const QUEUES: usize = 12;
    let three = Three::start().await;
    for number in 0..QUEUES {
        three.hosts[number % 3].queue(&format!("q{number}")).post(["a", "b"]).await;
    }
    for number in 0..QUEUES {
        three.hosts[(number + 1) % 3].client().delete(&format!("/v2/queues/q{number}")).await.expect(204);
    }
    let all = async || {
        let dropped = three.calls("drop_queue").await;
        (dropped.iter().sum::<u64>() >= QUEUES as u64).then_some(dropped)
    };
    eventually("all are removed", SOON, all).await;
    three.all_sweep().await;
    let dropped = three.calls("drop_queue").await;
    // Where a host takes its time, another may have begun to help it.
    assert!(dropped.iter().all(|count| *count > 0), "each removes its own: {dropped:?}");
    assert!(dropped.iter().sum::<u64>() < QUEUES as u64 * 2, "others leave them to it: {dropped:?}");
}

#[tokio::test]
async fn a_server_whose_pool_another_host_has_deleted_is_registered_at_once() {
    let (shared, redis) = (Shared::postgresql_and_redis().await, Redis::in_memory());
    let setup = admin(shared.host_without_pool());
    let (here, there) = tokio::join!(setup.clone().start(), setup.start());
    let (name, address) = (format!("redis://localhost:{}", redis.port()), redis.uri());
    pool(&here, "p1", &address).await;
    let swept = async || {
        let calls = [("kind", "pool"), ("method", "sweep")];
        (Scrape::of(&there.pages(), "/metrics").await.sum("sukkal_store_calls_total", &calls) >= 2.0).then_some(())
    };
    eventually("the other host has asked which server it is", SOON, swept).await;
    let same = json!({ "uri": name, "weight": 1 });
    assert_eq!(register(&there, "p2", same.clone()).await.status, 409);
    here.client().delete("/v2/pools/p1").await.expect(204);
    register(&there, "p2", same).await.expect(201);
}
