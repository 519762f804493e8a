//! The errors of this plugin, and what the host is told of them.

use std::time::Duration;

use sukkal_plugin_sdk::{Error, ErrorKind};

/// There is no header of such a queue.
pub fn gone() -> Error {
    Error::new(ErrorKind::Gone, "the pool has no such queue")
}

/// The caller acts on an old record of the queue.
pub fn old_epoch() -> Error {
    Error::new(ErrorKind::Stale, "the queue has changed; read its record again")
}

/// The caller acts under a lease that is no longer its own.
pub fn old_fence() -> Error {
    Error::new(ErrorKind::Stale, "the lease of the lane has changed hands; take it again")
}

/// A lane is worked without a lease.
pub fn no_fence() -> Error {
    Error::invalid("this lane is worked under a lease; name its fence")
}

/// The bound of a store is reached.
pub fn full(what: &str, setting: &str) -> Error {
    Error::new(ErrorKind::Full, format!("no room is left for {what}; delete some or raise {setting}"))
        .retry_after(Duration::from_secs(1))
}

/// A key was used for another post.
pub fn other_fingerprint() -> Error {
    Error::new(ErrorKind::Conflict, "the key was used for another post; use a new one")
}
