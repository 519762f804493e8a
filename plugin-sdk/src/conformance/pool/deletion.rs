//! Deleting messages: what each guard allows.

use crate::conformance::bench::{MINUTE, Queue, new_claim, texts};
use crate::conformance::case::{cases, ensure_eq};
use crate::conformance::{Failure, PoolBench};
use crate::{Delete, Guard, NewClaim, Place, Refused};

cases! { PoolBench:
    "pool.delete.any" any "an unguarded deletion deletes what is there, claimed or not"
    "pool.delete.unclaimed" unclaimed "a deletion without a claim is refused where a live claim holds the message"
    "pool.delete.with_claim" with_claim "a deletion with a claim deletes what that claim holds"
    "pool.delete.refused" refused "a deletion with the wrong claim is refused, and says why"
    "pool.delete.all_or_none" all_or_none "where each message must be claimed by one of some claims, all are deleted or none"
    "pool.delete.missing" missing "deleting what is not there is no error, whatever the claim"
}

async fn delete(queue: &Queue, places: &[Place], guard: Guard) -> Result<(u32, Option<Refused>), Failure> {
    let delete = Delete { places: places.to_vec(), guard, ..Delete::default() };
    let deleted = queue.pool().delete(&queue.call(), &queue.reference, delete).await?;
    Ok((deleted.count, deleted.refused))
}

async fn any(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    let places = queue.post(&["a", "b", "c"]).await?;
    queue.claim(1).await?;
    let twice = [places[0], places[1], places[1]];
    ensure_eq!(delete(&queue, &twice, Guard::Any).await?, (2, None), "the deletion");
    ensure_eq!(texts(&queue.get(&places).await?), ["c"], "what is left");
    let stats = queue.pool().stats(&queue.call(), &queue.reference).await?;
    ensure_eq!((stats.free, stats.claimed), (1, 0), "free and claimed");
    Ok(())
}

async fn unclaimed(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    let places = queue.post(&["a", "b"]).await?;
    queue.claim_as(NewClaim { ttl: MINUTE, ..new_claim(1) }).await?;
    ensure_eq!(delete(&queue, &places[..1], Guard::Unclaimed).await?, (0, Some(Refused::Claimed)), "of a claimed one");
    ensure_eq!(delete(&queue, &places[1..], Guard::Unclaimed).await?, (1, None), "of a free one");
    queue.advance(2 * MINUTE);
    ensure_eq!(delete(&queue, &places[..1], Guard::Unclaimed).await?, (1, None), "of one whose claim has ended");
    Ok(())
}

async fn with_claim(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    let places = queue.post(&["a"]).await?;
    let claim = new_claim(1);
    queue.claim_as(claim.clone()).await?;
    ensure_eq!(delete(&queue, &places, Guard::Claim(claim.id)).await?, (1, None), "the deletion");
    ensure_eq!(texts(&queue.get(&places).await?), Vec::<String>::new(), "what is left");
    Ok(())
}

async fn refused(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    let places = queue.post(&["a", "b", "c"]).await?;
    let (ended, one, other) = (NewClaim { ttl: MINUTE, ..new_claim(1) }, new_claim(1), new_claim(1));
    queue.claim_as(ended.clone()).await?;
    let alone = delete(&queue, &places[1..2], Guard::Claim(ended.id)).await?;
    ensure_eq!(alone, (0, Some(Refused::NotClaimed)), "with a claim, of a free message");
    queue.advance(2 * MINUTE);
    queue.claim_as(one.clone()).await?;
    queue.claim_as(other.clone()).await?;
    let gone = delete(&queue, &places[..1], Guard::Claim(ended.id)).await?;
    ensure_eq!(gone, (0, Some(Refused::ClaimGone)), "with a claim that has ended, of another's message");
    let others = delete(&queue, &places[..1], Guard::Claim(other.id)).await?;
    ensure_eq!(others, (0, Some(Refused::OtherClaim)), "with another live claim");
    ensure_eq!(texts(&queue.get(&places).await?), ["a", "b", "c"], "what is left");
    Ok(())
}

async fn all_or_none(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    let places = queue.post(&["a", "b", "c"]).await?;
    let (one, other) = (new_claim(1), new_claim(1));
    queue.claim_as(one.clone()).await?;
    queue.claim_as(other.clone()).await?;
    let both = Guard::EachClaimedBy(vec![one.id, other.id]);
    let (count, refused) = delete(&queue, &places, both.clone()).await?;
    ensure_eq!((count, refused.is_some()), (0, true), "with a free one among them");
    let (count, refused) = delete(&queue, &places[..2], Guard::EachClaimedBy(vec![one.id])).await?;
    ensure_eq!((count, refused.is_some()), (0, true), "with a claim left out");
    ensure_eq!(delete(&queue, &places[..2], both).await?, (2, None), "with all claims");
    Ok(())
}

async fn missing(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    let nowhere = [Place(u64::MAX), Place(0)];
    for guard in [Guard::Any, Guard::Unclaimed, Guard::Claim(new_claim(1).id), Guard::EachClaimedBy(Vec::new())] {
        ensure_eq!(delete(&queue, &nowhere, guard.clone()).await?, (0, None), "with {guard:?}");
    }
    Ok(())
}
