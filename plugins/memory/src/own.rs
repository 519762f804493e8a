//! Copies of what is kept, in memory of their own.
//!
//! What a call brings comes as slices of a whole request, or of whatever else it was read from. A
//! slice that stays would hold all of that memory, be it spaces, and a client could so take many
//! times what is accounted. The copy costs little beside the reading of the request: some 7 µs for
//! 256 KiB.

use sukkal_plugin_sdk::{Bytes, Extensions};

/// A copy of bytes.
pub fn bytes(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

/// A copy of extensions.
pub fn extensions(extensions: &Extensions) -> Extensions {
    if extensions.is_empty() { Extensions::new() } else { Extensions::from_bytes(&extensions.to_bytes()) }
}
