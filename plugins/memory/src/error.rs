//! The errors of this plugin, and what the host is told of them.

use std::time::Duration;

use sukkal_plugin_sdk::{Error, ErrorKind};

/// The bound of a store is reached.
pub fn full(what: &str, setting: &str) -> Error {
    Error::new(ErrorKind::Full, format!("no room is left for {what}; delete some or raise {setting}"))
        .retry_after(Duration::from_secs(1))
}
