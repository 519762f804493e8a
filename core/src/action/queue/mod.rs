//! Queues and their metadata (spec: REST §3), and topics and theirs: what can be asked of both means
//! the same (spec: REST §7).

pub(super) mod create;
pub(super) mod delete;
pub(super) mod exists;
pub(super) mod get;
pub(super) mod list;
pub(super) mod purge;
pub(super) mod share;
pub(super) mod stats;
pub(super) mod update;

use crate::error::{Error, ErrorKind};
use crate::limits::Limits;
use crate::name::Kind;

/// The refusal of metadata that are too long.
pub(super) fn too_large(kind: Kind, limits: &Limits, refusal: ErrorKind) -> Error {
    let title = kind.title();
    Error::new(refusal, format!("{title} metadata is too large. Max size: {}", limits.max_queue_metadata))
}

/// Whether so many bytes are more than metadata may have.
fn is_too_large(bytes: usize, limits: &Limits) -> bool {
    u64::try_from(bytes).is_ok_and(|bytes| bytes > limits.max_queue_metadata)
}
