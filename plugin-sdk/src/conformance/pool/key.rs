//! Promise 1: a post under a key is safe to repeat.

use crate::conformance::bench::{HOUR, MINUTE, Queue, kind, messages};
use crate::conformance::case::{cases, ensure, ensure_eq};
use crate::conformance::{Failure, PoolBench};
use crate::{ErrorKind, Header, Key, Post};
use std::time::Duration;

cases! { PoolBench:
    "pool.key.repeated" repeated "the same key gives the same places and stores nothing again"
    "pool.key.conflict" conflict "another fingerprint under a key is a conflict, and stores nothing"
    "pool.key.apart" apart "keys of another scope or queue are other keys"
    "pool.key.window" window "a key is remembered for its window, from its first use"
    "pool.key.looked_up" looked_up "what a key stored can be looked up"
    "pool.key.dropping" dropping "what a key stored can be looked up while its queue is being dropped"
    "pool.key.at_once" at_once "posts under one key at the same time store once"
}

fn key(key: &'static str, fingerprint: &'static str) -> Key {
    Key { scope: "conformance".to_owned(), key: key.into(), fingerprint: fingerprint.into(), window: 10 * MINUTE }
}

fn post(key: Key, body: &str) -> Post {
    Post { messages: messages(&[body], HOUR, Duration::ZERO), key: Some(key), ..Post::default() }
}

async fn repeated(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    let first = queue.post_as(post(key("k", "f"), "a")).await?;
    let again = queue.post_as(post(key("k", "f"), "a")).await?;
    ensure_eq!((first.repeated, again.repeated), (false, true), "what the posts say of themselves");
    ensure_eq!(again.places, first.places, "the places");
    ensure_eq!(queue.bodies().await?, ["a"], "the listing");
    queue.pop(1).await?;
    ensure_eq!(queue.post_as(post(key("k", "f"), "a")).await?.places, first.places, "the places when it is consumed");
    ensure!(queue.bodies().await?.is_empty(), "a consumed message was stored again");
    Ok(())
}

async fn conflict(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    queue.post_as(post(key("k", "f"), "a")).await?;
    ensure_eq!(kind(queue.post_as(post(key("k", "g"), "b")).await), Some(ErrorKind::Conflict), "the other post");
    ensure_eq!(queue.bodies().await?, ["a"], "the listing");
    Ok(())
}

async fn apart(bench: PoolBench) -> Result<(), Failure> {
    let (queue, other) = (bench.queue().await?, bench.queue().await?);
    queue.post_as(post(key("k", "f"), "a")).await?;
    let scope = Key { scope: "other".to_owned(), ..key("k", "f") };
    ensure!(!queue.post_as(post(scope, "b")).await?.repeated, "another scope's key counts as the same");
    ensure!(!other.post_as(post(key("k", "f"), "c")).await?.repeated, "another queue's key counts as the same");
    Ok(())
}

async fn window(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    queue.post_as(post(key("k", "f"), "a")).await?;
    queue.advance(9 * MINUTE);
    ensure!(queue.post_as(post(key("k", "f"), "a")).await?.repeated, "the key is forgotten within its window");
    queue.advance(2 * MINUTE);
    ensure!(!queue.post_as(post(key("k", "g"), "b")).await?.repeated, "the key is remembered beyond its window");
    Ok(())
}

async fn looked_up(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    let look = |queue: Queue, key: Key| async move { queue.pool().posted(&queue.call(), &queue.reference, key).await };
    ensure_eq!(look(queue.clone(), key("k", "f")).await?, None, "an unused key");
    let posted = queue.post_as(post(key("k", "f"), "a")).await?;
    let found = look(queue.clone(), key("k", "f")).await?.map(|posted| posted.places);
    ensure_eq!(found, Some(posted.places), "a used key");
    ensure_eq!(kind(look(queue.clone(), key("k", "g")).await), Some(ErrorKind::Conflict), "another fingerprint");
    Ok(())
}

async fn dropping(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    let posted = queue.post_as(post(key("k", "f"), "a")).await?;
    queue.pop(1).await?;
    let left = queue.at_epoch(2);
    left.configure(Header { epoch: 2, dropping: true, ..Header::default() }).await?;
    let look = |queue: Queue, key: Key| async move { queue.pool().posted(&queue.call(), &queue.reference, key).await };
    for caller in [queue, left.clone()] {
        let found = look(caller, key("k", "f")).await?.map(|posted| posted.places);
        ensure_eq!(found, Some(posted.places.clone()), "a used key");
    }
    ensure_eq!(look(left.clone(), key("none", "f")).await?, None, "an unused key");
    ensure_eq!(kind(look(left.clone(), key("k", "g")).await), Some(ErrorKind::Conflict), "another fingerprint");
    left.advance(11 * MINUTE);
    ensure_eq!(look(left, key("k", "f")).await?, None, "a key whose window is over");
    Ok(())
}

async fn at_once(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    let mut posts = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let queue = queue.clone();
        posts.spawn(async move { queue.post_as(post(key("k", "f"), "a")).await });
    }
    let mut fresh = 0;
    while let Some(posted) = posts.join_next().await {
        let posted = posted.map_err(|error| Failure::Broken(error.to_string()))??;
        fresh += usize::from(!posted.repeated);
    }
    ensure_eq!(fresh, 1, "posts that stored");
    ensure_eq!(queue.bodies().await?, ["a"], "the listing");
    Ok(())
}
