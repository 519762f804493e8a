//! The one error type of the boundary.

use std::fmt;
use std::time::Duration;

use crate::Extensions;

/// What came of a call, from whichever side of the boundary.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed: a kind to act upon, a text for the client and one for the log.
#[derive(Clone, Debug)]
pub struct Error {
    /// What kind of failure it is: decides the answer's status and whether the call is repeated.
    pub kind: ErrorKind,
    /// For the client: lower case, no full stop, names the thing and the mend. Never an address,
    /// a path or a secret.
    pub message: String,
    /// For the log alone: the driver's own text.
    pub detail: String,
    /// When it makes sense to try again.
    pub retry_after: Option<Duration>,
    /// Whether the call may have taken effect all the same.
    pub applied: Applied,
    /// See [`Extensions`].
    pub extensions: Extensions,
}

/// The kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The input is wrong; repeating it as it is makes no sense.
    Invalid,
    /// What is named does not exist.
    NotFound,
    /// It contradicts what is there: another fingerprint under a key, a catalog change whose
    /// expectation does not hold.
    Conflict,
    /// More than the store takes in one step; nothing is stored.
    TooLarge,
    /// The caller acts on an old epoch or an old fence: read the catalog (take the lease) afresh.
    Stale,
    /// The pool has no such queue: the caller reads the catalog afresh, and configures the queue
    /// if its record is still there.
    Gone,
    /// No room is left (disk, memory, quota): nothing new can be stored; reads and deletes go on.
    Full,
    /// The store does not answer, or not as it should.
    Unavailable,
    /// The deadline passed.
    TimedOut,
    /// The plugin cannot do this at all.
    Unsupported,
    /// The identity may not do this.
    Forbidden,
    /// The request has no valid identity.
    Unauthorized,
    /// A fault of the plugin: a bug, a panic.
    Internal,
    /// A kind of a newer SDK.
    Other(u32),
}

/// Whether a call that failed may have taken effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It has changed nothing.
    No,
    /// Nobody knows, for instance since the connection broke before the answer.
    Unknown,
}

/// The tag among an error's extensions that says it stands for a panic.
const PANIC: u32 = 1;

impl Error {
    /// An error that has changed nothing.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error {
            kind,
            message: message.into(),
            detail: String::new(),
            retry_after: None,
            applied: Applied::No,
            extensions: Extensions::new(),
        }
    }

    /// The input is wrong.
    pub fn invalid(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Invalid, message)
    }

    /// The store does not answer.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Unavailable, message)
    }

    /// A fault of the plugin itself.
    pub fn internal(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Internal, message)
    }

    /// Adds the text for the log.
    pub fn detail(mut self, detail: impl fmt::Display) -> Self {
        self.detail = detail.to_string();
        self
    }

    /// Says when to try again.
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Whether it stands for a panic of the plugin.
    pub fn is_panic(&self) -> bool {
        self.extensions.get(PANIC).is_some()
    }

    /// The error that a panic becomes: its text is for the log, not for clients.
    pub(crate) fn of_panic(text: &str) -> Self {
        let mut error = Error::internal("the plugin failed").detail(format_args!("panic: {text}")).unknown();
        error.extensions.set(PANIC, "");
        error
    }

    /// Says that the call may have taken effect.
    pub fn unknown(mut self) -> Self {
        self.applied = Applied::Unknown;
        self
    }
}

impl ErrorKind {
    /// The number under which the kind crosses the boundary.
    pub fn code(self) -> u32 {
        match self {
            ErrorKind::Invalid => 1,
            ErrorKind::NotFound => 2,
            ErrorKind::Conflict => 3,
            ErrorKind::TooLarge => 4,
            ErrorKind::Stale => 5,
            ErrorKind::Gone => 6,
            ErrorKind::Full => 7,
            ErrorKind::Unavailable => 8,
            ErrorKind::TimedOut => 9,
            ErrorKind::Unsupported => 10,
            ErrorKind::Forbidden => 11,
            ErrorKind::Unauthorized => 12,
            ErrorKind::Internal => 13,
            ErrorKind::Other(code) => code,
        }
    }

    /// The kind of a number.
    pub fn from_code(code: u32) -> Self {
        match code {
            1 => ErrorKind::Invalid,
            2 => ErrorKind::NotFound,
            3 => ErrorKind::Conflict,
            4 => ErrorKind::TooLarge,
            5 => ErrorKind::Stale,
            6 => ErrorKind::Gone,
            7 => ErrorKind::Full,
            8 => ErrorKind::Unavailable,
            9 => ErrorKind::TimedOut,
            10 => ErrorKind::Unsupported,
            11 => ErrorKind::Forbidden,
            12 => ErrorKind::Unauthorized,
            13 => ErrorKind::Internal,
            other => ErrorKind::Other(other),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}

impl std::error::Error for Error {}
