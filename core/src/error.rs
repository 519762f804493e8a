//! Core's errors: what went wrong, in the API's terms. Statuses and titles are the transports'.

use std::time::Duration;

use sukkal_plugin_sdk::{self as sdk, Refused};

/// What came of something.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a request is refused or failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    /// What kind of refusal or failure it is: decides status and title on each transport.
    pub kind: ErrorKind,
    /// For the client: the spec's text where it has one.
    pub message: String,
    /// For the log; never sent.
    pub detail: String,
    /// When it makes sense to try again.
    pub retry_after: Option<Duration>,
}

/// The kinds of refusal and failure. A transport maps each; a new kind must choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// It is no request of its transport's at all (spec: websocket, checks 1–4).
    Malformed,
    /// No such path or action (spec: REST §1.4).
    UnknownPath,
    /// A signed URL whose signature does not hold for the request (spec: REST §1.5).
    BadSignature,
    /// The path has no such method; these it has (spec: REST §1.12).
    WrongMethod(&'static [&'static str]),
    /// A form body (spec: REST §1.6).
    FormBody,
    /// The client takes no JSON (spec: REST §1.7).
    NotAcceptable,
    /// The body is of a media type that the action does not take (spec: REST §3, PATCH).
    UnsupportedMedia,
    /// No client id (spec: REST §1.8).
    MissingClientId,
    /// No well-formed client id (spec: REST §1.8).
    BadClientId,
    /// An empty project id (spec: REST §1.9).
    EmptyProject,
    /// No project id (spec: REST §1.9).
    MissingProject,
    /// A queue's name or a project id out of form (spec: REST §1.10).
    BadQueueName,
    /// A topic's name out of form (spec: REST §1.10).
    BadTopicName,
    /// A pool's name out of form (spec: REST §1.10).
    BadPoolName,
    /// A flavor's name out of form (spec: REST §1.10).
    BadFlavorName,
    /// A value or limit: `Invalid API request`.
    BadValue,
    /// The form of the body: `Invalid request body`.
    BadBody,
    /// A query parameter: `Invalid parameter`.
    BadParameter,
    /// What is named does not exist.
    NotFound,
    /// It contradicts what is there.
    Conflict,
    /// A change of a subscription that changes nothing (spec: REST §6).
    SubscriptionNotUpdated,
    /// A confirmation that says nothing (spec: REST §6).
    SubscriptionNotConfirmed,
    /// A deletion of one message is refused because of its claim, or that which was named.
    NotDeleted(Refused),
    /// A deletion of several messages is refused.
    UnableToDelete,
    /// A pool that does not fit its flavor (spec: REST §8).
    PoolNotCreated,
    /// A flavor that cannot have its pools (spec: REST §8).
    FlavorNotCreated,
    /// A flavor that cannot have other pools (spec: REST §8).
    FlavorNotUpdated,
    /// A pool that is needed (spec: REST §8; pools and flavors).
    PoolInUse,
    /// No valid identity.
    Unauthorized,
    /// The identity may not do this.
    Forbidden,
    /// A store or a filter cannot serve this now.
    Unavailable,
    /// The deadline passed.
    TimedOut,
    /// A fault of ours or of a plugin.
    Internal,
}

impl Error {
    /// An error of a kind with the client's text.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error { kind, message: message.into(), detail: String::new(), retry_after: None }
    }

    /// Others were quicker with changing it, until the deadline.
    pub(crate) fn contended(what: &str) -> Self {
        Error::new(ErrorKind::Unavailable, format!("The {what} is being changed by others."))
    }

    /// `Invalid API request`.
    pub fn value(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::BadValue, message)
    }

    /// `Invalid request body`.
    pub fn body(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::BadBody, message)
    }

    /// `Invalid parameter`.
    pub fn parameter(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::BadParameter, message)
    }

    /// `Not found`.
    pub fn not_found(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::NotFound, message)
    }

    /// Adds the text for the log.
    pub fn detail(mut self, detail: impl std::fmt::Display) -> Self {
        self.detail = detail.to_string();
        self
    }
}

impl From<sdk::Error> for Error {
    /// What a store's failure is to a client. Refusals that an action knows how to word are worded
    /// there, before they come here.
    fn from(error: sdk::Error) -> Self {
        let kind = match error.kind {
            sdk::ErrorKind::Invalid | sdk::ErrorKind::TooLarge => ErrorKind::BadValue,
            sdk::ErrorKind::NotFound => ErrorKind::NotFound,
            sdk::ErrorKind::Conflict => ErrorKind::Conflict,
            sdk::ErrorKind::Forbidden => ErrorKind::Forbidden,
            sdk::ErrorKind::Unauthorized => ErrorKind::Unauthorized,
            sdk::ErrorKind::TimedOut => ErrorKind::TimedOut,
            sdk::ErrorKind::Stale
            | sdk::ErrorKind::Gone
            | sdk::ErrorKind::Full
            | sdk::ErrorKind::Unavailable
            | sdk::ErrorKind::Unsupported => ErrorKind::Unavailable,
            sdk::ErrorKind::Internal => ErrorKind::Internal,
            // Kinds of a newer SDK, and whatever else is not ours to judge.
            _ => ErrorKind::Internal,
        };
        Error { kind, message: error.message, detail: error.detail, retry_after: error.retry_after }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}

impl std::error::Error for Error {}
