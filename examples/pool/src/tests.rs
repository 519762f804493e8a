//! Every promise of the contract, through the boundary; and the bound, which is this pool's own.

use std::time::Duration;

use sukkal_plugin_sdk::conformance::{Failures, check_pool};
use sukkal_plugin_sdk::testing::{Bench, LoadedPool, new_message};
use sukkal_plugin_sdk::{Budget, ErrorKind, Header, Lane, Post, Posted, QueueId, QueueRef, Result};

use crate::pool::ExamplePool;
use crate::settings::Settings;

#[tokio::test]
async fn it_keeps_the_promises_of_a_pool() -> Result<(), Failures> {
    check_pool(async |bench| {
        bench
            .pool(ExamplePool::open, "example:", Settings::default())
            .await
    })
    .await
}

/// A pool of one MiB with one queue.
async fn small(bench: &Bench) -> Result<(LoadedPool, QueueRef)> {
    let pool = bench
        .pool(ExamplePool::open, "example:", Settings { max_mib: 1 })
        .await?;
    let queue = QueueRef::from(QueueId(1));
    pool.configure(
        &bench.call(),
        &queue,
        Header {
            epoch: 1,
            ..Header::default()
        },
    )
    .await?;
    Ok((pool, queue))
}

/// Posts messages of 10,000 bytes each, which live for an hour.
async fn post(bench: &Bench, pool: &LoadedPool, queue: &QueueRef, count: usize) -> Result<Posted> {
    let messages = vec![new_message(vec![b'1'; 10_000]); count];
    pool.post(
        &bench.call(),
        queue,
        Post {
            messages,
            ..Post::default()
        },
    )
    .await
}

#[tokio::test]
async fn a_full_pool_takes_no_batch_but_lets_go() -> Result<()> {
    let bench = Bench::new();
    let (pool, queue) = small(&bench).await?;
    post(&bench, &pool, &queue, 90).await?;
    let refused = post(&bench, &pool, &queue, 20).await;
    assert_eq!(refused.err().map(|error| error.kind), Some(ErrorKind::Full));
    assert_eq!(
        pool.stats(&bench.call(), &queue).await?.free,
        90,
        "all or nothing"
    );
    pool.pop(&bench.call(), &queue, 90).await?;
    post(&bench, &pool, &queue, 20).await?;
    bench.clock().advance(Duration::from_secs(2 * 3600));
    post(&bench, &pool, &queue, 90).await?;
    Ok(())
}

#[tokio::test]
async fn what_is_gone_takes_nothing() -> Result<()> {
    let bench = Bench::new();
    let (pool, queue) = small(&bench).await?;
    let empty = pool.usage(&bench.call()).await?;
    post(&bench, &pool, &queue, 30).await?;
    let outbox = Post {
        messages: vec![new_message("1")],
        outbox: true,
        lane: Lane::Main,
        ..Post::default()
    };
    pool.post(&bench.call(), &queue, outbox).await?;
    pool.pop(&bench.call(), &queue, 10).await?;
    bench.clock().advance(Duration::from_secs(2 * 3600));
    let budget = Budget {
        items: 7,
        time: Duration::from_secs(1),
    };
    while pool.sweep(&bench.call(), budget).await?.more {}
    assert_eq!(pool.usage(&bench.call()).await?, empty);
    let dropping = Header {
        epoch: 2,
        dropping: true,
        ..Header::default()
    };
    pool.configure(&bench.call(), &queue, dropping).await?;
    let queue = QueueRef::new(queue.id(), 2, "");
    while !pool.drop_queue(&bench.call(), &queue, budget).await?.done {}
    let usage = pool.usage(&bench.call()).await?;
    assert_eq!((usage.queues, usage.messages, usage.bytes), (0, 0, Some(0)));
    Ok(())
}
