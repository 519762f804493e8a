//! What a node of a Redis Cluster that stands still costs the others.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use sukkal_tests::batches::{Posters, everything, is_back, is_back_within, post, whole};
use sukkal_tests::eventually::SOON;
use sukkal_tests::servers::redis::{Cluster, FAILOVER, Redis};
use sukkal_tests::{Host, Queue, Scrape, eventually};

use crate::redis_failures::{over, wait_for_claim};

#[tokio::test]
async fn a_node_of_a_cluster_that_hangs_does_not_take_the_others_along() {
    let cluster = Cluster::in_memory(1);
    let host = over(&cluster.uri()).start().await;
    let queues: Vec<_> = (0..12).map(|number| host.queue(&format!("q{number}"))).collect();
    for queue in &queues {
        is_back(queue, "before").await;
    }
    cluster.nodes[0].freeze();
    for queue in &queues {
        is_back_within(FAILOVER, queue, "after").await;
    }
}

/// Whether a queue of a node says that it is watched.
fn is_marked(node: &Redis) -> bool {
    let headers = node.ask(&["KEYS", "sukkal:{*}:?????????????"]).unwrap_or_default();
    headers.lines().any(|header| node.ask(&["HEXISTS", header, "w"]).is_ok_and(|said| said == ":1"))
}

/// A queue on each master of a cluster, in the order of the nodes. What is claimed once from `q1` then is in `d1`, for
/// instance.
async fn on_each_node(cluster: &Cluster, host: &Host) -> Vec<Queue> {
    // Their number: the order in which a node tells them changes by itself.
    let headers = |node: &Redis| node.ask(&["KEYS", "sukkal:{*}:?????????????"]).map(|said| said.lines().count());
    let headers = |node: &Redis| headers(node).expect("the node answers");
    let masters = &cluster.nodes[..3];
    let mut found = [const { None }; 3];
    for number in 0..100 {
        let before: Vec<_> = masters.iter().map(headers).collect();
        let queue = host.queue(&format!("q{number}"));
        queue.create(json!({ "_max_claim_count": 1, "_dead_letter_queue": format!("d{number}") })).await;
        let node = masters.iter().zip(before).position(|(node, before)| headers(node) != before);
        found[node.expect("one of them has it")] = Some(queue);
        if found.iter().all(Option::is_some) {
            return found.into_iter().flatten().collect();
        }
    }
    panic!("a hundred queues lie on two nodes")
}

