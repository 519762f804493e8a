//! Promises 1 and 2: batches are whole, places ascend, nothing appears behind a reader.

use std::collections::HashSet;

use crate::conformance::bench::{HOUR, MINUTE, extensions, messages, texts, unique};
use crate::conformance::case::{cases, ensure, ensure_eq};
use crate::conformance::{Failure, PoolBench};
use crate::{Bytes, List, NewMessage, Place, Post};
use std::time::Duration;

cases! { PoolBench:
    "pool.order.posted" posted "messages are read in the order posted, batches keep theirs"
    "pool.order.places_ascend" places_ascend "places ascend over posts and within a batch"
    "pool.order.follower" follower "a reader that follows a marker misses nothing and sees nothing twice, however many post"
    "pool.order.queues_apart" queues_apart "what is posted to one queue is in no other"
    "pool.order.as_posted" as_posted "body, client, ttl and extensions are given back as they were posted"
    "pool.order.same_clock" same_clock "a message's age is counted on the clock that listings state"
}

async fn posted(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    queue.post(&["a", "b", "c"]).await?;
    queue.post(&["d"]).await?;
    queue.post(&["e", "f"]).await?;
    ensure_eq!(queue.bodies().await?, ["a", "b", "c", "d", "e", "f"], "the listing");
    Ok(())
}

async fn places_ascend(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    let mut places = queue.post(&["a", "b", "c"]).await?;
    places.extend(queue.post(&["d", "e"]).await?);
    ensure_eq!(places.len(), 5, "the number of places");
    ensure!(places.is_sorted_by(|one, next| one < next), "places do not ascend: {places:?}");
    let listed: Vec<Place> = queue.list(List::default()).await?.messages.iter().map(|message| message.place).collect();
    ensure_eq!(listed, places, "the places in the listing");
    Ok(())
}

async fn follower(bench: PoolBench) -> Result<(), Failure> {
    const POSTERS: usize = 8;
    const POSTS: usize = 25;
    let queue = bench.queue().await?;
    let mut posters = tokio::task::JoinSet::new();
    for poster in 0..POSTERS {
        let queue = queue.clone();
        posters.spawn(async move {
            for number in 0..POSTS {
                queue.post(&[&format!("{poster}-{number}"), &format!("{poster}-{number}b")]).await?;
            }
            Ok::<(), Failure>(())
        });
    }
    let (mut seen, mut after) = (Vec::new(), None);
    while seen.len() < POSTERS * POSTS * 2 {
        let finished = posters.is_empty();
        let page = queue.list(List { after, limit: 7, ..List::default() }).await?.messages;
        after = page.last().map(|message| message.place).or(after);
        ensure!(!(finished && page.is_empty()), "only {} messages were seen of {}", seen.len(), POSTERS * POSTS * 2);
        seen.extend(texts(&page));
        while let Some(done) = posters.try_join_next() {
            done.map_err(|error| Failure::Broken(error.to_string()))??;
        }
        tokio::task::yield_now().await;
    }
    let distinct: HashSet<&String> = seen.iter().collect();
    ensure_eq!(distinct.len(), seen.len(), "distinct messages of those seen");
    Ok(())
}

async fn queues_apart(bench: PoolBench) -> Result<(), Failure> {
    let (one, other) = (bench.queue().await?, bench.queue().await?);
    let places = one.post(&["a"]).await?;
    ensure!(other.bodies().await?.is_empty(), "another queue lists the message");
    ensure!(other.get(&places).await?.is_empty(), "another queue gives the message by its place");
    ensure!(other.claim(10).await?.batch.messages.is_empty(), "another queue's claim takes the message");
    ensure_eq!(other.pool().stats(&other.call(), &other.reference).await?.free, 0, "another queue's count");
    Ok(())
}

async fn as_posted(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    let body = Bytes::from_static(b"{\"b\":1.0,\"a\":1E2,\"b\":[9223372036854775807,\"\\u0000\",\"\xc3\xa9\"]}");
    let extensions = extensions("kept");
    let message =
        NewMessage { body: body.clone(), ttl: 7 * MINUTE, delay: Duration::ZERO, extensions: extensions.clone() };
    let client = format!("client {}", unique());
    queue.post_as(Post { client: client.clone(), messages: vec![message], ..Post::default() }).await?;
    let listed = queue.list(List::default()).await?;
    let Some(message) = listed.messages.first() else { return Err(Failure::Broken("nothing is listed".to_owned())) };
    ensure_eq!(message.body, body, "the body");
    ensure_eq!(message.client, client, "the client");
    ensure_eq!(message.ttl, 7 * MINUTE, "the ttl");
    ensure_eq!(message.extensions, extensions, "the extensions");
    ensure_eq!((message.claim, message.claims), (None, 0), "claim and count");
    Ok(())
}

async fn same_clock(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    queue.post_as(Post { messages: messages(&["a"], HOUR, Duration::ZERO), ..Post::default() }).await?;
    queue.advance(5 * MINUTE);
    let listed = queue.list(List::default()).await?;
    let age = listed.messages.first().map(|message| listed.now.since(message.posted));
    let about = age.is_some_and(|age| age >= 5 * MINUTE && age < 6 * MINUTE);
    ensure!(about, "after five minutes the age is {age:?}");
    Ok(())
}
