//! Connections that are made again when they are needed and gone.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::cluster_async::ClusterConnection;
use redis::{RedisError, ServerErrorKind};
use sukkal_plugin_sdk::tokio::sync::Mutex;
use sukkal_plugin_sdk::tokio::time::timeout;
use sukkal_plugin_sdk::{Error, Result, tracing};

use super::connect::Connector;
use crate::error::Failure;

/// The first pause after a failed attempt to connect. It doubles with each further one.
const PAUSE: Duration = Duration::from_millis(50);
/// The longest such pause: a server that is back is found within this and the time to connect.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// For how long the server of a key is sought that fell silent. Whoever hears nothing of it after that has it
/// sought again, or that of another key.
const SEEKING: Duration = Duration::from_secs(5);

/// A connection; it carries many requests at once.
#[derive(Clone)]
pub enum Link {
    /// To one server.
    One(MultiplexedConnection),
    /// To all nodes of a cluster.
    Cluster(ClusterConnection),
}

/// All connections for requests.
pub struct Lines {
    connector: Connector,
    lines: Vec<Line>,
    /// The one that is used next.
    next: AtomicUsize,
    /// Held by the one who connects, on any line: where one comes through, so do the others.
    attempts: Mutex<Attempts>,
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
    pub fn new(connector: Connector, count: usize) -> Lines {
        let lines = std::iter::repeat_with(Line::default).take(count).collect();
        Lines { connector, lines, next: AtomicUsize::new(0), attempts: Mutex::default() }
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
    pub async fn link(&self) -> Result<(Link, u64)> {
        let line = &self.lines[self.next.fetch_add(1, Ordering::Relaxed) % self.lines.len()];
        if let Some(live) = line.live() {
            return Ok(live);
        }
        let mut attempts = self.attempts.lock().await;
        if let Some(live) = line.live() {
            return Ok(live);
        }
        if let Some(failed) = &attempts.failed
            && failed.at.elapsed() < failed.pause
        {
            return Err(failed.error.clone());
        }
        let connected = self.connector.connect().await.map_err(Failure::into_error);
        attempts.note(connected.as_ref().err());
        let live = (connected?, attempts.made);
        line.set(Some(live.clone()));
        Ok(live)
    }

    /// Gives a connection up that broke or fell silent, unless it has been replaced already. Those
    /// who wait for an answer on it may still get theirs.
    pub fn drop_link(&self, number: u64) {
        for line in &self.lines {
            let mut live = line.0.write().unwrap_or_else(PoisonError::into_inner);
            if live.as_ref().is_some_and(|(_, there)| *there == number) {
                tracing::warn!("the connection to the server is given up, to be made again");
                *live = None;
            }
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
    /// is sent there.
    pub async fn seek(&self, number: u64, key: &[u8]) {
        let begun = Instant::now();
        while begun.elapsed() < SEEKING {
            let Some((mut silent, _)) = self.line_of(number).and_then(Line::live) else { return };
            // It was slow, or is back. If this fails at once, so does the next request, which knows what to do.
            if timeout(LONGEST_PAUSE, silent.ask_for(key)).await.is_ok() {
                return;
            }
            let Ok(mut link) = self.connector.connect().await else { continue };
            if matches!(timeout(LONGEST_PAUSE, link.ask_for(key)).await, Ok(Ok(_))) {
                return self.replace(number, link).await;
            }
        }
    }

    /// Puts a connection in another's place. The others lead to the same servers as that one, so they are made anew
    /// as well.
    async fn replace(&self, number: u64, link: Link) {
        let mut attempts = self.attempts.lock().await;
        let Some(line) = self.line_of(number) else { return };
        tracing::warn!("the connections to the cluster are replaced: one of its nodes did not answer");
        attempts.note(None);
        self.lines.iter().for_each(|line| line.set(None));
        line.set(Some((link, attempts.made)));
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
    use redis::ErrorKind;
    match error.kind() {
        ErrorKind::Server(kind) => matches!(kind, ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown),
        ErrorKind::Io | ErrorKind::ClusterConnectionNotFound => true,
        _ => error.is_unrecoverable_error(),
    }
}
