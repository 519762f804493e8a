//! Pools over the boundary.

use super::contract::{contract, finish, unsupported};
use super::guard::{self, FutureForm};
use super::object::{Object, This};
use super::types::Ffi;
use crate::*;

contract! {
    /// An open pool, of whatever library. Clones are the same pool; the last one closes it.
    LoadedPool: Pool, PoolVtable, PoolVtableRef, OpenPool;
    sync {
        capabilities() -> Capabilities;
        place(queue: QueueId, beside: Option<QueueRef>) -> Bytes;
    }
    first {
        configure(queue: &QueueRef; header: Header) -> ();
        post(queue: &QueueRef; post: Post) -> Posted;
        posted(queue: &QueueRef; key: Key) -> Option<Posted>;
        list(queue: &QueueRef; list: List) -> Batch;
        get(queue: &QueueRef; places: Vec<Place>) -> Batch;
        delete(queue: &QueueRef; delete: Delete) -> Deleted;
        pop(queue: &QueueRef; limit: u32) -> Batch;
        claim(queue: &QueueRef; claim: NewClaim) -> Claimed;
        claim_get(queue: &QueueRef; id: ClaimId) -> Option<Claim>;
        claim_renew(queue: &QueueRef; id: ClaimId, renewal: Renewal) -> bool;
        claim_release(queue: &QueueRef; id: ClaimId, release: Release) -> ();
        stats(queue: &QueueRef;) -> Stats;
        purge(queue: &QueueRef; budget: Budget) -> Progress;
        drop_queue(queue: &QueueRef; budget: Budget) -> Progress;
        sweep(; budget: Budget) -> Swept;
        due(; lane: Lane, after: Option<QueueId>, limit: u32) -> Vec<KnownQueue>;
        lane_lease(queue: &QueueRef; lease: Lease) -> Option<Leased>;
        watch(; change: WatchChange) -> ();
        hints(;) -> Hints;
        queues(; after: Option<QueueId>, limit: u32) -> Vec<KnownQueue>;
        export(queue: &QueueRef; from: Cursor) -> Export;
        import(queue: &QueueRef; page: Export) -> ();
        health(;) -> Health;
    }
    later {
        usage(;) -> Usage;
    }
}
