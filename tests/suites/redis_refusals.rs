//! Redis servers that take no connection, or no writes: what a host says of them.

use std::io::{Read, Write};
use std::net::TcpStream;

use sukkal_tests::batches::post;
use sukkal_tests::eventually::SOON;
use sukkal_tests::servers::redis::Redis;
use sukkal_tests::{Host, eventually};

/// What a host says that ends at once since this is its default pool.
fn refused(uri: &str) -> String {
    let host = Host::with().top(&format!("default_pool = {uri:?}")).prepare();
    let output = host.serve().output().expect("it can be started");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    told
}

#[test]
fn a_server_that_takes_no_more_connections_is_told_as_such() {
    let redis = Redis::with("maxclients 1\n");
    // Whoever has asked whether it has started may still be there.
    let mut only = TcpStream::connect(("127.0.0.1", redis.port())).expect("it listens");
    let mut said = [0; 5];
    while only.write_all(b"PING\r\n").and_then(|()| only.read_exact(&mut said)).is_err() || &said != b"+PONG" {
        only = TcpStream::connect(("127.0.0.1", redis.port())).expect("it listens");
    }
    for uri in [redis.uri(), format!("redis://{}", redis.socket().display())] {
        let told = refused(&uri);
        assert!(told.contains("max number of clients reached") && told.contains("raise its maxclients"), "{told}");
    }
}

#[test]
fn a_replica_is_no_pool_at_the_start() {
    let master = Redis::in_memory();
    let replica = Redis::with(&format!("replicaof 127.0.0.1 {}\n", master.port()));
    let told = refused(&replica.uri());
    assert!(told.contains("has no master now; name the master"), "{told}");
}

#[tokio::test]
async fn a_master_that_becomes_a_replica_is_told_once_with_the_reason() {
    let (redis, other) = (Redis::in_memory(), Redis::in_memory());
    let host = Host::with().top(&format!("default_pool = {:?}", redis.uri())).start().await;
    let queue = host.queue("q");
    queue.post(["before"]).await;
    redis.ask(&["REPLICAOF", "127.0.0.1", &other.port().to_string()]).expect("it answers");
    for number in 0..20 {
        let refused = async || (post(&queue, &format!("refused {number}")).await == 503).then_some(());
        eventually("posts are refused", SOON, refused).await;
    }
    let log = host.log();
    let given_up: Vec<_> = log.lines().filter(|line| line.contains("is given up")).collect();
    let reasons = given_up.iter().filter(|line| line.contains("no master now")).count();
    // Once more, where the answer to what was written just before was read only then.
    assert!((1..=2).contains(&reasons), "{given_up:#?}");
    assert!(given_up.iter().all(|line| line.contains("error=")), "{given_up:#?}");
    redis.ask(&["REPLICAOF", "NO", "ONE"]).expect("it answers");
    eventually("posts are taken", SOON, async || (post(&queue, "after").await == 201).then_some(())).await;
}
