//! MongoDB: the contracts through the built library, the wire, several hosts, and what becomes of it all
//! while the server ends or stands still. The server is slow: each promise is tried once, on few messages.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use sukkal_tests::eventually::SOON;
use sukkal_tests::servers::MongoDb;
use sukkal_tests::stores::Store;
use sukkal_tests::{eventually, programs};

use crate::redis_failures::{everything, is_back, keep_posting, post, whole};
use crate::{clients, wire_vectors};

/// Holds the built library to cases of the kit, each group in a database of its own: what one leaves there
/// falls due when the next puts the clock forward.
fn keeps(mongodb: &MongoDb, groups: &[&str]) {
    for group in groups {
        let mut verify = Command::new(programs::sukkal());
        verify.args(["plugin", "verify"]).arg(programs::library("sukkal-mongodb"));
        // How long the server takes is not what is asked here.
        verify.args(["--uri", &mongodb.uri(), "--settings", r#"{"timeout_ms":60000}"#]);
        verify.args(["--case", group, "--histories", "10"]);
        let output = verify.output().expect("the program can be started");
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{group}\n{told}\n{}", String::from_utf8_lossy(&output.stderr));
        assert!(told.contains(" passed, 0 failed"), "{told}");
    }
}

#[tokio::test]
async fn the_kit_holds_for_catalogs() {
    keeps(&MongoDb::start().await, &["catalog.*"]);
}

/// But for the cases of cost: there the server's own grows.
#[tokio::test]
async fn the_kit_holds_for_pools() {
    let groups = ["pool.[!cdhp]*", "pool.c*", "pool.p*"];
    keeps(&MongoDb::start().await, &groups);
}

#[tokio::test]
async fn the_kit_holds_for_delays_deletions_and_dead_letters() {
    keeps(&MongoDb::start().await, &["pool.delay.*", "pool.delete.*", "pool.dead_letter.*"]);
}

#[tokio::test]
async fn random_histories_hold() {
    keeps(&MongoDb::start().await, &["pool.history.*"]);
}

#[tokio::test]
async fn the_wire_vectors() {
    wire_vectors::all_over(MongoDb::start, |mongodb| Store::mongodb(&mongodb.uri())).await;
}

#[tokio::test]
async fn every_client() {
    clients::all_over(MongoDb::start, |mongodb| Store::mongodb(&mongodb.uri())).await;
}

#[tokio::test]
async fn a_server_that_stands_alone_is_refused_with_the_mend() {
    let mongodb = MongoDb::start_alone().await;
    let output = Store::mongodb(&mongodb.uri()).host().prepare().serve().output().expect("the host can be started");
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("make it a replica set"), "{text}");
}

#[tokio::test]
async fn hosts_share_queues_and_wake_each_other() {
    let mongodb = MongoDb::start().await;
    let store = Store::mongodb(&mongodb.uri());
    let (first, second) = tokio::join!(store.host().start(), store.host().start());
    let (here, there) = (first.queue("q"), second.queue("q"));
    here.create(json!({})).await;
    let waiting = tokio::spawn(async move {
        let path = there.path("/claims?wait=20");
        there.client().post(&path, json!({ "ttl": 300, "grace": 60 })).await
    });
    here.post(["a"]).await;
    let claimed = waiting.await.expect("the waiter does not panic").expect(201).json();
    assert_eq!(claimed["messages"][0]["body"], "a");
    let nothing = here.client().post(&here.path("/claims"), json!({ "ttl": 300, "grace": 60 })).await;
    assert_eq!(nothing.status, 204, "the other host's claim holds it");
}

#[tokio::test]
async fn batches_are_whole_over_kills_of_the_server() {
    let mut mongodb = MongoDb::start().await;
    let host = Store::mongodb(&mongodb.uri()).host().section("[limits]\nmax_messages_per_page = 1000").start().await;
    let queue = host.queue("q");
    queue.create(json!({})).await;
    let ends = Arc::new(AtomicBool::new(false));
    let workers: Vec<_> =
        (0..2).map(|worker| tokio::spawn(keep_posting(queue.clone(), worker, ends.clone()))).collect();
    for round in 0..2 {
        is_back(&queue, &format!("before-{round}")).await;
        mongodb.server.kill();
        mongodb.start_again().await;
        is_back(&queue, &format!("after-{round}")).await;
    }
    ends.store(true, Ordering::Relaxed);
    let mut stored = Vec::new();
    for worker in workers {
        stored.extend(worker.await.expect("a worker does not panic"));
    }
    whole(&everything(&queue).await, &stored);
}

#[tokio::test]
async fn a_server_that_stands_still_is_answered_for_and_found_again() {
    let mongodb = MongoDb::start().await;
    let settings = "[plugins.mongodb]\ntimeout_ms = 1000\nconnect_timeout_ms = 500\n";
    let limits = "[limits]\nmax_messages_per_page = 1000";
    let host = Store::mongodb(&mongodb.uri()).host().section(settings).section(limits).start().await;
    let queue = host.queue("q");
    eventually("a queue is made", SOON, async || (post(&queue, "before").await == 201).then_some(())).await;
    mongodb.server.freeze();
    assert_eq!(post(&queue, "frozen").await, 503);
    let made = host.client().put("/v2/queues/new", json!({})).await.expect(503);
    assert!(!made.text().contains("127.0.0.1"), "no address is told: {made:?}");
    mongodb.server.thaw();
    is_back(&queue, "after").await;
    whole(&everything(&queue).await, &["before".to_owned(), "after".to_owned()]);
}

#[tokio::test]
async fn a_server_that_is_not_there_ends_the_start_in_one_line_without_the_password() {
    let uri = "mongodb://sukkal:very-secret@127.0.0.1:1/none";
    let host = Store::mongodb(uri).host().section("[plugins.mongodb]\ntimeout_ms = 300").prepare();
    let output = host.serve().output().expect("the host can be started");
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("MongoDB"), "{text}");
    assert!(!text.contains("very-secret"), "{text}");
}
