//! MongoDB: the contracts through the built library, the wire, several hosts, and what becomes of it all
//! while the server ends or stands still. The server is slow: each promise is tried once, on few messages.

use std::process::Command;
use std::time::Duration;

use serde_json::json;
use sukkal_plugin_sdk::load::OpenArgs;
use sukkal_plugin_sdk::testing::{TestClock, call};
use sukkal_plugin_sdk::{Budget, Header, NewMessage, Post, QueueId, QueueRef, WatchChange};
use sukkal_tests::batches::{Posters, claimed_by_sevens, everything, is_back, is_back_within, post, whole};
use sukkal_tests::eventually::SOON;
use sukkal_tests::pools::{pool, poolless, register};
use sukkal_tests::servers::MongoDb;
use sukkal_tests::stores::Store;
use sukkal_tests::{Host, Queue, Scrape, eventually, programs};

use crate::{bodies, clients, posting, wire_vectors, woken};

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
        assert!(told.ends_with(" passed, 0 failed, 0 not offered\n"), "{told}");
    }
}

#[tokio::test]
async fn the_kit_holds_for_catalogs() {
    keeps(&MongoDb::start().await, &["catalog.*"]);
}

#[tokio::test]
async fn a_post_of_too_many_makes_no_queue() {
    let mongodb = MongoDb::start().await;
    let host = Store::mongodb(&mongodb.uri()).host().start().await;
    posting::a_post_of_too_many_makes_no_queue(&host).await;
}

/// But for the cases of cost: there the server's own grows. It does with all that is there, so what works under load comes first.
#[tokio::test]
async fn the_kit_holds_for_pools() {
    let groups = ["pool.c*", "pool.[!cdhp]*", "pool.p*"];
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
    // It looks once, has the queue watched, and looks again.
    let waits = async || {
        let calls = [("kind", "pool"), ("method", "claim")];
        (Scrape::of(&second.pages(), "/metrics").await.sum("sukkal_store_calls_total", &calls) > 1.0).then_some(())
    };
    eventually("somebody waits", SOON, waits).await;
    here.post(["a"]).await;
    let claimed = waiting.await.expect("the waiter does not panic").expect(201).json();
    assert_eq!(claimed["messages"][0]["body"], "a");
    let nothing = here.client().post(&here.path("/claims"), json!({ "ttl": 300, "grace": 60 })).await;
    assert_eq!(nothing.status, 204, "the other host's claim holds it");
}

/// By a host that was killed in the middle of a change, until the server gives its transaction up.
#[tokio::test]
async fn a_queue_that_is_held_takes_up_the_time_of_no_sweep() {
    let mongodb = MongoDb::start().await;
    let store = Store::mongodb(&mongodb.uri());
    let (clock, folder) = (TestClock::default(), tempfile::tempdir().expect("a folder"));
    let library = store.load(&clock, folder.path()).expect("the library is sound");
    let pool = library.open_pool(store.arguments(store.pool, folder.path())).await.expect("the pool opens");
    let queue = QueueRef::new(QueueId(1), 1, Vec::new());
    pool.configure(&call(&clock), &queue, Header { epoch: 1, ..Header::default() }).await.expect("a queue");
    let message = NewMessage { body: "a".into(), ttl: Duration::from_secs(60), ..NewMessage::default() };
    let post = Post { messages: vec![message], ..Post::default() };
    pool.post(&call(&clock), &queue, post).await.expect("it is stored");
    clock.advance(Duration::from_secs(120));
    let mut holder = mongodb.hold_queues(store.pool.rsplit('/').next().unwrap_or_default());
    let budget = Budget { items: 100, time: Duration::from_secs(1) };
    let swept = pool.sweep(&call(&clock), budget).await.expect("what is held is left alone");
    assert!(swept.expired == 0 && !swept.more, "{swept:?}");
    // At the end of its input it takes back what it has done.
    drop(holder.stdin.take());
    holder.wait().expect("it ends");
    let swept = pool.sweep(&call(&clock), budget).await.expect("the pool is well");
    assert_eq!(swept.expired, 1, "{swept:?}");
}

