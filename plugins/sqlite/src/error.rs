//! What can go wrong inside, and what the host is told of it.

use std::time::Duration;

use rusqlite::{ErrorCode, ffi};
use rustix::process::{Resource, getrlimit};
use sukkal_plugin_sdk::{Error, ErrorKind};

/// Why a piece of work on the database did not come to its end.
#[derive(Debug)]
pub enum Fail {
    /// Refused by our own rules. Nothing was written.
    Refused(Error),
    /// The driver failed; what was written so far must be rolled back.
    Sqlite(rusqlite::Error),
    /// What it would store leaves too little of the room that is held back (reserve.rs).
    Full,
    /// The file holds what this version never wrote.
    Corrupt(&'static str),
    /// The work panicked; what was written so far must be rolled back.
    Panicked,
}

/// What comes of a piece of work on the database.
pub type Outcome<T> = Result<T, Fail>;

impl From<rusqlite::Error> for Fail {
    fn from(error: rusqlite::Error) -> Self {
        Fail::Sqlite(error)
    }
}

impl From<Error> for Fail {
    fn from(error: Error) -> Self {
        Fail::Refused(error)
    }
}

impl From<Fail> for Error {
    fn from(fail: Fail) -> Self {
        match fail {
            Fail::Refused(error) => error,
            Fail::Sqlite(error) => of_driver(&error),
            Fail::Full => full(),
            Fail::Corrupt(what) => {
                Error::unavailable("the file of this store is damaged; restore it from a backup").detail(what)
            }
            Fail::Panicked => Error::internal("a fault in the sqlite plugin; the log has the panic"),
        }
    }
}

/// The host's error for one of the driver's.
pub fn of_driver(error: &rusqlite::Error) -> Error {
    use rusqlite::Error as Driver;
    match error {
        Driver::SqliteFailure(failure, _) if is_full(failure) => full().detail(error),
        Driver::SqliteFailure(failure, _) => of_code(failure.code).detail(error),
        Driver::InvalidPath(_) | Driver::NulError(_) => {
            Error::invalid("the uri names a path that cannot be opened").detail(error)
        }
        Driver::FromSqlConversionFailure(..)
        | Driver::IntegralValueOutOfRange(..)
        | Driver::Utf8Error(..)
        | Driver::InvalidColumnType(..)
        | Driver::QueryReturnedNoRows
        | Driver::QueryReturnedMoreThanOneRow => {
            Error::unavailable("the file of this store is damaged; restore it from a backup").detail(error)
        }
        // What is left says that one of our own statements is wrong.
        _ => Error::internal("a fault in the sqlite plugin").detail(error),
    }
}

fn of_code(code: ErrorCode) -> Error {
    let unavailable = Error::unavailable;
    match code {
        ErrorCode::DiskFull => full(),
        ErrorCode::TooBig => Error::new(ErrorKind::TooLarge, "a value is larger than sqlite can hold"),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => {
            unavailable("another program holds the file of this store").retry_after(Duration::from_secs(1))
        }
        ErrorCode::SystemIoFailure => unavailable("the disk of this store fails; see the log"),
        ErrorCode::OutOfMemory => unavailable("no memory is left for this store").retry_after(Duration::from_secs(1)),
        ErrorCode::CannotOpen => unavailable(
            "the file of this store cannot be opened; check that its directory exists, and how many files may be open (`ulimit -n`)",
        ),
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied => {
            unavailable("the file of this store may not be written; check its permissions")
        }
        ErrorCode::DatabaseCorrupt => unavailable("the file of this store is damaged; restore it from a backup"),
        ErrorCode::NotADatabase => unavailable("the file of this store is no sqlite database; name another"),
        ErrorCode::NoLargeFileSupport => unavailable("the file system of this store takes no large files"),
        ErrorCode::OperationAborted | ErrorCode::OperationInterrupted | ErrorCode::SchemaChanged => {
            unavailable("the store was interrupted").retry_after(Duration::from_secs(1))
        }
        // These say that one of our own statements is wrong.
        ErrorCode::InternalMalfunction
        | ErrorCode::NotFound
        | ErrorCode::ConstraintViolation
        | ErrorCode::TypeMismatch
        | ErrorCode::ApiMisuse
        | ErrorCode::ParameterOutOfRange
        | ErrorCode::Unknown => Error::internal("a fault in the sqlite plugin"),
        // The driver's list may grow: what it cannot name yet is the store's trouble.
        _ => unavailable("the store fails; see the log"),
    }
}

impl Fail {
    /// Whether room is what is missing.
    pub fn is_full(&self) -> bool {
        match self {
            Fail::Full => true,
            Fail::Sqlite(rusqlite::Error::SqliteFailure(failure, _)) => is_full(failure),
            _ => false,
        }
    }
}

/// A disk has no room for a file, or for the shared memory beside it, which is told in other words; or the process may
/// not write so large a file (`ulimit -f`), which is told as any failed write.
fn is_full(failure: &ffi::Error) -> bool {
    let is_limited = || getrlimit(Resource::Fsize).current.is_some();
    failure.code == ErrorCode::DiskFull
        || failure.extended_code == ffi::SQLITE_IOERR_SHMSIZE
        || failure.extended_code == ffi::SQLITE_IOERR_WRITE && is_limited()
}

fn full() -> Error {
    // A catalog's as well as a pool's.
    let message = "no space is left for the file of this store; delete messages or queues, or give it more room";
    Error::new(ErrorKind::Full, message)
}

/// Refused for now: too much waits already.
pub fn busy(what: &str) -> Error {
    Error::unavailable(format!("too many requests wait for {what} of this store"))
        .retry_after(Duration::from_millis(500))
}

/// The deadline of a call passed before its turn came.
pub fn timed_out() -> Error {
    Error::new(ErrorKind::TimedOut, "the deadline passed before the store came to the request")
}

/// The store is being closed.
pub fn closed() -> Error {
    Error::unavailable("the store is closed")
}
