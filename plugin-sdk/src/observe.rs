//! Who hears of every call that a host makes of a plugin.

use std::future::Future;
use std::time::{Duration, Instant};

use crate::{Error, ErrorKind, Result};

/// Hears of every call as it ends, for metrics. Called on hot paths: it must not block.
pub trait CallObserver: Send + Sync + 'static {
    /// A call of a method has ended.
    fn ended(&self, method: &'static str, took: Duration, outcome: CallOutcome);
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    /// Well.
    Ok,
    /// The plugin refused it: it was not as it must be, or what it names is not there.
    Refused,
    /// No room was left.
    Full,
    /// What the plugin stands on did not answer.
    Unavailable,
    /// It took too long.
    TimedOut,
    /// By a fault of the plugin.
    Failed,
    /// By a panic.
    Panicked,
    /// It was not waited for any longer.
    Abandoned,
}

impl CallOutcome {
    /// All of them.
    pub const ALL: [CallOutcome; 8] = [
        CallOutcome::Ok,
        CallOutcome::Refused,
        CallOutcome::Full,
        CallOutcome::Unavailable,
        CallOutcome::TimedOut,
        CallOutcome::Failed,
        CallOutcome::Panicked,
        CallOutcome::Abandoned,
    ];

    /// As metrics name it.
    pub fn name(self) -> &'static str {
        match self {
            CallOutcome::Ok => "ok",
            CallOutcome::Refused => "refused",
            CallOutcome::Full => "full",
            CallOutcome::Unavailable => "unavailable",
            CallOutcome::TimedOut => "timed_out",
            CallOutcome::Failed => "failed",
            CallOutcome::Panicked => "panicked",
            CallOutcome::Abandoned => "abandoned",
        }
    }

    fn of(error: &Error) -> Self {
        match error.kind {
            ErrorKind::Invalid
            | ErrorKind::NotFound
            | ErrorKind::Conflict
            | ErrorKind::TooLarge
            | ErrorKind::Stale
            | ErrorKind::Gone
            | ErrorKind::Unsupported
            | ErrorKind::Forbidden
            | ErrorKind::Unauthorized => CallOutcome::Refused,
            ErrorKind::Full => CallOutcome::Full,
            ErrorKind::Unavailable => CallOutcome::Unavailable,
            ErrorKind::TimedOut => CallOutcome::TimedOut,
            ErrorKind::Internal if error.is_panic() => CallOutcome::Panicked,
            ErrorKind::Internal | ErrorKind::Other(_) => CallOutcome::Failed,
        }
    }
}

/// A call, told to its observer when it ends, or when it is not waited for any longer.
pub async fn observe<T>(
    observer: Option<&dyn CallObserver>,
    method: &'static str,
    call: impl Future<Output = Result<T>>,
) -> Result<T> {
    let Some(observer) = observer else { return call.await };
    let mut watch = Watch { observer, method, begun: Instant::now(), outcome: CallOutcome::Abandoned };
    let result = call.await;
    watch.outcome = result.as_ref().map_or_else(CallOutcome::of, |_| CallOutcome::Ok);
    result
}

struct Watch<'a> {
    observer: &'a dyn CallObserver,
    method: &'static str,
    begun: Instant,
    outcome: CallOutcome,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.observer.ended(self.method, self.begun.elapsed(), self.outcome);
    }
}