/// As one does whose part of a sharded cluster stands still.
#[tokio::test]
async fn a_queue_that_hangs_delays_no_alarm_of_another() {
    let mongodb = MongoDb::with_faults().await;
    let store = Store::mongodb(&mongodb.uri());
    let (clock, folder) = (TestClock::default(), tempfile::tempdir().expect("a folder"));
    let library = store.load(&clock, folder.path()).expect("the library is sound");
    // It hangs for as long as the watch has patience.
    let settings = r#"{"timeout_ms":60000}"#.to_owned();
    let arguments = OpenArgs { settings, ..store.arguments(store.pool, folder.path()) };
    let pool = library.open_pool(arguments).await.expect("the pool opens");
    let queues = [1, 2, 3].map(|id| QueueRef::new(QueueId(id), 1, Vec::new()));
    for (queue, delay) in queues.iter().zip([30, 30, 90]) {
        pool.configure(&call(&clock), queue, Header { epoch: 1, ..Header::default() }).await.expect("a queue");
        let (ttl, delay) = (Duration::from_secs(3_600), Duration::from_secs(delay));
        let messages = vec![NewMessage { body: "a".into(), ttl, delay, ..NewMessage::default() }];
        pool.post(&call(&clock), queue, Post { messages, ..Post::default() }).await.expect("it is stored");
    }
    let change = WatchChange { add: queues.to_vec(), ..WatchChange::default() };
    pool.watch(&call(&clock), change).await.expect("they are watched");
    let [one, two, later] = queues.map(|queue| queue.id());
    // Of two that fall due together, one is answered.
    mongodb.hang_once("findAndModify");
    clock.advance(Duration::from_secs(60));
    let told = async || pool.hints(&call(&clock)).await.expect("the pool tells").queues;
    let hung = loop {
        match told().await[..] {
            [] => {}
            [queue] if queue == one => break two,
            [queue] if queue == two => break one,
            ref others => panic!("none of them hangs: {others:?}"),
        }
    };
    clock.advance(Duration::from_secs(60));
    loop {
        let told = told().await;
        assert!(!told.contains(&hung), "it came first, when it was given up");
        if told.contains(&later) {
            break;
        }
    }
}

#[tokio::test]
async fn who_waits_goes_on_with_the_next_queue_of_the_name_whichever_host_makes_it() {
    let mongodb = MongoDb::start().await;
    let store = Store::mongodb(&mongodb.uri());
    let (first, second) = tokio::join!(store.host().start(), store.host().start());
    woken::a_wait_goes_on_with_another_queue(&[first, second]).await;
}

#[tokio::test]
async fn bodies_and_metadata_are_kept_as_they_are() {
    let mongodb = MongoDb::start().await;
    bodies::texts_over(Store::mongodb(&mongodb.uri())).await;
    bodies::metadata_over(Store::mongodb(&mongodb.uri())).await;
}