#[tokio::test]
async fn a_node_that_stands_still_delays_nobody_who_waits_at_another() {
    let cluster = without_full_coverage();
    // No answer is given up while this lasts.
    let uri = format!("{}&timeout_ms=60000", cluster.uri());
    let host = Host::with().top(&format!("default_pool = {uri:?}")).section("[limits]\nmax_wait = 60").start().await;
    let (node, queues) = (0, on_each_node(&cluster, &host).await);
    let (stuck, free) = (&queues[node], &queues[1]);
    stuck.post_messages(json!([{ "ttl": 300, "delay": 8, "body": "stuck" }])).await;
    free.post_messages(json!([{ "ttl": 300, "delay": 11, "body": "free" }])).await;
    // The other one's wait ends before the pool gives up the node.
    let (stuck_waits, free_waits) = (wait_for_claim(stuck, 60), wait_for_claim(free, 30));
    let marked = || cluster.nodes.iter().filter(|node| is_marked(node)).count();
    eventually("both are watched", SOON, async || (marked() == 2).then_some(())).await;
    cluster.nodes[node].freeze();
    let claimed = free_waits.await.expect("no task panics").expect(201).json();
    assert_eq!(claimed["messages"][0]["body"], "free");
    cluster.nodes[node].thaw();
    let claimed = stuck_waits.await.expect("no task panics").expect(201).json();
    assert_eq!(claimed["messages"][0]["body"], "stuck");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_of_a_node_that_stands_still_is_found_where_replicas_are_waited_for() {
    let cluster = Cluster::in_memory(2);
    // Whoever waits for replicas is patient.
    let host = over(&format!("{}&replicas=1&connections=8&timeout_ms=8000", cluster.uri())).start().await;
    let queues = on_each_node(&cluster, &host).await;
    let posters = Posters::start(&queues[0], 2);
    let mut stored = vec![is_back(&queues[0], "before").await];
    cluster.nodes[0].freeze();
    let has_place = |node: &Redis| node.ask(&["INFO", "replication"]).is_ok_and(|said| said.contains("role:master"));
    let promoted = async || cluster.nodes[3..].iter().any(has_place).then_some(());
    eventually("a replica has its place", FAILOVER, promoted).await;
    stored.push(is_back_within(3 * SOON, &queues[0], "after").await);
    stored.extend(posters.end().await);
    whole(&everything(&queues[0]).await, &stored);
}

/// A cluster without replicas whose nodes serve on when another one does not.
fn without_full_coverage() -> Cluster {
    let cluster = Cluster::in_memory(0);
    for node in &cluster.nodes {
        node.ask(&["CONFIG", "SET", "cluster-require-full-coverage", "no"]).expect("the node answers");
    }
    cluster
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stands_still_slows_nobody_who_posts_to_another() {
    let cluster = without_full_coverage();
    // Trying to connect to a node that stands still takes three seconds.
    let host = over(&format!("{}&timeout_ms=1000&connect_timeout_ms=9000", cluster.uri())).start().await;
    let (node, queues) = (0, on_each_node(&cluster, &host).await);
    let (stuck, free) = (&queues[node], &queues[1]);
    cluster.nodes[node].freeze();
    let posters = Posters::start(stuck, 2);
    // The first of them has been given up.
    assert_eq!(post(stuck, "frozen").await, 503);
    let mut took = Vec::new();
    for number in 0..20 {
        let begun = Instant::now();
        assert_eq!(post(free, &format!("free-{number}")).await, 201);
        took.push(begun.elapsed());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    took.sort_unstable();
    assert!(took[took.len() / 2] < Duration::from_millis(1500), "{took:?}");
    cluster.nodes[node].thaw();
    let after = is_back(stuck, "after").await;
    let mut stored = posters.end().await;
    stored.push(after);
    whole(&everything(stuck).await, &stored);
}

/// The driver logs each of its attempts: those of requests that are repeated, and of every sweep.
#[tokio::test]
async fn a_node_that_is_gone_does_not_flood_the_log() {
    let mut cluster = without_full_coverage();
    let host = over(&cluster.uri()).start().await;
    let queues = on_each_node(&cluster, &host).await;
    cluster.nodes[0].kill();
    let before = host.log().lines().count();
    assert_eq!(post(&queues[0], "gone").await, 503);
    let log = host.log();
    let new: Vec<_> = log.lines().skip(before).collect();
    assert!(new.iter().any(|line| line.contains("Failed to connect to node")), "{log}");
    assert!(new.len() < 40, "{} lines: {log}", new.len());
}

#[tokio::test]
async fn a_node_that_stands_still_holds_up_no_sweep_of_another() {
    let cluster = without_full_coverage();
    let host = over(&cluster.uri()).start().await;
    let queues = on_each_node(&cluster, &host).await;
    // The one that knows what there is to sweep.
    let knows = |node: &Redis| node.ask(&["EXISTS", "sukkal:tags"]).is_ok_and(|said| said == ":1");
    let stuck = cluster.nodes.iter().position(knows).expect("one of them has it");
    cluster.nodes[stuck].freeze();
    for queue in queues.iter().enumerate().filter(|(node, _)| *node != stuck).map(|(_, queue)| queue) {
        queue.post(["once"]).await;
        queue.claim(1).await.release().await;
        let dead = host.queue(&queue.name().replace('q', "d"));
        let moved = async || (dead.pop(1).await.first()?["body"] == "once").then_some(());
        // Each sweep waits for the one that stands still when it has done the others.
        eventually("its last claim has ended", 3 * SOON, moved).await;
    }
}

#[tokio::test]
async fn a_pool_with_a_node_that_stands_still_is_told_of_once_however_many_queues_it_has() {
    let cluster = without_full_coverage();
    let host = over(&format!("{}&timeout_ms=1000", cluster.uri())).start().await;
    // More placements than one sweep looks at together.
    for number in 0..250 {
        host.queue(&format!("q{number}")).create(json!({})).await;
    }
    let before = host.log().len();
    let told = |what: &str| host.log()[before..].matches(what).count();
    let sweeps = async || {
        let calls = [("kind", "pool"), ("method", "sweep")];
        Scrape::of(&host.pages(), "/metrics").await.sum("sukkal_store_calls_total", &calls)
    };
    cluster.nodes[0].freeze();
    eventually("it is told of", 3 * SOON, async || (told("the pool does not answer") == 1).then_some(())).await;
    let then = sweeps().await;
    eventually("it was swept again and again", 3 * SOON, async || (sweeps().await >= then + 8.0).then_some(())).await;
    assert_eq!((told("the pool does not answer"), told("the pool answers again")), (1, 0), "{}", host.log());
    cluster.nodes[0].thaw();
    eventually("that is told, too", 3 * SOON, async || (told("the pool answers again") == 1).then_some(())).await;
}

/// The headers of queues that a node has.
fn headers(node: &Redis) -> BTreeSet<String> {
    let said = node.ask(&["KEYS", "sukkal:{*}:?????????????"]).expect("the node answers");
    said.lines().filter(|line| line.starts_with("sukkal")).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_queues_of_a_node_that_stands_still_keep_none_of_another() {
    // How many are removed at once, by id.
    const AT_ONCE: usize = 8;
    let cluster = without_full_coverage();
    let host = over(&format!("{}&timeout_ms=300", cluster.uri())).start().await;
    let id = |header: &String| header.rsplit(':').next().unwrap_or_default().to_owned();
    let (mut known, mut silent, mut stuck) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    let mut numbers = 0..;
    let (last, header) = loop {
        let queue = host.queue(&format!("q{}", numbers.next().unwrap_or(0)));
        queue.create(json!({})).await;
        let (first, others) = (headers(&cluster.nodes[0]), cluster.nodes[1..].iter().flat_map(headers));
        let all: BTreeSet<_> = first.iter().cloned().chain(others).collect();
        let new = all.difference(&known).next().expect("it is new").clone();
        known = all;
        if first.contains(&new) {
            silent.insert(id(&new));
            stuck.push(queue);
        } else if silent.range(..id(&new)).count() >= AT_ONCE {
            break (queue, new);
        }
    };
    cluster.nodes[0].freeze();
    // Whoever deletes what is silent is told that it is not over yet.
    join_all(stuck.iter().map(async |queue| queue.client().delete(&queue.path("")).await.expect(503))).await;
    let told = async || {
        let calls = [("kind", "pool"), ("method", "configure")];
        Scrape::of(&host.pages(), "/metrics").await.sum("sukkal_store_calls_total", &calls)
    };
    let then = told().await;
    let are_due = async || (told().await >= then + AT_ONCE as f64).then_some(());
    eventually("the host tries to remove them", 3 * SOON, are_due).await;
    last.client().delete(&last.path("")).await.expect(204);
    let is_gone = async || cluster.nodes[1..].iter().all(|node| !headers(node).contains(&header)).then_some(());
    eventually("the last one is removed", 3 * SOON, is_gone).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_replica_is_away_keeps_its_connections_where_another_was_replaced() {
    let cluster = Cluster::in_memory(1);
    let host = over(&format!("{}&replicas=1&timeout_ms=4000", cluster.uri())).start().await;
    let queues = on_each_node(&cluster, &host).await;
    let says = |node: &Redis, what: &str| node.ask(&["INFO", "replication"]).is_ok_and(|said| said.contains(what));
    let replica_of = |master: usize| {
        let port = format!("master_port:{}\r", cluster.nodes[master].port());
        cluster.nodes[3..].iter().find(|node| says(node, &port)).expect("it has one")
    };
    let (other, away) = (replica_of(1), replica_of(0));
    let is_replaced = async || {
        let _ = other.ask(&["CLUSTER", "FAILOVER"]);
        says(other, "role:master").then_some(())
    };
    eventually("another master is replaced", 3 * SOON, is_replaced).await;
    is_back(&queues[1], "after").await;
    let before = host.log().len();
    away.freeze();
    join_all((0..4).map(async |number| assert_eq!(post(&queues[0], &format!("away-{number}")).await, 503))).await;
    assert!(!host.log()[before..].contains("are replaced"), "{}", host.log());
    away.thaw();
    is_back(&queues[0], "again").await;
}
