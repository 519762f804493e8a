//! Who hears of every request, for metrics.

use std::time::{Duration, Instant};

use sukkal_plugin_sdk::{Action, Request, Transport};

use crate::error::ErrorKind;

/// Hears of every request as it ends. Called on hot paths: it must not block.
pub trait Observer: Send + Sync + 'static {
    /// A request has come in.
    fn request_began(&self, transport: Transport);
    /// A request has ended.
    fn request_ended(&self, ended: &Ended);
}

/// Nobody who wants to know.
impl Observer for () {
    fn request_began(&self, _transport: Transport) {}
    fn request_ended(&self, _ended: &Ended) {}
}

/// A request that has ended. Project, queue and client are not told: there is no bound on them.
#[derive(Clone, Debug)]
pub struct Ended {
    /// What it asked for.
    pub action: Action,
    /// How it came in.
    pub transport: Transport,
    /// How it ended.
    pub outcome: Outcome,
    /// How many messages it stored, returned or held.
    pub n_messages: usize,
    /// How long it took, from when its body was there to when its answer was.
    pub took: Duration,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With what it asked for.
    Ok,
    /// It was refused: wrong in form, or what it names is not there.
    Refused,
    /// A filter answered in the service's place.
    Filtered,
    /// A store or a filter could not serve it.
    Unavailable,
    /// Its time was over.
    TimedOut,
    /// By a fault of the service or of a plugin.
    Failed,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Outcome; 6] =
        [Outcome::Ok, Outcome::Refused, Outcome::Filtered, Outcome::Unavailable, Outcome::TimedOut, Outcome::Failed];

    /// As metrics name it.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Refused => "refused",
            Outcome::Filtered => "filtered",
            Outcome::Unavailable => "unavailable",
            Outcome::TimedOut => "timed_out",
            Outcome::Failed => "failed",
        }
    }
}

impl From<&ErrorKind> for Outcome {
    fn from(kind: &ErrorKind) -> Self {
        match kind {
            ErrorKind::Unavailable => Outcome::Unavailable,
            ErrorKind::TimedOut => Outcome::TimedOut,
            ErrorKind::Internal => Outcome::Failed,
            _ => Outcome::Refused,
        }
    }
}

/// A request under way, told to the observer when it ends: if nothing else is said, by a panic.
pub(crate) struct Watch<'a> {
    observer: &'a dyn Observer,
    begun: Instant,
    ended: Ended,
}

impl<'a> Watch<'a> {
    /// From now on.
    pub(crate) fn begin(observer: &'a dyn Observer, request: &Request) -> Self {
        let (action, transport) = (request.action(), request.transport());
        observer.request_began(transport);
        let ended = Ended { action, transport, outcome: Outcome::Failed, n_messages: 0, took: Duration::ZERO };
        Watch { observer, begun: Instant::now(), ended }
    }

    /// Says how it ends.
    pub(crate) fn outcome(&mut self, outcome: Outcome) {
        self.ended.outcome = outcome;
    }

    /// Says what it ends with.
    pub(crate) fn messages(&mut self, n_messages: usize) {
        self.ended.n_messages = n_messages;
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.ended.took = self.begun.elapsed();
        self.observer.request_ended(&self.ended);
    }
}
