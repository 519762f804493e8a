//! Delays: hidden until due, then in their old place.

use crate::conformance::bench::{HOUR, MINUTE, texts};
use crate::conformance::case::{cases, ensure, ensure_eq};
use crate::conformance::{Failure, PoolBench};

cases! { PoolBench:
    "pool.delay.hides" hides "a delayed message is neither listed nor claimed nor popped, but read by place and counted"
    "pool.delay.old_place" old_place "a message that falls due is in its old place"
    "pool.delay.many" many "many that fall due at once are all there, in order"
}

async fn hides(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    let places = queue.post_with(&["a"], HOUR, 5 * MINUTE).await?;
    ensure!(queue.bodies().await?.is_empty(), "it is listed");
    ensure!(queue.claim(1).await?.batch.messages.is_empty(), "it is claimed");
    ensure!(queue.pop(1).await?.is_empty(), "it is popped");
    ensure_eq!(texts(&queue.get(&places).await?), ["a"], "reading by place");
    let stats = queue.pool().stats(&queue.call(), &queue.reference).await?;
    ensure_eq!((stats.free, stats.claimed), (1, 0), "free and claimed");
    Ok(())
}

async fn old_place(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    queue.post_with(&["a"], HOUR, MINUTE).await?;
    queue.post(&["b"]).await?;
    queue.post_with(&["c"], HOUR, 10 * MINUTE).await?;
    queue.advance(2 * MINUTE);
    ensure_eq!(queue.bodies().await?, ["a", "b"], "the listing after the first delay");
    ensure_eq!(texts(&queue.claim(3).await?.batch.messages), ["a", "b"], "the claim after the first delay");
    Ok(())
}

async fn many(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    let bodies: Vec<String> = (0..100).map(|number| format!("{number:04}")).collect();
    let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
    for _ in 0..20 {
        queue.post_with(&bodies, HOUR, MINUTE).await?;
    }
    queue.post(&["last"]).await?;
    queue.advance(2 * MINUTE);
    let first = texts(&queue.claim(100).await?.batch.messages);
    ensure_eq!(first, bodies, "the first hundred of 2,000 that fell due at once");
    ensure_eq!(queue.list(Default::default()).await?.messages.len(), 1_000, "a page of a thousand of them");
    Ok(())
}
