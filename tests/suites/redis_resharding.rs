//! A Redis Cluster whose slots are moved from one master to another while clients go on.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use sukkal_tests::batches::{Posters, everything, is_back, whole};
use sukkal_tests::eventually::SOON;
use sukkal_tests::pools::admin;
use sukkal_tests::servers::redis::Cluster;
use sukkal_tests::shared::Shared;
use sukkal_tests::stores::REDIS;
use sukkal_tests::{Answer, Claim, Host, Queue, eventually};
use tokio::time::{Instant, sleep_until};

use crate::redis_failures::wait_for_claim;

async fn host_over(cluster: &Cluster) -> Host {
    let uri = format!("{}&timeout_ms=1000", cluster.uri());
    let limits = "[limits]\nmax_messages_per_page = 1000\nmax_wait = 120";
    Host::with().top(&format!("default_pool = {uri:?}")).section(limits).start().await
}

/// The header of the only queue whose keys no earlier queue of the test has had.
fn header(cluster: &Cluster, known: &mut Vec<String>) -> String {
    let all = cluster.nodes.iter().flat_map(|node| {
        let said = node.ask(&["KEYS", "sukkal:{*}:?????????????"]).expect("the node answers");
        said.lines().map(str::to_owned).collect::<Vec<_>>()
    });
    // A replica has what its master has.
    let new: BTreeSet<_> = all.filter(|key| !known.contains(key)).collect();
    let new = Vec::from_iter(new);
    assert_eq!(new.len(), 1, "{new:?}");
    known.push(new[0].clone());
    new[0].clone()
}

/// Whatever a client can ask of a queue.
async fn everything_asked(queue: &Queue, claim: &Claim, free: &str) -> Vec<Answer> {
    let client = queue.client();
    let message = json!({ "messages": [{ "ttl": 3600, "body": "new" }] });
    let (posts, claims, first) = (queue.path("/messages"), queue.path("/claims?limit=2"), claim.ids()[0].clone());
    let (pop, list, stats) = (queue.path("/messages?pop=2"), queue.path("/messages?echo=true"), queue.path("/stats"));
    let held = claim.path();
    let (a, b, c, d, e, f, g, h, i, j) = tokio::join!(
        client.post(&posts, message),
        client.post(&claims, json!({ "ttl": 300, "grace": 60 })),
        client.delete(&pop),
        client.get(&list),
        client.get(&stats),
        queue.get(free),
        queue.delete(free),
        queue.delete_claimed(&first, &claim.id),
        claim.renew(400),
        client.delete(&held),
    );
    vec![a, b, c, d, e, f, g, h, i, j]
}

/// What is there of a queue, held or not.
async fn bodies(queue: &Queue) -> Vec<Value> {
    queue.list("?echo=true&include_claimed=true&include_delayed=true").await.bodies()
}

#[tokio::test]
async fn nothing_is_done_half_way_while_a_slot_is_moved() {
    let cluster = Cluster::in_memory(0);
    let host = host_over(&cluster).await;
    let mut known = Vec::new();
    // What a queue is made of (decision 10), each part the first to go, and each the only one to stay.
    for (number, part) in ["", ":i", ":0b", ":0s", ":0r", ":0x", ":0c", ":0w", ":c", ":C", ":h"].iter().enumerate() {
        let queue = host.queue(&format!("q{number}"));
        let ids = queue.post(["a", "b", "c", "d", "e", "f"]).await;
        let claim = queue.claim(2).await;
        let key = header(&cluster, &mut known);
        let slot = cluster.slot(&key);
        let moving = cluster.begin_move(slot);
        let parts = cluster.keys_in(slot, cluster.owner(slot));
        let (one, others): (Vec<_>, Vec<_>) = parts.into_iter().partition(|there| *there == format!("{key}{part}"));
        assert_eq!(one.len(), 1, "{key}{part}");
        cluster.move_keys(&moving, if number % 2 == 0 { &one } else { &others });
        for answer in everything_asked(&queue, &claim, &ids[5]).await {
            assert_eq!(answer.status, 503, "{part}: {}", answer.text());
        }
        cluster.finish_move(&moving);
        eventually("it goes on", SOON, async || {
            (queue.client().get(&queue.path("/stats")).await.status == 200).then_some(())
        })
        .await;
        assert_eq!(queue.counts().await, [4, 2, 6], "{part}");
        assert_eq!(bodies(&queue).await, ["a", "b", "c", "d", "e", "f"], "{part}");
        assert_eq!(queue.claim(6).await.bodies(), ["c", "d", "e", "f"], "{part}");
        claim.release().await;
        assert_eq!(queue.claim(6).await.bodies(), ["a", "b"], "{part}");
    }
    assert!(!host.log().contains("non local key"), "{}", host.log());
}

#[tokio::test]
async fn queues_are_made_also_while_the_slot_is_moved_that_knows_of_all() {
    let cluster = Cluster::in_memory(0);
    let uri = format!("{}&timeout_ms=20000", cluster.uri());
    let host = Host::with().top(&format!("default_pool = {uri:?}")).start().await;
    // Nobody has used a placement yet, so that the key is not there, and is asked for where it is to go.
    let moving = cluster.begin_move(cluster.slot("sukkal:tags"));
    let (client, path) = (host.client().clone(), host.queue("q").path("/messages"));
    let mut posting = tokio::spawn(async move { client.post(&path, json!({ "messages": [{ "body": 1 }] })).await });
    let waits = tokio::time::timeout(Duration::from_secs(1), &mut posting).await;
    assert!(waits.is_err(), "it is repeated until the slot is there: {waits:?}");
    cluster.finish_move(&moving);
    posting.await.expect("the post does not panic").expect(201);
}

