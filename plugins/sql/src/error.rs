//! What can go wrong with a database, and what the host is told of it.

use std::time::Duration;

use sqlx::error::DatabaseError;
use sqlx::mysql::MySqlDatabaseError;
use sukkal_plugin_sdk::{Error, ErrorKind};

/// Why work on the database did not come to its end.
#[derive(Debug)]
pub enum Fail {
    /// It has changed nothing.
    Before(sqlx::Error),
    /// It failed while it was being committed: nobody knows.
    Committing(sqlx::Error),
}

impl From<sqlx::Error> for Fail {
    fn from(error: sqlx::Error) -> Self {
        Fail::Before(error)
    }
}

impl Fail {
    /// Whether the same may succeed if it is tried again at once: two transactions waited for each
    /// other, or made the same row at the same time, and one had to go.
    pub fn is_clash(&self) -> bool {
        match self {
            Fail::Before(sqlx::Error::Database(error)) => is_clash(error.as_ref()),
            // A transaction that clashes is taken back whole, also at its end.
            Fail::Committing(sqlx::Error::Database(error)) => is_clash(error.as_ref()),
            _ => false,
        }
    }
}

impl From<Fail> for Error {
    fn from(fail: Fail) -> Self {
        match fail {
            Fail::Before(error) => of_driver(&error),
            Fail::Committing(error) => of_driver(&error).unknown(),
        }
    }
}

/// The host's error for one of the driver's.
pub fn of_driver(error: &sqlx::Error) -> Error {
    use sqlx::Error as Driver;
    match error {
        Driver::Database(refusal) => of_database(refusal.as_ref()).detail(error),
        Driver::Configuration(_) => Error::invalid("the uri of the catalog cannot be read").detail(error),
        Driver::Tls(_) => Error::unavailable(
            "no trusted connection to the catalog's database can be made; check its certificate and sslmode",
        )
        .detail(error),
        Driver::PoolTimedOut => away("the catalog's database does not answer").detail(error),
        Driver::Io(_) | Driver::Protocol(_) | Driver::PoolClosed | Driver::WorkerCrashed => {
            away("the connection to the catalog's database broke").detail(error)
        }
        // What is left says that one of our own statements is wrong, or that somebody else's tables
        // have the names of ours.
        _ => Error::internal("a fault in the sql plugin").detail(error),
    }
}

/// The same, with where the database is, for the log.
pub fn at(address: &str, error: Error) -> Error {
    let detail = format!("{address}: {}", error.detail);
    Error { detail, ..error }
}

/// Whether the database is there, and may take a connection soon: it is starting, or has none to spare.
pub fn is_busy(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(refusal) if what(refusal.as_ref()) == What::Busy)
}

/// No connection can be made.
pub fn unreachable(address: &str, reason: impl std::fmt::Display) -> Error {
    away("the catalog's database cannot be reached; start it, or correct the uri")
        .detail(format!("{address}: {reason}"))
}

/// The time that a call has is over.
pub fn timed_out() -> Error {
    Error::new(ErrorKind::TimedOut, "the catalog's database did not answer in time").retry_after(SOON)
}

/// When it makes sense to try again.
const SOON: Duration = Duration::from_secs(1);

fn away(message: &str) -> Error {
    Error::unavailable(message).retry_after(SOON)
}

fn of_database(refusal: &dyn DatabaseError) -> Error {
    match what(refusal) {
        What::Full => Error::new(ErrorKind::Full, "no space is left in the catalog's database"),
        What::Busy => away("the catalog's database is busy or starting"),
        What::ReadOnly => away("the catalog's database takes no writes; name the primary"),
        What::Denied => Error::unavailable("the catalog's database refuses the user; check name, password and rights"),
        What::NoDatabase => Error::unavailable("there is no such database; create it, or correct the uri"),
        What::NoTable => away("a table of the catalog is missing in its database; restore it from a backup"),
        What::Clash => away("too many changes of the same records at once"),
        What::TooLarge => Error::new(ErrorKind::TooLarge, "the record is larger than the database takes"),
        What::Other => away("the catalog's database refuses; see the log"),
    }
}

/// What a database means.
#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    Clash,
    Full,
    Busy,
    ReadOnly,
    Denied,
    NoDatabase,
    NoTable,
    TooLarge,
    Other,
}

fn is_clash(refusal: &dyn DatabaseError) -> bool {
    what(refusal) == What::Clash
}

fn what(refusal: &dyn DatabaseError) -> What {
    match refusal.try_downcast_ref::<MySqlDatabaseError>() {
        Some(refusal) => of_mysql(refusal.number()),
        None => of_postgres(refusal.code().as_deref().unwrap_or_default()),
    }
}

/// PostgreSQL, appendix A: error codes.
fn of_postgres(code: &str) -> What {
    match code {
        // Serialization failure, deadlock, two who insert the same row.
        "40001" | "40P01" | "23505" => What::Clash,
        "53100" => What::Full,
        "25006" => What::ReadOnly,
        "3D000" => What::NoDatabase,
        "42P01" => What::NoTable,
        "54000" => What::TooLarge,
        code if code.starts_with("28") || code == "42501" => What::Denied,
        // Insufficient resources, operator intervention, connections.
        code if ["53", "57", "08", "55"].iter().any(|class| code.starts_with(class)) => What::Busy,
        _ => What::Other,
    }
}

/// MySQL, server error message reference.
fn of_mysql(number: u16) -> What {
    match number {
        // A lock waited for too long, a deadlock, two who insert the same row.
        1205 | 1213 | 1062 => What::Clash,
        1021 | 1114 => What::Full,
        1290 | 1792 | 1836 => What::ReadOnly,
        1044 | 1045 | 1142 | 1143 | 1698 => What::Denied,
        1049 => What::NoDatabase,
        1146 => What::NoTable,
        1153 | 1406 => What::TooLarge,
        // Too many connections, shutdown, aborted, interrupted.
        1040 | 1053 | 1079 | 1203 | 1226 | 1317 | 1927 => What::Busy,
        _ => What::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_apart() {
        for (code, meant) in [
            ("40P01", What::Clash),
            ("57P03", What::Busy),
            ("53300", What::Busy),
            ("53100", What::Full),
            ("28P01", What::Denied),
            ("42601", What::Other),
        ] {
            assert_eq!(of_postgres(code), meant, "{code}");
        }
        assert_eq!((of_mysql(1213), of_mysql(1040), of_mysql(1064)), (What::Clash, What::Busy, What::Other));
    }
}
