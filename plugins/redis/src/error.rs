//! What the host is told when something fails.

use std::time::Duration;

use redis::{RedisError, ServerErrorKind};
use sukkal_plugin_sdk::{Applied, Error, ErrorKind};

use crate::uri::Servers;

/// When it makes sense to try again, where a server says that it is busy with itself.
const SOON: Duration = Duration::from_secs(1);

/// What went wrong, and what to do where that is known.
pub struct Failure {
    error: Error,
    mend: Option<&'static str>,
}

impl Failure {
    /// Whose text says all there is to say.
    pub fn of(error: Error) -> Failure {
        Failure { error, mend: None }
    }

    fn mend(self, mend: &'static str) -> Failure {
        Failure { mend: Some(mend), ..self }
    }

    fn retry_after(self, after: Duration) -> Failure {
        Failure { error: self.error.retry_after(after), ..self }
    }

    fn unknown(self) -> Failure {
        Failure { error: self.error.unknown(), ..self }
    }

    /// At the opening, for the operator: where the servers should be, and what to do.
    pub fn at(self, servers: &Servers) -> Error {
        if self.error.kind != ErrorKind::Unavailable {
            return self.into_error();
        }
        let detail = format!("{servers}: {}", self.error.detail);
        let mend = self.mend.or(Some("start it, or correct the uri"));
        Failure { mend, ..self }.into_error().detail(detail)
    }

    /// With the mend in its text.
    pub fn into_error(self) -> Error {
        let Failure { error, mend } = self;
        match mend {
            Some(mend) => Error { message: format!("{}; {mend}", error.message), ..error },
            None => error,
        }
    }
}

/// The driver's error; what was sent may have taken effect.
pub fn of_driver(error: &RedisError) -> Error {
    of_kind(error).into_error()
}

/// The driver's error, of connecting: nothing was sent.
pub fn not_connected(error: &RedisError) -> Failure {
    if error.kind() == redis::ErrorKind::Io {
        return Failure::of(unreachable(error));
    }
    let Failure { error, mend } = of_kind(error);
    Failure { error: of_reading(error), mend }
}

fn of_kind(error: &RedisError) -> Failure {
    use redis::ErrorKind as Driver;
    match error.kind() {
        Driver::Server(kind) => of_server(kind, error),
        Driver::Extension => of_code(error),
        Driver::Io | Driver::ClusterConnectionNotFound => {
            unavailable("the connection to the store of this pool broke", error).unknown()
        }
        Driver::AuthenticationFailed => refused_user(error),
        Driver::MasterNameNotFoundBySentinel | Driver::NoValidReplicasFoundBySentinel => {
            unavailable("no Sentinel knows the master of this pool", error)
        }
        Driver::Parse => unavailable("the store of this pool answers in another language than Redis", error).unknown(),
        Driver::InvalidClientConfig | Driver::EmptySentinelList => {
            Failure::of(Error::invalid("the servers of the uri cannot be used like this; see the log").detail(error))
        }
        Driver::UnexpectedReturnType | Driver::Client | Driver::RESP3NotSupported => {
            Failure::of(Error::internal("a fault in the redis plugin").detail(error).unknown())
        }
        // The driver's list may grow: what it cannot name yet is the store's trouble.
        _ => unavailable("the store of this pool fails", error).mend("see the log").unknown(),
    }
}

/// The server has answered, and done nothing.
fn of_server(kind: ServerErrorKind, error: &RedisError) -> Failure {
    match kind {
        ServerErrorKind::BusyLoading => unavailable("the store of this pool is starting", error).retry_after(SOON),
        ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown | ServerErrorKind::ClusterDown => {
            unavailable("the store of this pool has no master now", error).retry_after(SOON)
        }
        ServerErrorKind::Moved | ServerErrorKind::Ask | ServerErrorKind::TryAgain => {
            unavailable("the store of this pool is moving its data", error).retry_after(SOON)
        }
        ServerErrorKind::NoPerm => refused_user(error),
        _ => of_code(error),
    }
}

