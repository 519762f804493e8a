//! The catalog's records.

use std::time::Duration;

use bytes::Bytes;

use crate::{Extensions, Timestamp};

/// Names a record. Names compare bytewise, whatever the engine's collation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordKey {
    /// What it is: `queue`, `pool`, `subscription`, …
    pub kind: String,
    /// The project; empty where the kind belongs to none.
    pub project: String,
    /// Its name, unique within kind and project.
    pub name: String,
}

impl RecordKey {
    /// A key of its three parts.
    pub fn new(kind: impl Into<String>, project: impl Into<String>, name: impl Into<String>) -> Self {
        RecordKey { kind: kind.into(), project: project.into(), name: name.into() }
    }
}

/// A record as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its key.
    pub key: RecordKey,
    /// Rises with every change of this record; a record made anew has a revision that no record of
    /// this key ever had.
    pub revision: u64,
    /// The value: opaque to the catalog.
    pub value: Bytes,
    /// When it ends, on the store's clock; none: never.
    pub expires: Option<Timestamp>,
    /// See [`Extensions`]; kept.
    pub extensions: Extensions,
}

/// One change of a commit.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Which record.
    pub key: RecordKey,
    /// What must hold before, for the commit to happen at all.
    pub expect: Expect,
    /// What is done.
    pub write: Write,
}

/// What must hold of a record before a commit. An expired record counts as absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Anything.
    Any,
    /// There is no such record.
    Absent,
    /// It has this revision.
    Revision(u64),
}

/// What a commit does to a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// Makes it or replaces it whole.
    Put {
        /// The new value.
        value: Bytes,
        /// How long it lives from now on, on the store's clock; none: for ever.
        expires_in: Option<Duration>,
        /// See [`Extensions`].
        extensions: Extensions,
    },
    /// Removes it; no error when it is absent and `expect` allows that.
    Delete,
    /// Changes nothing; its expectation must hold all the same.
    Check,
}

impl Change {
    /// Puts a record that lives for ever.
    pub fn put(key: RecordKey, expect: Expect, value: impl Into<Bytes>) -> Self {
        let write = Write::Put { value: value.into(), expires_in: None, extensions: Extensions::new() };
        Change { key, expect, write }
    }

    /// Deletes a record.
    pub fn delete(key: RecordKey, expect: Expect) -> Self {
        Change { key, expect, write: Write::Delete }
    }
}

/// What came of a commit.
#[derive(Clone, Debug, PartialEq)]
pub enum Commit {
    /// All changes were made: the new revision of each record, 0 for one that was deleted.
    Done(Vec<u64>),
    /// None was made, since the expectation of this change (counted from 0) did not hold.
    Failed(u32),
}
