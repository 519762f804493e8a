//! Connections that are made again when they are needed and gone.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use futures_util::future::{join_all, join3};
use redis::aio::MultiplexedConnection;
use redis::cluster_async::ClusterConnection;
use redis::{ErrorKind, RedisError, ServerErrorKind};
use sukkal_plugin_sdk::tokio::sync::{Mutex, OwnedMutexGuard};
use sukkal_plugin_sdk::{Error, Result, tokio, tracing};

use super::connect::Connector;
use super::slots::Owners;
use crate::error::{self, Failure};

/// The first pause after a failed attempt to connect. It doubles with each further one.
const PAUSE: Duration = Duration::from_millis(50);
/// The longest such pause: a server that is back is found within this and the time to connect.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// The longest time from one attempt to find the server of a silent key to the next, each of which connects to all of a
/// cluster: one that has come is found within this and the time to connect.
const LONGEST_SEEK: Duration = Duration::from_secs(1);
/// For how long the server of a key is sought that fell silent. Whoever hears nothing of it after that has it
/// sought again, or that of another key.
const SEEKING: Duration = Duration::from_secs(5);

/// A connection; it carries many requests at once.
#[derive(Clone)]
pub enum Link {
    /// To one server.
    One(MultiplexedConnection),
    /// To all nodes of a cluster, and which of them had which slots when it was made.
    Cluster(ClusterConnection, Arc<Owners>),
}

/// All connections for requests.
pub struct Lines {
    connector: Connector,
    lines: Vec<Line>,
    /// Whether replicas are waited for: until they have what one has written, a connection is silent to all others.
    waits: bool,
    /// The one that is used next.
    next: AtomicUsize,
    /// Held by the one who connects, on any line: where one comes through, so do the others.
    attempts: Arc<Mutex<Attempts>>,
    /// Held by the one who seeks the server of a key.
    pace: Mutex<Pace>,
    given_up: GivenUp,
}

/// Why a connection was given up last. Where nothing can be written, each that is made anew is given up in turn, for
/// the same reason, which is told once.
#[derive(Default)]
struct GivenUp {
    /// Whether one was, since something was written.
    any: AtomicBool,
    told: std::sync::Mutex<String>,
}

/// How often the server of a silent key is sought, over all who seek one.
#[derive(Default)]
struct Pace {
    last: Option<Instant>,
    interval: Duration,
}

/// A place for a connection: the connection, and which one it is of all that were made.
#[derive(Default)]
struct Line(RwLock<Option<(Link, u64)>>);

/// What came of connecting.
#[derive(Default)]
struct Attempts {
    made: u64,
    failed: Option<Failed>,
}

struct Failed {
    at: Instant,
    pause: Duration,
    error: Error,
}

impl Lines {
    /// Places for so many connections.
    pub fn new(connector: Connector, count: usize, waits: bool) -> Lines {
        let lines = std::iter::repeat_with(Line::default).take(count).collect();
        Lines {
            connector,
            lines,
            waits,
            next: AtomicUsize::new(0),
            attempts: Arc::default(),
            pace: Mutex::default(),
            given_up: GivenUp::default(),
        }
    }

    /// How they are made.
    pub fn connector(&self) -> &Connector {
        &self.connector
    }

    /// How many there are at the most.
    pub fn count(&self) -> usize {
        self.lines.len()
    }

