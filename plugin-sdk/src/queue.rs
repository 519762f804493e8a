//! How the service tells a pool which queue it means, and what a pool keeps about a queue.

use std::time::Duration;

use bytes::Bytes;

pub use crate::abi::data::QueueRef;
use crate::{Extensions, QueueId};

/// What a pool keeps about a queue: enough to refuse a host that acts on an old record, and to
/// move dead letters without asking the catalog.
///
/// The place counter and the lane leases, which the pool keeps as well, are its own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Header {
    /// Rises with every change of the queue's record. A call with an older one is `Stale`.
    pub epoch: u64,
    /// Names the queue for the service: opaque to the pool, kept, and given back by
    /// [`crate::Pool::queues`], [`crate::Pool::due`] and in [`crate::Origin`].
    pub label: Bytes,
    /// Where messages go that have used up their claims; none: they stay for ever claimable.
    pub dead_letter: Option<DeadLetterRule>,
    /// The queue is deleted: every call but `drop_queue` gets `Gone` from here on.
    pub dropping: bool,
    /// See [`Extensions`]; kept.
    pub extensions: Extensions,
}

/// When and where messages of a queue become dead letters (spec: semantics, Dead letters).
///
/// A message that has used up its claims is a dead letter, however late it is met: where its own end
/// comes together with that of its last claim, or before it was moved, it is moved all the same, and
/// not removed. Its queue shows it no more from its end on. Only where the dead letter queue is gone,
/// or cannot take it, when that is due, does it expire as any other. Case: `pool.dead_letter.at_its_end`.
///
/// The letter is a new message, posted at its move, with body, client and extensions of the old one, and an
/// [`Origin`](crate::Origin). Cases: `pool.dead_letter.new_message`, `.extensions`, `.age`.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetterRule {
    /// The dead letter queue: in the same pool, with a placement that allows an atomic move.
    pub queue: QueueRef,
    /// How many claims a message may have; at least 1.
    pub max_claims: u32,
    /// The life of a dead letter, from the move; none: what is left of its own, and at least a minute.
    pub ttl: Option<Duration>,
}

/// A queue that a pool knows.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownQueue {
    /// Its id, present epoch and placement.
    pub queue: QueueRef,
    /// Its label, as the header has it.
    pub label: Bytes,
    /// See [`Extensions`].
    pub extensions: Extensions,
}

impl PartialEq for QueueRef {
    fn eq(&self, other: &Self) -> bool {
        (self.id(), self.epoch(), self.placement()) == (other.id(), other.epoch(), other.placement())
    }
}

impl Eq for QueueRef {}

impl std::fmt::Debug for QueueRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueueRef").field("id", &self.id()).field("epoch", &self.epoch()).finish_non_exhaustive()
    }
}

impl From<QueueId> for QueueRef {
    /// The first incarnation's reference: epoch 1, no placement.
    fn from(id: QueueId) -> Self {
        QueueRef::new(id, 1, Bytes::new())
    }
}
