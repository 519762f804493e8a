//! What can go wrong with the servers, and what the host is told of it.

use std::time::Duration;

use mongodb::error::{
    Error as DriverError, ErrorKind as Driver, TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT,
    WriteFailure,
};
use sukkal_plugin_sdk::{Error, ErrorKind};

/// When it makes sense to try again.
const SOON: Duration = Duration::from_secs(1);

/// Why work in a transaction did not come to its end.
#[derive(Debug)]
pub enum Fail {
    /// The driver's word.
    Driver(DriverError),
    /// Our own.
    Ours(Error),
}

impl From<DriverError> for Fail {
    fn from(error: DriverError) -> Self {
        Fail::Driver(error)
    }
}

impl From<Error> for Fail {
    fn from(error: Error) -> Self {
        Fail::Ours(error)
    }
}

impl From<mongodb::bson::error::Error> for Fail {
    fn from(error: mongodb::bson::error::Error) -> Self {
        Fail::Ours(unexpected(error))
    }
}

impl Fail {
    /// Whether somebody else is at work on the same documents.
    pub fn is_clash(&self) -> bool {
        matches!(self, Fail::Driver(error) if code(error).is_some_and(|code| CLASHES.contains(&code)))
    }

    /// Whether the same may succeed if it is tried again: somebody else changed the same documents, or
    /// the connection broke, and the transaction is taken back whole.
    pub fn is_passing(&self) -> bool {
        match self {
            Fail::Driver(error) => is_passing(error),
            Fail::Ours(_) => false,
        }
    }
}

impl From<Fail> for Error {
    fn from(fail: Fail) -> Self {
        match fail {
            Fail::Driver(error) => of_driver(&error),
            Fail::Ours(error) => error,
        }
    }
}

/// Two who write the same document, or make it at the same time.
const CLASHES: [i32; 2] = [112, 11_000];

/// Whether a transaction that ended so may be tried again.
pub fn is_passing(error: &DriverError) -> bool {
    error.contains_label(TRANSIENT_TRANSACTION_ERROR) || code(error).is_some_and(|code| CLASHES.contains(&code))
}

/// Whether nobody knows yet if a transaction was committed; committing it again tells.
pub fn is_unknown_commit(error: &DriverError) -> bool {
    error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT)
}

/// The host's error for one of the driver's.
pub fn of_driver(error: &DriverError) -> Error {
    match error.kind.as_ref() {
        Driver::Authentication { .. } => refused_user(error),
        Driver::InvalidArgument { .. } | Driver::InvalidTlsConfig { .. } => {
            Error::invalid("the uri cannot be used like this; see the log").detail(error)
        }
        Driver::SessionsNotSupported | Driver::IncompatibleServer { .. } => {
            Error::invalid("the server is older than MongoDB 6").detail(error)
        }
        Driver::ServerSelection { .. } | Driver::DnsResolve { .. } => {
            away("no MongoDB server that takes writes can be reached", error)
        }
        Driver::Io(_) | Driver::ConnectionPoolCleared { .. } | Driver::Shutdown => {
            away("the connection to MongoDB broke", error)
        }
        Driver::BsonSerialization(_) | Driver::Bson(_) | Driver::Internal { .. } | Driver::Transaction { .. } => {
            Error::internal("a fault in the mongodb plugin").detail(error)
        }
        _ => match code(error) {
            Some(code) => of_code(code, error),
            // The driver's list may grow: what it cannot name yet is the server's trouble.
            None => away("MongoDB fails; see the log", error),
        },
    }
}

/// The documents are not as this plugin writes them.
pub fn unexpected(what: impl std::fmt::Display) -> Error {
    Error::unavailable("MongoDB holds what this plugin did not write; see the log").detail(what)
}

/// The time that a call has is over.
pub fn timed_out() -> Error {
    Error::new(ErrorKind::TimedOut, "MongoDB did not answer in time").retry_after(SOON)
}

fn of_code(code: i32, error: &DriverError) -> Error {
    match code {
        // Unauthorized, authentication failed.
        13 | 18 => refused_user(error),
        // Transactions on a server that stands alone: illegal operation.
        20 | 263 => alone().detail(error),
        // Over quota, out of disk space.
        12_501 | 14_031 => Error::new(ErrorKind::Full, "no space is left in MongoDB").detail(error),
        // A document, or what one message holds, is too large.
        10_334 | 17_419 | 17_420 => {
            Error::new(ErrorKind::TooLarge, "more than MongoDB takes in one document").detail(error)
        }
        // Exceeded a time limit.
        50 | 262 => timed_out().detail(error),
        code if CLASHES.contains(&code) => {
            let message = "too many changes of the same queue or records at once";
            Error::new(ErrorKind::TimedOut, message).retry_after(SOON).detail(error)
        }
        _ => away("MongoDB refuses; see the log", error),
    }
}

/// What a server must be.
pub fn alone() -> Error {
    Error::invalid("the MongoDB server stands alone; make it a replica set (--replSet, rs.initiate()), if only of one")
}

fn code(error: &DriverError) -> Option<i32> {
    match error.kind.as_ref() {
        Driver::Command(error) => Some(error.code),
        Driver::Write(WriteFailure::WriteError(error)) => Some(error.code),
        Driver::Write(WriteFailure::WriteConcernError(error)) => Some(error.code),
        Driver::InsertMany(error) => {
            let first = error.write_errors.as_ref().and_then(|errors| errors.first()).map(|error| error.code);
            first.or_else(|| error.write_concern_error.as_ref().map(|error| error.code))
        }
        _ => None,
    }
}

fn refused_user(error: &DriverError) -> Error {
    Error::unavailable("MongoDB refuses the user; check name, password, authSource and roles").detail(error)
}

fn away(message: &str, error: &DriverError) -> Error {
    Error::unavailable(message).retry_after(SOON).detail(error)
}
