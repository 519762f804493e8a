//! A host that acts on an old record, or on none, is refused and changes nothing.

use crate::conformance::bench::{MINUTE, Queue, kind, new_claim};
use crate::conformance::case::{cases, ensure, ensure_eq};
use crate::conformance::{Failure, PoolBench};
use crate::{Budget, Delete, ErrorKind, Header, Place, QueueId, QueueRef};

cases! { PoolBench:
    "pool.epoch.stale" stale "every call with an older epoch gets Stale"
    "pool.epoch.unknown" unknown "every call for a queue without a header gets Gone"
    "pool.epoch.ahead" ahead "a call with a newer epoch than the header's gets Gone, until the header is raised"
    "pool.epoch.configure" configure "a header is replaced by one of the same or a higher epoch, never by an older one"
    "pool.epoch.dropping" dropping "every call for a queue that is being dropped gets Gone"
    "pool.epoch.kept" kept "raising the epoch touches no message"
}

/// What each call of a queue's comes to.
async fn outcomes(queue: &Queue) -> Vec<(&'static str, Option<ErrorKind>)> {
    let (pool, call, reference) = (queue.pool(), queue.call(), &queue.reference);
    let delete = Delete { places: vec![Place(1)], ..Delete::default() };
    let renewal = crate::Renewal { ttl: MINUTE, grace: MINUTE, places: None, extensions: Default::default() };
    let (id, budget) = (new_claim(1).id, Budget { items: 10, time: MINUTE });
    vec![
        ("post", kind(queue.post(&["x"]).await)),
        ("list", kind(queue.list(Default::default()).await)),
        ("get", kind(queue.get(&[Place(1)]).await)),
        ("delete", kind(pool.delete(&call, reference, delete).await)),
        ("pop", kind(queue.pop(1).await)),
        ("claim", kind(queue.claim(1).await)),
        ("claim_get", kind(pool.claim_get(&call, reference, id).await)),
        ("claim_renew", kind(pool.claim_renew(&call, reference, id, renewal).await)),
        ("claim_release", kind(pool.claim_release(&call, reference, id, Default::default()).await)),
        ("stats", kind(pool.stats(&call, reference).await)),
        ("purge", kind(pool.purge(&call, reference, budget).await)),
    ]
}

async fn all_get(queue: &Queue, expected: ErrorKind) -> Result<(), Failure> {
    for (method, outcome) in outcomes(queue).await {
        ensure_eq!(outcome, Some(expected), "{method}");
    }
    Ok(())
}

async fn stale(bench: PoolBench) -> Result<(), Failure> {
    let old = bench.queue().await?;
    old.post(&["a"]).await?;
    let new = old.at_epoch(2);
    new.configure(Header { epoch: 2, ..Header::default() }).await?;
    all_get(&old, ErrorKind::Stale).await?;
    ensure_eq!(new.bodies().await?, ["a"], "what the newer host sees");
    Ok(())
}

async fn unknown(bench: PoolBench) -> Result<(), Failure> {
    let id = QueueId(super::super::bench::unique());
    let placement = bench.pool.place(id, None).unwrap_or_default();
    all_get(&Queue { bench, reference: QueueRef::new(id, 1, placement) }, ErrorKind::Gone).await
}

async fn ahead(bench: PoolBench) -> Result<(), Failure> {
    let old = bench.queue().await?;
    let new = old.at_epoch(2);
    all_get(&new, ErrorKind::Gone).await?;
    new.configure(Header { epoch: 2, ..Header::default() }).await?;
    new.post(&["a"]).await?;
    ensure_eq!(new.bodies().await?, ["a"], "what is posted with the raised epoch");
    Ok(())
}

async fn configure(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?.at_epoch(3);
    queue.configure(Header { epoch: 3, ..Header::default() }).await?;
    queue.configure(Header { epoch: 3, ..Header::default() }).await?;
    let older = queue.at_epoch(2).configure(Header { epoch: 2, ..Header::default() }).await;
    ensure_eq!(kind(older), Some(ErrorKind::Stale), "an older header");
    queue.post(&["a"]).await?;
    Ok(())
}

async fn dropping(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    queue.post(&["a"]).await?;
    let dropped = queue.at_epoch(2);
    dropped.configure(Header { epoch: 2, dropping: true, ..Header::default() }).await?;
    for seen in [&queue, &dropped] {
        for (method, outcome) in outcomes(seen).await {
            ensure!(
                matches!(outcome, Some(ErrorKind::Gone | ErrorKind::Stale)),
                "{method} on a queue that is being dropped: {outcome:?}"
            );
        }
    }
    Ok(())
}

async fn kept(bench: PoolBench) -> Result<(), Failure> {
    let queue = bench.queue().await?;
    queue.post(&["a", "b"]).await?;
    let claim = new_claim(1);
    queue.claim_as(claim.clone()).await?;
    let queue = queue.at_epoch(9);
    queue.configure(Header { epoch: 9, ..Header::default() }).await?;
    ensure_eq!(queue.bodies().await?, ["b"], "the listing");
    let read = queue.pool().claim_get(&queue.call(), &queue.reference, claim.id).await?;
    ensure_eq!(read.map(|claim| claim.messages.len()), Some(1), "the claim's messages");
    Ok(())
}
