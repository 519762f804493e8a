//! Random UUIDs.

use sukkal_plugin_sdk::RequestId;

/// A random UUID of version 4.
pub fn random_uuid() -> RequestId {
    const VERSION: u128 = 0xf << 76;
    const VARIANT: u128 = 0x3 << 62;
    RequestId((rand::random::<u128>() & !VERSION & !VARIANT) | (0x4 << 76) | (0x2 << 62))
}