    /// The next connection, made if it is not there, and its number. Whoever comes while another connects waits
    /// for that; right after an attempt that failed, its error is repeated.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub async fn link(self: &Arc<Self>) -> Result<(Link, u64)> {
        let place = self.next.fetch_add(1, Ordering::Relaxed) % self.lines.len();
        if let Some(live) = self.lines[place].live() {
            return Ok(live);
        }
        let attempts = self.attempts.clone().lock_owned().await;
        if let Some(live) = self.lines[place].live() {
            return Ok(live);
        }
        if let Some(error) = attempts.refusal() {
            return Err(error);
        }
        // In a task of its own: where whoever asks leaves, the next one would begin anew, with as little time left.
        let connected = tokio::spawn(self.clone().connect(place, attempts)).await;
        connected.unwrap_or_else(|_| Err(error::unreachable("connecting broke off")))
    }

    async fn connect(self: Arc<Self>, place: usize, mut attempts: OwnedMutexGuard<Attempts>) -> Result<(Link, u64)> {
        let connected = self.connector.connect().await.map_err(Failure::into_error);
        attempts.note(connected.as_ref().err());
        let live = (connected?, attempts.made);
        self.lines[place].set(Some(live.clone()));
        Ok(live)
    }

    /// Gives a connection up that broke, fell silent or leads to a server that takes no writes, unless it has been
    /// replaced already. Those who wait for an answer on it may still get theirs.
    pub fn drop_link(&self, number: u64, reason: &Error) {
        for line in &self.lines {
            let mut live = line.0.write().unwrap_or_else(PoisonError::into_inner);
            if live.as_ref().is_some_and(|(_, there)| *there == number) {
                *live = None;
                if self.given_up.is_news(reason) {
                    tracing::warn!(error = %reason, "the connection to the server is given up, to be made again");
                }
            }
        }
    }

    /// Something was written: a connection that is given up after that is one of a new story.
    pub fn wrote(&self) {
        if self.given_up.any.load(Ordering::Relaxed) {
            self.given_up.any.store(false, Ordering::Relaxed);
        }
    }

    /// Whether a connection is still used.
    pub fn has(&self, number: u64) -> bool {
        self.line_of(number).is_some()
    }

    fn line_of(&self, number: u64) -> Option<&Line> {
        self.lines.iter().find(|line| line.live().is_some_and(|(_, there)| there == number))
    }

    /// Seeks another server of a key of which nothing is heard over a connection to a cluster, as after a
    /// failover. That connection serves the other nodes meanwhile, and stays if there is none: a new one would
    /// lack the silent node, and the driver would try to reach it, with everybody waiting, whenever something
    /// is sent there. It stays, too, while its node is only slow: what is waited for there would be given up.
    pub async fn seek(&self, number: u64, key: &[u8]) {
        let mut pace = self.pace.lock().await;
        let begun = Instant::now();
        while begun.elapsed() < SEEKING {
            pace.turn().await;
            let Some((mut silent, _)) = self.line_of(number).and_then(Line::live) else { return };
            let (mut same, mut before) = (silent.clone(), silent.clone());
            let asking = join3(same.answers_for(key), before.owner_answers(key), self.connector.connect());
            let (asked, owner, connected) = asking.await;
            // It was slow, or is back. If this failed, so does the next request, which knows what to do.
            if asked.is_some() {
                return;
            }
            let Ok(mut link) = connected else { continue };
            if !matches!(link.answers_for(key).await, Some(Ok(_))) {
                continue;
            }
            // Another has its place; or the same one answers whoever comes anew, and here no more.
            let is_replaced = owner.is_none() && link.owner(key) != silent.owner(key);
            if is_replaced || !self.waits && silent.answers_for(key).await.is_none() {
                return self.replace(number, link).await;
            }
        }
    }

    /// Puts a connection in another's place. The others lead to the same servers as that one, so it serves for all of
    /// them until they are made anew as well: each takes as long as it takes to find a node silent.
    async fn replace(&self, number: u64, link: Link) {
        let mut attempts = self.attempts.lock().await;
        if !self.has(number) {
            return;
        }
        tracing::warn!("the connections to the cluster are replaced: one of its nodes did not answer");
        attempts.note(None);
        let made = attempts.made;
        self.lines.iter().for_each(|line| line.set(Some((link.clone(), made))));
        drop(attempts);
        let others = self.lines.iter().skip(1);
        let connected = join_all(others.clone().map(|_| self.connector.connect())).await;
        for (line, link) in others.zip(connected) {
            let mut attempts = self.attempts.lock().await;
            if line.live().is_none_or(|(_, there)| there != made) {
                continue;
            }
            match link {
                Ok(link) => {
                    attempts.note(None);
                    line.set(Some((link, attempts.made)));
                }
                // It is made by whoever needs it.
                Err(_) => line.set(None),
            }
        }
    }
}

impl GivenUp {
    /// Whether this reason has not been told yet.
    fn is_news(&self, reason: &Error) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = self.any.swap(true, Ordering::Relaxed) && *told == reason.message;
        told.clone_from(&reason.message);
        !is_same
    }
}

impl Pace {
    /// Waits until it is time for another attempt. Where none was made for long, that is at once.
    async fn turn(&mut self) {
        let now = Instant::now();
        self.interval = match self.last {
            Some(last) if last.elapsed() < SEEKING => {
                tokio::time::sleep((last + self.interval).saturating_duration_since(now)).await;
                (self.interval * 2).min(LONGEST_SEEK)
            }
            _ => PAUSE,
        };
        self.last = Some(Instant::now());
    }
}

impl Line {
    fn live(&self) -> Option<(Link, u64)> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, live: Option<(Link, u64)>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = live;
    }
}

impl Attempts {
    /// What the last attempt came to, as long as there is no other.
    fn refusal(&self) -> Option<Error> {
        let failed = self.failed.as_ref().filter(|failed| failed.at.elapsed() < failed.pause)?;
        Some(failed.error.clone())
    }

    fn note(&mut self, error: Option<&Error>) {
        self.made += 1;
        match error {
            None if self.failed.take().is_some() => tracing::info!("connected to the server again"),
            None => {}
            Some(error) => {
                if self.failed.is_none() {
                    tracing::warn!(%error, "the server cannot be reached; tried again when it is needed");
                }
                let pause = self.failed.as_ref().map_or(PAUSE, |before| (before.pause * 2).min(LONGEST_PAUSE));
                self.failed = Some(Failed { at: Instant::now(), pause, error: error.clone() });
            }
        }
    }
}

/// Whether an error means that the connection is of no use any more, or leads to a server that is
/// no longer the right one.
pub fn breaks(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Server(kind) => matches!(kind, ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown),
        _ => is_lost(error) || error.is_unrecoverable_error(),
    }
}

/// Whether an error means that nothing leads to a server, or no more.
pub fn is_lost(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Io | ErrorKind::ClusterConnectionNotFound)
}
