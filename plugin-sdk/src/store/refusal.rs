//! What a pool refuses by its contract, in the one wording that all pools have for it.

use crate::{Error, ErrorKind, QueueRef, Result};

/// Whether a call may act on a queue, by what its header says: promise of every method of [`crate::Pool`] but
/// `configure` and `drop_queue`. Where there is no header at all, that is [`gone`].
///
/// # Errors
/// `Gone`: it is dropping, or the caller is ahead. `Stale`: the caller has an old record of it.
pub fn admit(caller: &QueueRef, epoch: u64, dropping: bool) -> Result<()> {
    // A caller that is ahead comes from between a commit of the catalog and the `configure` that follows it: it
    // has to configure, as if there were no header.
    if dropping || caller.epoch() > epoch {
        return Err(gone());
    }
    if caller.epoch() < epoch { Err(old_epoch()) } else { Ok(()) }
}

/// There is no header of such a queue.
pub fn gone() -> Error {
    Error::new(ErrorKind::Gone, "the pool has no such queue")
}

/// The caller acts on an old record of the queue.
pub fn old_epoch() -> Error {
    Error::new(ErrorKind::Stale, "the queue has changed; read its record again")
}

/// The caller works a lane under a lease that is no longer its own.
pub fn old_fence() -> Error {
    Error::new(ErrorKind::Stale, "the lease of the lane has changed hands; take it again")
}

/// A lane is worked without a lease.
pub fn no_fence() -> Error {
    Error::invalid("this lane is worked under a lease; name its fence")
}

/// A key was used for another post.
pub fn other_fingerprint() -> Error {
    Error::new(ErrorKind::Conflict, "the key was used for another post; use a new one")
}