fn of_code(error: &RedisError) -> Failure {
    let (code, text) = (error.code().unwrap_or(""), error.to_string());
    // Before Redis 7 what goes wrong in a script is told inside of an `ERR`.
    let is = |name: &str| code == name || text.contains(&format!("-{name} "));
    if is("OOM") {
        let text = "no space is left in the store of this pool; delete messages or give it more memory";
        return Failure::of(Error::new(ErrorKind::Full, text).detail(error));
    }
    // What a script may not do is told in an `ERR`.
    let denied = text.contains("The user executing the script can't");
    if is("NOAUTH") || is("WRONGPASS") || is("NOPERM") || denied {
        return refused_user(error);
    }
    if is("MISCONF") || is("NOREPLICAS") {
        return unavailable("the store of this pool takes no writes now", error).mend("see the log").retry_after(SOON);
    }
    if is("UNBLOCKED") {
        // It waited for replicas when the master was made one: what it had done may be undone.
        return unavailable("the store of this pool has no master now", error).retry_after(SOON).unknown();
    }
    if is(PROTECTED) || text.contains(CROWDED) {
        return turned_away(&text);
    }
    if is("BUSY") || is("UNKILLABLE") {
        return unavailable("the store of this pool is busy", error).retry_after(SOON);
    }
    Failure::of(Error::internal("the store of this pool refused a command; see the log").detail(error).unknown())
}

/// The server takes no connection; what it says to whoever comes.
pub fn turned_away(words: &str) -> Failure {
    // The rest of a long refusal is advice for who sits at the server.
    let first = words.split(". ").next().unwrap_or(words);
    let error = Error::unavailable("the store of this pool turns connections away").detail(first).retry_after(SOON);
    Failure::of(error).mend(if words.contains(PROTECTED) {
        "give its default user a password, or set protected-mode no where its network is safe"
    } else if words.contains(CROWDED) {
        "raise its maxclients, or end what else is connected"
    } else {
        "see the log"
    })
}

/// How Redis begins to tell whoever comes from elsewhere that it serves its own machine alone.
const PROTECTED: &str = "DENIED";
/// What it says where there are too many connections.
const CROWDED: &str = "max number of clients reached";

/// Whether a node of a cluster has answered that it serves nothing now.
pub fn is_cluster_down(error: &Error) -> bool {
    error.detail.contains("ClusterDown")
}

/// What answers is a replica: nothing can be written there.
pub fn is_replica() -> Failure {
    let error = Error::unavailable("the store of this pool has no master now").detail("it is a replica");
    Failure::of(error.retry_after(SOON)).mend("name the master")
}

fn refused_user(error: &RedisError) -> Failure {
    unavailable("the store of this pool refuses its user", error).mend("check name, password and what it may do")
}

fn unavailable(message: &str, error: &RedisError) -> Failure {
    Failure::of(Error::unavailable(message).detail(error))
}

/// The same error, of a call that changes nothing: there is nothing to be unsure of.
pub fn of_reading(mut error: Error) -> Error {
    error.applied = Applied::No;
    error
}

/// No connection could be made: nothing was sent.
pub fn unreachable(detail: impl std::fmt::Display) -> Error {
    Error::unavailable("the store of this pool cannot be reached").detail(detail).retry_after(SOON)
}

/// The server has not answered in time.
pub fn silent(after: Duration) -> Error {
    let ms = after.as_millis();
    Error::unavailable("the store of this pool does not answer").detail(format!("no answer within {ms} ms")).unknown()
}

/// A write is done, and not where it would outlive its master.
pub fn too_few_replicas(had: u32, needed: u32) -> Error {
    let detail = format!("{had} replicas had it in time, where {needed} must");
    Error::unavailable("the store of this pool cannot keep what it is given: replicas are missing")
        .detail(detail)
        .unknown()
}

/// The deadline of a call passed before its turn came.
pub fn timed_out() -> Error {
    Error::new(ErrorKind::TimedOut, "the deadline passed before the store came to the request")
}

/// The store answers what our scripts never do.
pub fn unexpected(what: &str) -> Error {
    Error::internal("the store of this pool gave an answer that makes no sense; see the log").detail(what).unknown()
}

/// A queue has come to the end of the numbers.
pub fn no_more_places() -> Error {
    Error::new(ErrorKind::Full, "the queue has given out all of its places; delete it and make it anew")
}
