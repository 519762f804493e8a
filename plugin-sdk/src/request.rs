//! One request, whatever transport it came by.
//!
//! [`Request`], [`Call`] and [`crate::QueueRef`] are lent to plugins, not moved: their fields lie
//! in memory as the boundary needs them, so a hook that looks at a request costs no conversion.
//! Hence accessors in place of fields (docs/decisions/0002-lent-types.md).

pub use crate::abi::data::{Call, Headers, Params, Request};

/// How a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// The REST API.
    Rest,
    /// The websocket API.
    Websocket,
    /// The service itself, for instance a delivery.
    Internal,
    /// A transport of a newer SDK.
    Other(u32),
}

impl Transport {
    /// The number under which it crosses the boundary.
    pub fn code(self) -> u32 {
        match self {
            Transport::Rest => 1,
            Transport::Websocket => 2,
            Transport::Internal => 3,
            Transport::Other(code) => code,
        }
    }

    /// The transport of a number.
    pub fn from_code(code: u32) -> Self {
        match code {
            1 => Transport::Rest,
            2 => Transport::Websocket,
            3 => Transport::Internal,
            other => Transport::Other(other),
        }
    }

    /// As metrics and logs name it.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Rest => "rest",
            Transport::Websocket => "websocket",
            Transport::Internal => "internal",
            Transport::Other(_) => "unknown",
        }
    }
}

/// What a request is about, as its path or its body names it; not checked yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// The queue's name; empty where the action has none.
    pub queue: String,
    /// True when `queue` names a topic.
    pub topic: bool,
    /// The message, claim, subscription, pool or flavor; empty where the action has none.
    pub item: String,
}

/// Who sends a request, set by an authenticating filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The project that the request acts in.
    pub project: String,
    /// The user's id.
    pub user: String,
    /// The roles.
    pub roles: Vec<String>,
    /// When the identity ends: what waits is answered then, and a websocket is closed.
    pub expires: Option<crate::Timestamp>,
    /// See [`crate::Extensions`].
    pub extensions: crate::Extensions,
}
