//! Long runs: what has come and gone leaves nothing behind. `SUKKAL_LONG=1` makes them long.

use serde_json::json;
use sukkal_tests::eventually::SOON;
use sukkal_tests::holdings::{Holdings, ROOM};
use sukkal_tests::long_run::scaled;
use sukkal_tests::stores::MEMORY;
use sukkal_tests::wire::{Wire, head};
use sukkal_tests::{Claim, Client, Host, Queue, eventually};

/// Messages a post, and a claim.
const BATCH: usize = 100;
/// At work together.
const WORKERS: usize = 4;

#[track_caller]
fn assert_not_above(after: &Holdings, before: &Holdings, done: usize) {
    println!("{before:?}, after {done} more {after:?}");
    let grown = after.bytes.saturating_sub(before.bytes);
    assert!(grown < ROOM, "{grown} bytes more after {done}");
    // Connections of the test's own come and go meanwhile, each with a task.
    assert!(after.open_files < before.open_files + 2 * WORKERS, "{after:?}, before {before:?}");
    assert!(after.tasks < before.tasks + 2 * WORKERS, "{after:?}, before {before:?}");
    assert!(after.threads <= before.threads + 2, "{after:?}, before {before:?}");
}

/// Does the work in parts, together, and all of it.
async fn together<F: Future<Output = ()> + Send + 'static>(rounds: usize, work: impl Fn(usize) -> F) {
    let mut workers = tokio::task::JoinSet::new();
    (0..WORKERS).for_each(|worker| {
        let turns: Vec<F> = (worker..rounds).step_by(WORKERS).map(&work).collect();
        workers.spawn(async move {
            for turn in turns {
                turn.await;
            }
        });
    });
    while let Some(worker) = workers.join_next().await {
        worker.expect("no worker fails");
    }
}

/// Runs a work twice: once so that caches and pools of memory have their size, and then for good.
async fn leaves_nothing<F: Future<Output = ()> + Send + 'static>(
    host: &Host,
    rounds: usize,
    work: impl Fn(usize) -> F,
) {
    let warm = rounds.min(scaled(200, 2000));
    together(warm, &work).await;
    let before = Holdings::of(host).await;
    together(rounds, &work).await;
    // Connections that the test has dropped are open at the host for a moment longer.
    let let_go = async || {
        let now = Holdings::of(host).await;
        (now.open_files < before.open_files + 2 * WORKERS && now.tasks < before.tasks + 2 * WORKERS).then_some(now)
    };
    assert_not_above(&eventually("connections are let go", SOON, let_go).await, &before, rounds);
}

/// Deletes what a claim holds, and ends it: it would live on without its messages until its time is over.
async fn finish(queue: &Queue, claim: &Claim) {
    let ids = claim.ids().join(",");
    queue.client().delete(&queue.path(&format!("/messages?ids={ids}"))).await.expect(204);
    claim.release().await;
}

async fn memory() -> Host {
    let limits = format!("[limits]\nmax_messages_per_page = {BATCH}\nmax_messages_per_claim_or_pop = {BATCH}");
    MEMORY.host().section(&limits).start().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_are_posted_claimed_and_deleted_leave_nothing() {
    let host = memory().await;
    let client = host.client();
    let rounds = scaled(20_000, 1_000_000) / BATCH;
    leaves_nothing(&host, rounds, |round| {
        // Each client of its own: they are told apart by what they posted.
        let id = format!("{round:08x}-2b9e-11e3-b191-71861300734c");
        let queue = Queue::new(client.with_id(&id), "orders");
        async move {
            queue.post((0..BATCH).map(|number| format!("{number}{}", "x".repeat(200)))).await;
            // Others may get what this one posted, and this one theirs; nobody keeps anything.
            while let Some(claim) = queue.try_claim(BATCH as u32).await {
                finish(&queue, &claim).await;
            }
        }
    })
    .await;
    assert_eq!(host.queue("orders").counts().await, [0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queues_that_are_made_and_deleted_leave_nothing() {
    let host = memory().await;
    let client = host.client();
    leaves_nothing(&host, scaled(1_000, 20_000), |round| {
        let queue = Queue::new(client.of_project(&format!("p{}", round % 100)), &format!("q{round}"));
        async move {
            queue.create(json!({ "note": "x".repeat(1000) })).await;
            queue.post([1, 2, 3]).await;
            queue.claim(1).await;
            queue.client().delete(&queue.path("")).await.expect(204);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_come_and_go_leave_nothing() {
    let host = memory().await;
    leaves_nothing(&host, scaled(1_000, 10_000), |round| {
        let address = host.address().to_owned();
        async move {
            let mut wire = Wire::connect(&address).await;
            match round % 3 {
                // Some are served, some leave before their answer, some have said nothing.
                0 => {
                    wire.send(head("GET", "/v2/ping", "")).await;
                    assert_eq!(wire.reply().await.map(|reply| reply.status), Some(204));
                }
                1 => assert!(wire.send(head("GET", "/v2/queues", "")).await),
                _ => {}
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_and_names_that_are_not_there_leave_nothing() {
    let host = memory().await;
    let client = host.client();
    leaves_nothing(&host, scaled(2_000, 25_000), |round| nothing_there(client.of_project(&format!("p{round}")), round))
        .await;
}

/// Asks for what there is not, under a name that nobody else asks for.
async fn nothing_there(client: Client, round: usize) {
    let queue = Queue::new(client, &format!("none{round}"));
    assert!(queue.try_claim(1).await.is_none());
    queue.client().get(&queue.path("/messages/none")).await.expect(404);
    queue.client().put(&queue.path(""), json!([round])).await.expect(400);
    queue.client().get(&format!("/v2/nothing/{round}")).await.expect(404);
}