#[tokio::test]
async fn workers_on_both_hosts_share_the_messages_of_a_queue() {
    let mongodb = MongoDb::start().await;
    let store = Store::mongodb(&mongodb.uri());
    let (first, second) = tokio::join!(store.host().start(), store.host().start());
    let queues = [first.queue("q"), second.queue("q")];
    queues[0].post(0..100).await;
    let mut all = claimed_by_sevens(&queues, 4).await;
    all.sort_unstable();
    assert_eq!(all, (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn no_command_reads_a_collection_from_end_to_end() {
    let mongodb = MongoDb::start().await;
    let uri = mongodb.uri();
    let database = uri.rsplit('/').next().unwrap_or_default();
    mongodb.remember(database);
    let host = Store::mongodb(&uri).host().start().await;
    let (queue, client) = (host.queue("q"), host.client());
    queue.create(json!({ "_max_claim_count": 1, "_dead_letter_queue": "dead" })).await;
    queue.post_messages(json!([{ "ttl": 60, "body": 1 }, { "ttl": 60, "delay": 1, "body": 2 }, { "body": 3 }])).await;
    let page = queue.list("?echo=true&limit=1").await;
    queue.next(&page).await;
    queue.list("").await;
    client.get(&queue.path(&format!("/messages?ids={}", page.ids()[0]))).await.expect(200);
    let claim = queue.claim(2).await;
    claim.get().await.expect(200);
    claim.renew(100).await.expect(204);
    claim.delete(0).await.expect(204);
    claim.release().await;
    let is_dead = async || (host.queue("dead").counts().await[0] > 0).then_some(());
    eventually("the dead letter is moved", SOON, is_dead).await;
    queue.pop(1).await;
    client
        .post("/v2/queues/q/subscriptions", json!({ "subscriber": "http://a.example", "ttl": 600 }))
        .await
        .expect(201);
    client.get("/v2/queues/q/subscriptions").await.expect(200);
    client.get("/v2/queues?with_count=true&detailed=true").await.expect(200);
    client.post(&queue.path("/purge"), json!({ "resource_types": ["messages", "subscriptions"] })).await.expect(204);
    client.delete(&queue.path("")).await.expect(204);
    let is_dropped = async || {
        let plans = mongodb.plans(database);
        let dropped = plans.iter().any(|plan| plan.starts_with("ok delete") && plan.contains("dropping"));
        dropped.then_some(plans)
    };
    let plans = eventually("the queue is removed", SOON, is_dropped).await;
    for command in ["find", "aggregate", "update", "delete", "findAndModify"] {
        assert!(plans.iter().any(|plan| plan.split(' ').nth(1) == Some(command)), "no {command} in {plans:#?}");
    }
    let scans: Vec<_> = plans.iter().filter(|plan| plan.starts_with("SCAN")).collect();
    assert!(scans.is_empty(), "{scans:#?}");
}

#[tokio::test]
async fn batches_are_whole_over_kills_of_the_server() {
    let mut mongodb = MongoDb::start().await;
    let host = Store::mongodb(&mongodb.uri()).host().section("[limits]\nmax_messages_per_page = 1000").start().await;
    let queue = host.queue("q");
    queue.create(json!({})).await;
    let posters = Posters::start(&queue, 2);
    for round in 0..2 {
        is_back_within(6 * SOON, &queue, &format!("before-{round}")).await;
        mongodb.server.kill();
        mongodb.start_again().await;
        is_back_within(6 * SOON, &queue, &format!("after-{round}")).await;
    }
    let stored = posters.end().await;
    whole(&everything(&queue).await, &stored);
}

#[tokio::test]
async fn batches_are_whole_over_changes_of_the_primary() {
    let mongodb = MongoDb::start().await;
    let host = Store::mongodb(&mongodb.uri()).host().section("[limits]\nmax_messages_per_page = 1000").start().await;
    let queue = host.queue("q");
    queue.create(json!({})).await;
    let claimed = host.queue("claimed");
    claimed.post(["a", "b"]).await;
    let posters = Posters::start(&queue, 2);
    for round in 0..2 {
        is_back_within(6 * SOON, &queue, &format!("before-{round}")).await;
        mongodb.command("admin", r#"{"replSetStepDown": 3, "force": true}"#);
        is_back_within(6 * SOON, &queue, &format!("after-{round}")).await;
        // No claim is given twice, and none is lost on the way.
        assert_eq!(claimed.claim(1).await.bodies(), [["a", "b"][round]]);
    }
    assert!(claimed.try_claim(1).await.is_none());
    let stored = posters.end().await;
    whole(&everything(&queue).await, &stored);
}

#[tokio::test]
async fn a_server_that_stands_still_is_answered_for_and_found_again() {
    let mongodb = MongoDb::start().await;
    let settings = "[plugins.mongodb]\ntimeout_ms = 3000\nconnect_timeout_ms = 1500\n";
    let limits = "[limits]\nmax_messages_per_page = 1000";
    let host = Store::mongodb(&mongodb.uri()).host().section(settings).section(limits).start().await;
    let queue = host.queue("q");
    eventually("a queue is made", 3 * SOON, async || (post(&queue, "before").await == 201).then_some(())).await;
    mongodb.server.freeze();
    assert_eq!(post(&queue, "frozen").await, 503);
    let made = host.client().put("/v2/queues/new", json!({})).await.expect(503);
    assert!(!made.text().contains("127.0.0.1"), "no address is told: {made:?}");
    mongodb.server.thaw();
    let after = is_back(&queue, "after").await;
    whole(&everything(&queue).await, &["before".to_owned(), after]);
}

#[tokio::test]
async fn who_waits_is_told_again_once_a_server_that_stood_still_goes_on() {
    let mongodb = MongoDb::start().await;
    let store = Store::mongodb(&mongodb.uri());
    let (first, second) = tokio::join!(store.host().start(), store.host().start());
    let (here, there) = (first.queue("q"), second.queue("q"));
    here.create(json!({})).await;
    assert_eq!(waited_for(&second, &there, &here, "before").await, "before");
    mongodb.server.freeze();
    let unheard = async || second.log().contains("the changes of the pool are not heard").then_some(());
    eventually("the host finds that it is told nothing", SOON * 3, unheard).await;
    mongodb.server.thaw();
    is_back(&there, "after").await;
    is_back(&here, "after").await;
    // In a queue in which nothing can be that was answered with 503.
    let (here, there) = (first.queue("r"), second.queue("r"));
    here.create(json!({})).await;
    assert_eq!(waited_for(&second, &there, &here, "late").await, "late");
}

/// What somebody is given who waits for a message of a queue on a host, when another one posts this.
async fn waited_for(host: &Host, queue: &Queue, other: &Queue, body: &str) -> String {
    let claims = async || {
        let calls = [("kind", "pool"), ("method", "claim")];
        Scrape::of(&host.pages(), "/metrics").await.sum("sukkal_store_calls_total", &calls)
    };
    let (before, waiter) = (claims().await, queue.clone());
    let waiting = tokio::spawn(async move {
        let path = waiter.path("/claims?wait=20");
        waiter.client().post(&path, json!({ "ttl": 300, "grace": 60 })).await
    });
    // It looks once, has the queue watched, and looks again.
    let waits = async || (claims().await > before + 1.0).then_some(());
    eventually("somebody waits", SOON, waits).await;
    other.post([body]).await;
    let claimed = waiting.await.expect("the waiter does not panic").expect(201).json();
    claimed["messages"][0]["body"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_database_is_registered_once_and_only_where_something_answers() {
    let mongodb = MongoDb::start().await;
    let (host, port) = (poolless().await, mongodb.server.port());
    pool(&host, "p1", &format!("mongodb://127.0.0.1:{port}/one?connectTimeoutMS=500&retryReads=false")).await;
    for uri in [
        format!("mongodb://127.0.0.1:{port}/one?retryReads=false&connectTimeoutMS=500"),
        format!("mongodb://127.0.0.1:{port}/one"),
        format!("mongodb://127.0.0.1:{port},127.0.0.1:{port}/one"),
    ] {
        let refused = register(&host, "p2", json!({ "uri": uri, "weight": 1 })).await;
        assert_eq!(refused.status, 409, "{uri}: {}", refused.text());
        assert!(refused.text().contains("It is that of the pool p1."), "{}", refused.text());
    }
    pool(&host, "p2", &format!("mongodb://127.0.0.1:{port}/two")).await;
    pool(&host, "p4", &format!("mongodb://127.0.0.1:{port}")).await;
    for uri in ["", "/", "/sukkal", "/sukkal?w=1"].map(|rest| format!("mongodb://127.0.0.1:{port}{rest}")) {
        let refused = register(&host, "p5", json!({ "uri": uri, "weight": 1 })).await;
        assert_eq!(refused.status, 409, "{uri}: {}", refused.text());
    }
    let refused = register(&host, "p3", json!({ "uri": "mongodb://127.0.0.1:1", "weight": 1 })).await.expect(400);
    assert!(refused.text().contains("cannot connect to URI"), "{}", refused.text());
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
