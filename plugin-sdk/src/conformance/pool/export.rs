//! A queue that is exported and imported elsewhere is the same queue.

use crate::conformance::bench::{HOUR, MINUTE, Queue, extended, extensions, messages, new_claim, texts};
use crate::conformance::case::{cases, ensure, ensure_eq};
use crate::conformance::{Failure, PoolBench};
use crate::{Claim, ClaimId, Export, Extensions, Lane, Lease, List, Message, NewClaim, Place, Post, Timestamp};
use std::time::Duration;

use super::dead_letter::{pair, use_up};

cases! { PoolBench:
    "pool.export.same" same "an imported queue has the exported one's messages, places, claims and lanes"
    "pool.export.as_posted" as_posted "an imported queue's messages keep client, extensions and origin, in all lanes"
    "pool.export.claims" claims "an imported claim keeps ttl, age and extensions"
    "pool.export.repeated" repeated "a page that is imported twice changes nothing the second time"
    "pool.export.goes_on" goes_on "an imported queue gives out no place again"
}

/// A queue with a message of each kind.
async fn stocked(bench: &PoolBench) -> Result<Queue, Failure> {
    let queue = bench.queue().await?;
    queue.post(&["claimed", "free"]).await?;
    queue.claim_as(new_claim(1)).await?;
    queue.post_with(&["delayed"], HOUR, 5 * MINUTE).await?;
    let retry = messages(&["retry"], HOUR, Duration::ZERO);
    queue.post_as(Post { lane: Lane::Retry, messages: retry, ..Post::default() }).await?;
    Ok(queue)
}

async fn pages(queue: &Queue) -> Result<Vec<Export>, Failure> {
    let (mut pages, mut from) = (Vec::new(), Some(crate::Cursor::new()));
    while let Some(cursor) = from {
        let page = queue.pool().export(&queue.call(), &queue.reference, cursor).await?;
        from = page.next.clone();
        pages.push(page);
        ensure!(pages.len() < 1_000, "the export does not end");
    }
    Ok(pages)
}

/// A new queue with what was exported.
async fn imported(bench: &PoolBench, pages: &[Export]) -> Result<Queue, Failure> {
    let queue = bench.queue().await?;
    for page in pages {
        queue.pool().import(&queue.call(), &queue.reference, page.clone()).await?;
    }
    Ok(queue)
}

async fn everything(queue: &Queue) -> Result<Vec<Message>, Failure> {
    Ok(queue.list(List { claimed: true, delayed: true, ..List::default() }).await?.messages)
}

/// All entries of a lane beside the main one.
async fn entries(queue: &Queue, lane: Lane) -> Result<Vec<Message>, Failure> {
    let lease = Lease { lane, holder: "me".to_owned(), ttl: HOUR, extensions: Default::default() };
    let fence = queue.pool().lane_lease(&queue.call(), &queue.reference, lease).await?.map(|lease| lease.fence);
    Ok(queue.list(List { lane, fence, ..List::default() }).await?.messages)
}

async fn same(bench: PoolBench) -> Result<(), Failure> {
    let from = stocked(&bench).await?;
    let to = imported(&bench, &pages(&from).await?).await?;
    let there = everything(&from).await?;
    ensure_eq!(texts(&there), ["claimed", "free", "delayed"], "the exported queue");
    ensure_eq!(everything(&to).await?, there, "the imported queue");
    let counts = |stats: crate::Stats| (stats.free, stats.claimed, stats.oldest, stats.newest);
    let exported = counts(from.pool().stats(&from.call(), &from.reference).await?);
    ensure_eq!(counts(to.pool().stats(&to.call(), &to.reference).await?), exported, "the counts");
    let Some(id) = there[0].claim else { return Err(Failure::Broken("the first message is not claimed".to_owned())) };
    let claim = to.pool().claim_get(&to.call(), &to.reference, id).await?;
    ensure_eq!(claim.map(|claim| texts(&claim.messages)), Some(vec!["claimed".to_owned()]), "the imported claim");
    let retries = entries(&to, Lane::Retry).await?;
    ensure_eq!(texts(&retries), ["retry"], "the imported retries");
    bench.clock.advance(10 * MINUTE);
    ensure_eq!(to.pop(3).await?, ["claimed", "free", "delayed"], "what falls free in the imported queue");
    Ok(())
}

async fn as_posted(bench: PoolBench) -> Result<(), Failure> {
    let (source, from) = pair(&bench, 1, None).await?;
    source.post(&["letter"]).await?;
    use_up(&source).await?;
    source.sweep().await?;
    for lane in [Lane::Main, Lane::Retry] {
        let messages = extended(&["posted"], HOUR, Duration::ZERO);
        let client = "somebody".to_owned();
        from.post_as(Post { lane, outbox: lane == Lane::Main, messages, client, ..Post::default() }).await?;
    }
    let to = imported(&bench, &pages(&from).await?).await?;
    let there = everything(&from).await?;
    ensure_eq!(texts(&there), ["letter", "posted"], "the exported queue");
    ensure!(there[0].origin.is_some(), "the exported letter has no origin");
    ensure_eq!(everything(&to).await?, there, "the imported messages");
    for lane in [Lane::Outbox, Lane::Retry] {
        let there = entries(&from, lane).await?;
        ensure_eq!(texts(&there), ["posted"], "the exported entries of {lane:?}");
        ensure_eq!(entries(&to, lane).await?, there, "the imported entries of {lane:?}");
    }
    Ok(())
}

async fn claims(bench: PoolBench) -> Result<(), Failure> {
    let from = bench.queue().await?;
    from.post(&["a"]).await?;
    let claim = NewClaim { extensions: extensions("kept"), ..new_claim(1) };
    from.claim_as(claim.clone()).await?;
    from.advance(MINUTE);
    // Read before it is elsewhere too: a claim's id is in one queue alone.
    let there = kept(&from, claim.id).await?;
    ensure_eq!(there.as_ref().map(|claim| &claim.2), Some(&extensions("kept")), "the exported claim's extensions");
    let to = imported(&bench, &pages(&from).await?).await?;
    ensure_eq!(kept(&to, claim.id).await?, there, "when the imported claim was made, its ttl and extensions");
    Ok(())
}

/// When a claim was made, its ttl and extensions.
async fn kept(queue: &Queue, claim: ClaimId) -> Result<Option<(Timestamp, Duration, Extensions)>, Failure> {
    let read = queue.pool().claim_get(&queue.call(), &queue.reference, claim).await?;
    Ok(read.map(|Claim { renewed, ttl, extensions, .. }| (renewed, ttl, extensions)))
}

async fn repeated(bench: PoolBench) -> Result<(), Failure> {
    let from = stocked(&bench).await?;
    let pages = pages(&from).await?;
    let twice: Vec<Export> = pages.iter().flat_map(|page| [page.clone(), page.clone()]).collect();
    let to = imported(&bench, &twice).await?;
    ensure_eq!(everything(&to).await?, everything(&from).await?, "the imported queue");
    let stats = to.pool().stats(&to.call(), &to.reference).await?;
    ensure_eq!((stats.free, stats.claimed), (2, 1), "free and claimed");
    Ok(())
}

async fn goes_on(bench: PoolBench) -> Result<(), Failure> {
    let from = bench.queue().await?;
    let given = from.post(&["a", "b", "c"]).await?;
    from.pop(3).await?;
    let to = imported(&bench, &pages(&from).await?).await?;
    let next: Vec<Place> = to.post(&["d"]).await?;
    ensure!(next[0] > given[2], "place {:?} is given after {:?} was", next[0], given[2]);
    Ok(())
}
