//! What the host is told when a call fails.

use std::time::Duration;

use sukkal_plugin_sdk::{Error, ErrorKind};

/// The pool's bound is reached.
pub fn full() -> Error {
    let message = "no room is left for messages; delete some or raise max_mib";
    Error::new(ErrorKind::Full, message).retry_after(Duration::from_secs(1))
}
