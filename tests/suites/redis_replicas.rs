//! Pools in Redis that wait for replicas: what is acknowledged outlives its master.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sukkal_tests::eventually::SOON;
use sukkal_tests::servers::redis::{FAILOVER, Redis, Watched};
use sukkal_tests::{Host, Queue, eventually};

async fn host_over(watched: &Watched) -> Host {
    let uri = format!("{}&replicas=1&connections=8&timeout_ms=1000", watched.uri());
    Host::with().top(&format!("default_pool = {uri:?}")).start().await
}

/// Posts numbers until it is told to end; those that were acknowledged.
async fn keep_posting(queue: Queue, ends: Arc<AtomicBool>) -> Vec<u64> {
    let mut stored = Vec::new();
    for number in 0.. {
        if ends.load(Ordering::Relaxed) {
            break;
        }
        if try_post(&queue, number).await {
            stored.push(number);
        }
    }
    stored
}

async fn try_post(queue: &Queue, number: u64) -> bool {
    let body = serde_json::json!({ "messages": [{ "ttl": 3600, "body": number }] });
    let answer = queue.client().post(&queue.path("/messages"), body).await;
    assert!([201, 503].contains(&answer.status), "{}", answer.text());
    answer.status == 201
}

#[tokio::test]
async fn what_no_replica_has_is_not_acknowledged() {
    let watched = Watched::in_memory();
    let host = host_over(&watched).await;
    let queue = host.queue("q");
    assert!(try_post(&queue, 1).await);
    assert!(!host.log().contains("failover may lose"), "{}", host.log());
    watched.servers[1].freeze();
    let refused =
        queue.client().post(&queue.path("/messages"), serde_json::json!({ "messages": [{ "body": 2 }] })).await;
    assert!(refused.expect(503).text().contains("replicas are missing"));
    // Whoever reads on behind a message must be able to rely on it, too.
    queue.client().get(&queue.path("/messages?echo=true")).await.expect(503);
    watched.servers[1].thaw();
    eventually("posts are taken again", SOON, async || try_post(&queue, 3).await.then_some(())).await;
    let bodies = queue.list("?echo=true").await.bodies();
    assert_eq!((bodies.first(), bodies.last()), (Some(&1.into()), Some(&3.into())), "{bodies:?}");
}

#[tokio::test]
async fn who_waits_for_replicas_of_a_master_that_is_made_one_is_told_that_it_is_away() {
    let (master, other) = (Redis::in_memory(), Redis::in_memory());
    let uri = format!("{}?replicas=1&timeout_ms=20000", master.uri());
    let host = Host::with().top(&format!("default_pool = {uri:?}")).start().await;
    let queue = host.queue("q");
    let posting = tokio::spawn(async move {
        queue.client().post(&queue.path("/messages"), serde_json::json!({ "messages": [{ "body": 1 }] })).await
    });
    let waits = || master.ask(&["INFO", "clients"]).is_ok_and(|said| !said.contains("blocked_clients:0"));
    eventually("somebody waits for replicas", SOON, async || waits().then_some(())).await;
    let port = other.port().to_string();
    assert_eq!(master.ask(&["REPLICAOF", "127.0.0.1", &port]).unwrap(), "OK");
    posting.await.expect("the post does not panic").expect(503);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_under_load_loses_nothing_that_was_acknowledged() {
    let mut watched = Watched::start();
    let host = host_over(&watched).await;
    let ends = Arc::new(AtomicBool::new(false));
    let queues: Vec<Queue> = (0..4).map(|number| host.queue(&format!("q{number}"))).collect();
    let posting: Vec<_> = queues.iter().map(|queue| tokio::spawn(keep_posting(queue.clone(), ends.clone()))).collect();
    let stored = async || queues[0].client().get(&queues[0].path("/messages?echo=true&limit=20")).await;
    eventually("some are stored", SOON, async || (stored().await.text().matches("\"body\"").count() > 9).then_some(()))
        .await;
    // From here on the master writes what its replica will never get.
    watched.servers[1].freeze();
    watched.servers[0].ask(&["CLIENT", "KILL", "TYPE", "replica"]).expect("the master answers");
    let before = written(&watched.servers[0]);
    let alone = || written(&watched.servers[0]) > before + 4_000;
    eventually("the master writes alone", SOON, async || alone().then_some(())).await;
    watched.servers[0].kill();
    watched.servers[1].thaw();
    let promoted = || watched.servers[1].ask(&["INFO", "replication"]).is_ok_and(|said| said.contains("role:master"));
    eventually("the replica takes over", FAILOVER, async || promoted().then_some(())).await;
    // Alone it has no replica, and acknowledges nothing until the old master follows it.
    watched.servers[0].start_again();
    // The Sentinels would tell it so too, some ten seconds later.
    let port = watched.servers[1].port().to_string();
    assert_eq!(watched.servers[0].ask(&["REPLICAOF", "127.0.0.1", &port]).unwrap(), "OK");
    let again = host.queue("again");
    eventually("posts are taken again", FAILOVER, async || try_post(&again, 0).await.then_some(())).await;
    ends.store(true, Ordering::Relaxed);
    for (queue, posted) in queues.iter().zip(posting) {
        let acknowledged = posted.await.expect("the producer does not panic");
        let there = everything(queue).await;
        assert!(there.is_sorted(), "each producer's order is kept: {there:?}");
        let lost: Vec<_> = acknowledged.iter().filter(|number| there.binary_search(number).is_err()).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?} of {}", acknowledged.len());
    }
}

/// How many bytes a master has written for its replicas.
fn written(master: &Redis) -> u64 {
    let said = master.ask(&["INFO", "replication"]).expect("the master answers");
    let offset = said.lines().find_map(|line| line.trim().strip_prefix("master_repl_offset:"));
    offset.and_then(|offset| offset.parse().ok()).expect("it tells its offset")
}

/// The numbers of a queue's messages, in its order.
async fn everything(queue: &Queue) -> Vec<u64> {
    let mut all = Vec::new();
    let mut page = queue.list("?echo=true&limit=20").await;
    while !page.messages.is_empty() {
        all.extend(page.bodies().iter().filter_map(|body| body.as_u64()));
        page = queue.next(&page).await;
    }
    all
}
