//! What the host is told when a call fails.

use std::time::Duration;

use sukkal_plugin_sdk::{Error, ErrorKind};

/// There is no header of such a queue.
pub fn gone() -> Error {
    Error::new(ErrorKind::Gone, "the pool has no such queue")
}

/// The caller acts on an old record of the queue.
pub fn old_epoch() -> Error {
    Error::new(
        ErrorKind::Stale,
        "the queue has changed; read its record again",
    )
}

/// The caller works a lane under a lease that is no longer its own.
pub fn old_fence() -> Error {
    Error::new(
        ErrorKind::Stale,
        "the lease of the lane has changed hands; take it again",
    )
}

/// A lane is worked without a lease.
pub fn no_fence() -> Error {
    Error::invalid("this lane is worked under a lease; name its fence")
}

/// The pool's bound is reached.
pub fn full() -> Error {
    let message = "no room is left for messages; delete some or raise max_mib";
    Error::new(ErrorKind::Full, message).retry_after(Duration::from_secs(1))
}

/// A key was used for another post.
pub fn other_fingerprint() -> Error {
    Error::new(
        ErrorKind::Conflict,
        "the key was used for another post; use a new one",
    )
}
