//! What is locked when records change.

use std::collections::BTreeSet;

use crate::RecordKey;

/// How many rows there are to be locked: fixed, since hosts of different versions share them.
pub const STRIPES: u32 = 512;

/// The row that stands for all records of a kind and project. Changing any of them locks it first,
/// so that what a commit expects still holds when it writes, also of records that are not there.
/// (Locking the records' own rows would not do: what is absent has none, and where an engine locks
/// the gap instead, two who wait for the same gap block each other.)
pub fn stripe(key: &RecordKey) -> i64 {
    let parts = [key.kind.as_bytes(), b"\0", key.project.as_bytes()];
    i64::from(fnv(parts.into_iter().flatten()) % STRIPES)
}

/// The rows of some records, in the order in which everybody locks them.
pub fn stripes<'a>(keys: impl Iterator<Item = &'a RecordKey>) -> BTreeSet<i64> {
    keys.map(stripe).collect()
}

/// FNV-1a of 32 bits: any function will do that is the same on every host for ever.
fn fnv<'a>(bytes: impl Iterator<Item = &'a u8>) -> u32 {
    bytes.fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_all_versions_lock_the_same_rows() {
        let of = |kind: &str, project: &str| stripe(&RecordKey::new(kind, project, "any"));
        assert_eq!([of("queue", "p1"), of("queue", ""), of("pool", "")], [187, 424, 313]);
    }
}
