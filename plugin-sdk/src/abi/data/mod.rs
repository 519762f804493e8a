//! The types that are lent across the boundary: their fields lie as the boundary needs them
//! (docs/decisions/0002-lent-types.md).

mod pairs;
mod request;
mod response;

use std::time::Duration;

use abi_stable::StableAbi;
use abi_stable::std_types::{RString, RVec};
use bytes::Bytes;

pub use self::pairs::{Headers, Params};
pub use self::request::Request;
pub use self::response::Response;
use super::bytes::FfiBytes;
use super::types::ExtensionForm;
use crate::{QueueId, RequestId, Timestamp};

/// On whose behalf a method is called, and until when the caller waits.
#[repr(C)]
#[derive(StableAbi, Clone)]
pub struct Call {
    request_high: u64,
    request_low: u64,
    deadline: i64,
    project: RString,
    trace_parent: RString,
    extensions: RVec<ExtensionForm>,
}

impl Call {
    /// A call of a request, in a project, with a deadline. What a plugin does by itself is of no request
    /// (`RequestId::default()`) and no project.
    pub fn new(request: RequestId, project: &str, deadline: Timestamp) -> Self {
        Call {
            request_high: (request.0 >> 64) as u64,
            request_low: request.0 as u64,
            deadline: deadline.0,
            project: project.into(),
            trace_parent: RString::new(),
            extensions: RVec::new(),
        }
    }

    /// The same call with a W3C trace parent.
    pub fn with_trace_parent(mut self, trace_parent: &str) -> Self {
        self.trace_parent = trace_parent.into();
        self
    }

    /// The request's id; all logs of the call carry it.
    pub fn request_id(&self) -> RequestId {
        RequestId(u128::from(self.request_high) << 64 | u128::from(self.request_low))
    }

    /// The project; empty for the service's own work.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// The W3C `traceparent` of the request, if it has one.
    pub fn trace_parent(&self) -> Option<&str> {
        Some(self.trace_parent.as_str()).filter(|text| !text.is_empty())
    }

    /// Nobody waits beyond this instant (on the host's clock).
    pub fn deadline(&self) -> Timestamp {
        Timestamp(self.deadline)
    }

    /// What is left until the deadline, seen from an instant of the host's clock.
    pub fn remaining(&self, now: Timestamp) -> Duration {
        self.deadline().since(now)
    }
}

/// Which queue is meant: its incarnation, the caller's epoch of its record, its placement.
#[repr(C)]
#[derive(StableAbi, Clone)]
pub struct QueueRef {
    id: u64,
    epoch: u64,
    placement: FfiBytes,
    extensions: RVec<ExtensionForm>,
}

impl QueueRef {
    /// A reference of its parts.
    pub fn new(id: QueueId, epoch: u64, placement: impl Into<Bytes>) -> Self {
        QueueRef { id: id.0, epoch, placement: placement.into().into(), extensions: RVec::new() }
    }

    /// The queue's incarnation.
    pub fn id(&self) -> QueueId {
        QueueId(self.id)
    }

    /// The epoch of the record that the caller acts on.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The token that the pool gave when the queue was made ([`crate::Pool::place`]).
    pub fn placement(&self) -> &[u8] {
        self.placement.as_slice()
    }
}
