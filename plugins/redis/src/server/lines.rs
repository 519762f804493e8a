//! A connection that is made again when it is needed and gone.

use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::cluster_async::ClusterConnection;
use redis::{RedisError, ServerErrorKind};
use sukkal_plugin_sdk::tokio::sync::Mutex;
use sukkal_plugin_sdk::{Error, Result, tracing};

use super::connect::Connector;
use crate::error::Failure;

/// The first pause after a failed attempt to connect. It doubles with each further one.
const PAUSE: Duration = Duration::from_millis(50);
/// The longest such pause: a server that is back is found within this and the time to connect.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// A connection; it carries many requests at once.
#[derive(Clone)]
pub enum Link {
    /// To one server.
    One(MultiplexedConnection),
    /// To all nodes of a cluster.
    Cluster(ClusterConnection),
}

/// A place for a connection.
#[derive(Default)]
pub struct Line {
    /// The connection, and which one it is of those that were made.
    live: RwLock<Option<(Link, u64)>>,
}

/// What came of connecting, on any line: where one comes through, so do the others. Held by the one who
/// connects.
pub type Attempts = Mutex<Attempted>;

/// What came of connecting.
#[derive(Default)]
pub struct Attempted {
    made: u64,
    failed: Option<Failed>,
}

struct Failed {
    at: Instant,
    pause: Duration,
    error: Error,
}

impl Line {
    /// The connection, made if there is none. Whoever comes while another connects waits for that;
    /// right after an attempt that failed, its error is repeated.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub async fn link(&self, connector: &Connector, attempts: &Attempts) -> Result<(Link, u64)> {
        if let Some(live) = self.live() {
            return Ok(live);
        }
        let mut attempts = attempts.lock().await;
        if let Some(live) = self.live() {
            return Ok(live);
        }
        if let Some(failed) = &attempts.failed
            && failed.at.elapsed() < failed.pause
        {
            return Err(failed.error.clone());
        }
        let connected = connector.connect().await.map_err(Failure::into_error);
        attempts.note(connected.as_ref().err());
        let live = (connected?, attempts.made);
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = Some(live.clone());
        Ok(live)
    }

    fn live(&self) -> Option<(Link, u64)> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Gives a connection up that broke or fell silent, unless it has been replaced already. Those
    /// who wait for an answer on it may still get theirs.
    pub fn drop_link(&self, number: u64) {
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        if live.as_ref().is_some_and(|(_, there)| *there == number) {
            tracing::warn!("the connection to the server is given up, to be made again");
            *live = None;
        }
    }
}

impl Attempted {
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