#[tokio::test]
async fn what_falls_due_while_its_slot_is_moved_does_so_afterwards() {
    let cluster = Cluster::in_memory(0);
    let host = host_over(&cluster).await;
    const DELAY: Duration = Duration::from_secs(6);
    let (queue, mut known) = (host.queue("q"), Vec::new());
    queue.post_messages(json!([{ "ttl": 3600, "delay": DELAY.as_secs(), "body": "late" }])).await;
    let is_due = Instant::now() + DELAY + Duration::from_secs(1);
    let key = header(&cluster, &mut known);
    let waiting = wait_for_claim(&queue, 110);
    let marked = || cluster.nodes[cluster.owner(cluster.slot(&key))].ask(&["HEXISTS", &key, "w"]);
    eventually("somebody waits", SOON, async || marked().is_ok_and(|said| said == ":1").then_some(())).await;
    let moving = cluster.begin_move(cluster.slot(&key));
    cluster.move_keys(&moving, &[key]);
    // Other queues are swept meanwhile, and their dead letters moved.
    let (other, dead) = (host.queue("other"), host.queue("dead"));
    other.create(json!({ "_max_claim_count": 1, "_dead_letter_queue": "dead" })).await;
    for number in 0..3 {
        other.post([number]).await;
        other.claim(1).await.release().await;
        let moved = async || (dead.counts().await[2] > number).then_some(());
        eventually("the sweep goes on elsewhere", SOON, moved).await;
    }
    sleep_until(is_due).await;
    cluster.finish_move(&moving);
    let claimed = waiting.await.expect("the waiter does not panic").expect(201).json();
    assert_eq!(claimed["messages"][0]["body"], "late");
}

#[tokio::test]
async fn a_pool_says_what_it_holds_without_the_slot_that_is_moved() {
    let cluster = Cluster::in_memory(0);
    let host = host_over(&cluster).await;
    host.queue("q").post(["a", "b"]).await;
    let slot = cluster.slot(&header(&cluster, &mut Vec::new()));
    let pool = Shared::new(String::new(), cluster.uri(), REDIS, ()).opened().await;
    assert_eq!(pool.messages().await, 2);
    let moving = cluster.begin_move(slot);
    cluster.move_keys(&moving, &cluster.keys_in(slot, cluster.owner(slot)));
    assert_eq!(pool.messages().await, 0);
    cluster.finish_move(&moving);
    eventually("it is there", SOON, async || (pool.messages().await == 2).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_are_whole_while_their_slot_goes_to_and_fro() {
    let cluster = Cluster::in_memory(0);
    let host = host_over(&cluster).await;
    let (queue, mut known) = (host.queue("q"), Vec::new());
    is_back(&queue, "first").await;
    let slot = cluster.slot(&header(&cluster, &mut known));
    let posters = Posters::start(&queue, 4);
    for round in 0..8 {
        let moving = cluster.begin_move(slot);
        let keys = cluster.keys_in(slot, cluster.owner(slot));
        for keys in keys.chunks(7).take(5) {
            cluster.move_keys(&moving, keys);
            tokio::task::yield_now().await;
        }
        cluster.finish_move(&moving);
        is_back(&queue, &format!("after-{round}")).await;
    }
    let stored = posters.end().await;
    assert!(stored.len() > 8, "{stored:?}");
    whole(&everything(&queue).await, &stored);
}

/// Whether the host's health warns of slots that are half-way.
async fn warns(host: &Host) -> bool {
    host.client().get("/v2/health").await.text().contains("broke off half-way")
}

#[tokio::test]
async fn a_failover_in_the_middle_of_a_slots_move_is_warned_of_until_it_is_mended() {
    let mut cluster = Cluster::prepare(1);
    cluster.join();
    let host = admin(Host::with().top(&format!("default_pool = {:?}", cluster.uri()))).start().await;
    // The node that takes the slot in serves nothing until it is mended: here the one by which the pool is tried.
    let (mut known, tried) = (Vec::new(), cluster.owner(cluster.slot("sukkal:probe")));
    let (queue, key, slot, from) = loop {
        let queue = host.queue(&format!("q{}", known.len()));
        is_back(&queue, "first").await;
        let key = header(&cluster, &mut known);
        let slot = cluster.slot(&key);
        let from = cluster.owner(slot);
        if cluster.another(from) == tried {
            break (queue, key, slot, from);
        }
    };
    let moving = cluster.begin_move(slot);
    cluster.move_keys(&moving, &[key]);
    assert!(!warns(&host).await, "a move that goes on is none that broke off");
    cluster.nodes[from].kill();
    eventually("it warns", SOON * 2, async || warns(&host).await.then_some(())).await;
    cluster.nodes[from].start_again();
    let port = cluster.nodes[(from + 1) % 3].port();
    let mended = async || {
        let mut fix = Command::new("redis-cli");
        fix.args(["--cluster", "fix", &format!("127.0.0.1:{port}"), "--cluster-yes"]);
        fix.output().expect("redis-cli is installed");
        (!warns(&host).await).then_some(())
    };
    eventually("it is mended", SOON * 3, mended).await;
    is_back(&queue, "after").await;
}
