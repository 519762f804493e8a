//! Promise 2 for readers: markers, filters, reading by place.

use crate::conformance::bench::{HOUR, messages, texts};
use crate::conformance::case::{cases, ensure_eq};
use crate::conformance::{Failure, PoolBench};
use crate::{Delete, List, Place, Post};
use std::time::Duration;

cases! { PoolBench:
    "pool.paging.marker" marker "a listing goes on after the marker, message by message"
    "pool.paging.marker_gone" marker_gone "a marker works when its message is gone"
    "pool.paging.marker_beyond" marker_beyond "a marker that never existed gives what sorts after it"
    "pool.paging.full_pages" full_pages "filters come before the limit: a page is short only at the end"
    "pool.paging.not_from" not_from "a reader's own messages are left out when it asks so"
    "pool.paging.old_place" old_place "claimed and delayed messages are listed in their place when asked for"
    "pool.paging.by_place" by_place "reading by place keeps the order asked, each once, without what is not there"
}

async fn marker(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    queue.post(&["a", "b", "c", "d", "e"]).await?;
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = queue.list(List { after, limit: 2, ..List::default() }).await?.messages;
        let Some(last) = page.last() else { break };
        after = Some(last.place);
        seen.push(texts(&page));
    }
    ensure_eq!(seen, [vec!["a", "b"], vec!["c", "d"], vec!["e"]], "the pages");
    Ok(())
}

async fn marker_gone(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    let places = queue.post(&["a", "b", "c", "d"]).await?;
    let delete = Delete { places: places[..2].to_vec(), ..Delete::default() };
    queue.pool().delete(&queue.call(), &queue.reference, delete).await?;
    let page = queue.list(List { after: Some(places[1]), ..List::default() }).await?.messages;
    ensure_eq!(texts(&page), ["c", "d"], "what follows a marker whose message is deleted");
    Ok(())
}

async fn marker_beyond(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    let places = queue.post(&["a"]).await?;
    let before = Place(places[0].0.saturating_sub(1));
    ensure_eq!(
        texts(&queue.list(List { after: Some(before), ..List::default() }).await?.messages),
        ["a"],
        "after a lower place"
    );
    let beyond = queue.list(List { after: Some(Place(u64::MAX)), ..List::default() }).await?.messages;
    ensure_eq!(texts(&beyond), Vec::<String>::new(), "after the highest place");
    Ok(())
}

async fn full_pages(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    queue.post(&["claimed 1", "claimed 2"]).await?;
    queue.claim(2).await?;
    queue.post_with(&["delayed"], HOUR, Duration::from_secs(600)).await?;
    let own = Post { client: "me".to_owned(), messages: messages(&["own"], HOUR, Duration::ZERO), ..Post::default() };
    queue.post_as(own).await?;
    queue.post(&["a", "b", "c"]).await?;
    let list = List { limit: 3, not_from: Some("me".to_owned()), ..List::default() };
    ensure_eq!(texts(&queue.list(list).await?.messages), ["a", "b", "c"], "a page of three");
    Ok(())
}

async fn not_from(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    for (client, body) in [("me", "1"), ("you", "2"), ("me", "3"), ("you", "4")] {
        let post =
            Post { client: client.to_owned(), messages: messages(&[body], HOUR, Duration::ZERO), ..Post::default() };
        queue.post_as(post).await?;
    }
    let list = |not_from: &str| List { not_from: Some(not_from.to_owned()), ..List::default() };
    ensure_eq!(texts(&queue.list(list("me")).await?.messages), ["2", "4"], "what others posted");
    ensure_eq!(
        texts(&queue.list(list("nobody")).await?.messages),
        ["1", "2", "3", "4"],
        "what others than nobody posted"
    );
    Ok(())
}

async fn old_place(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    queue.post(&["a"]).await?;
    queue.claim(1).await?;
    queue.post(&["b"]).await?;
    queue.post_with(&["c"], HOUR, Duration::from_secs(600)).await?;
    queue.post(&["d"]).await?;
    let seen = |claimed, delayed| queue.list(List { claimed, delayed, ..List::default() });
    ensure_eq!(texts(&seen(false, false).await?.messages), ["b", "d"], "without both");
    ensure_eq!(texts(&seen(true, false).await?.messages), ["a", "b", "d"], "with claimed ones");
    ensure_eq!(texts(&seen(false, true).await?.messages), ["b", "c", "d"], "with delayed ones");
    ensure_eq!(texts(&seen(true, true).await?.messages), ["a", "b", "c", "d"], "with both");
    Ok(())
}

async fn by_place(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    let places = queue.post(&["a", "b"]).await?;
    queue.claim(1).await?;
    let delayed = queue.post_with(&["c"], HOUR, Duration::from_secs(600)).await?;
    let asked = [delayed[0], Place(u64::MAX), places[0], places[1], places[0]];
    ensure_eq!(texts(&queue.get(&asked).await?), ["c", "a", "b"], "what is read by place");
    Ok(())
}
