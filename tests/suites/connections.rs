//! Many connections at once, `SUKKAL_LONG=1` makes it ten thousand: each holds little, and leaves
//! nothing behind; of many who wait in one queue as many are woken as there is something for. Those for whom there is no
//! file wait.

use std::time::Duration;

use futures_util::future::join_all;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use serde_json::Value;
use sukkal_tests::connections::{polls, sockets};
use sukkal_tests::eventually;
use sukkal_tests::eventually::SOON;
use sukkal_tests::holdings::ROOM;
use sukkal_tests::long_run::scaled;
use sukkal_tests::stores::{MEMORY, STORES, Store};
use sukkal_tests::wire::{Wire, head};

const KIB: u64 = 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_websockets_cost_little_and_leave_nothing_behind() {
    let n_sockets = scaled(500, 10_000);
    let mut host = STORES[0].host().start().await;
    let sockets = sockets(&host, n_sockets).await;
    println!("{n_sockets} idle websockets: {sockets:?}");
    assert!(sockets.bytes_each < 32 * KIB, "{sockets:?}");
    let (before, after) = (sockets.closed, sockets.closed_again);
    assert!(after.bytes < before.bytes + ROOM, "{sockets:?}");
    assert!(after.threads <= before.threads + 1, "{sockets:?}");
    assert_eq!(host.stop().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_long_polls_as_many_are_woken_as_there_are_messages() {
    // Long enough for all of them to wait together on a slow machine; over all stores at once.
    const WAIT: u64 = 20;
    let n_polls = scaled(200, 1_000);
    let n_messages = n_polls / 10;
    let over = async |store: Store| {
        let host = store.host().start().await;
        let polls = polls(&host, n_polls, WAIT, n_messages).await;
        println!("{n_polls} long polls: {} bytes each, {} looks", polls.bytes_each, polls.n_looks);
        let mut bodies: Vec<_> = polls.answers.iter().flat_map(|poll| &poll.bodies).filter_map(Value::as_u64).collect();
        bodies.sort_unstable();
        assert_eq!(bodies, (0..n_messages as u64).collect::<Vec<_>>(), "each message is given to one, none twice");
        let empty: Vec<_> = polls.answers.iter().filter(|poll| poll.bodies.is_empty()).collect();
        assert_eq!(empty.len(), n_polls - n_messages);
        assert!(empty.iter().all(|poll| poll.took >= Duration::from_secs(WAIT)), "who gets nothing has waited");
        // One that finds something wakes one more, which may find nothing.
        assert!(polls.n_looks <= 3 * n_messages, "{} looks for {n_messages} messages", polls.n_looks);
        assert!(polls.bytes_each < 64 * KIB, "{} bytes each", polls.bytes_each);
    };
    join_all(STORES.map(over)).await;
}

#[tokio::test]
async fn connections_wait_for_a_free_file_and_the_log_is_not_flooded_meanwhile() {
    let host = MEMORY.host().start().await;
    let process = Pid::from_raw(host.id().cast_signed());
    let maximum = getrlimit(Resource::Nofile).maximum;
    let limit = |current| prlimit(process, Resource::Nofile, Rlimit { current, maximum }).expect("a limit can be set");
    limit(Some(3));
    let mut wire = Wire::connect(host.address()).await;
    assert!(wire.send(head("GET", "/v2/ping", "")).await);
    let attempts = || {
        let log = host.log();
        let told = log.lines().filter(|line| line.contains("connections could not be accepted"));
        let attempts = told.filter_map(|line| line.split("attempts=").nth(1)?.parse::<u32>().ok());
        attempts.max()
    };
    eventually("several attempts are told of together", SOON, async || attempts().filter(|most| *most > 1)).await;
    limit(maximum);
    assert_eq!(wire.reply().await.map(|reply| reply.status), Some(204));
}
