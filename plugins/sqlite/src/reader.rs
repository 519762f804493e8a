//! The threads that read: each piece of work sees one snapshot of the file.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use rusqlite::Connection;
use sukkal_plugin_sdk::tokio::sync::oneshot;
use sukkal_plugin_sdk::{Call, Error, Host, Result, tracing};

use crate::backlog::{Backlog, Rejected};
use crate::connection;
use crate::error::{Fail, Outcome, busy, closed, timed_out};
use crate::settings::Settings;
use crate::thread::Thread;

type Work = Box<dyn FnOnce(&Connection) + Send>;

/// Reads wait here for one of a few threads.
pub struct Readers {
    backlog: Arc<Backlog<Work>>,
    host: Host,
}

impl Readers {
    /// Starts the threads.
    ///
    /// # Errors
    /// `Unavailable`: the file cannot be opened, or no thread is left.
    pub fn start(
        path: &Path,
        settings: &Settings,
        host: Host,
        gate: &Arc<RwLock<()>>,
    ) -> Result<(Readers, Vec<Thread>)> {
        let backlog = Arc::new(Backlog::<Work>::new(settings.waiting as usize, usize::MAX));
        let mut threads = Vec::new();
        for _ in 0..settings.readers {
            let connection = connection::reader(path, settings)?;
            let (work, closed, gate) = (backlog.clone(), backlog.clone(), gate.clone());
            let run = move || run(&connection, &work, &gate);
            threads.push(Thread::start("sqlite-reader", run, move || closed.close())?);
        }
        Ok((Readers { backlog, host }, threads))
    }

    /// Runs a piece of work on a snapshot that holds every commit that was acknowledged before.
    ///
    /// # Errors
    /// The work's own; `Unavailable` when too much waits; `TimedOut` when the deadline passed.
    pub async fn submit<T, F>(&self, call: &Call, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Outcome<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let (host, deadline) = (self.host.clone(), call.deadline());
        let work: Work = Box::new(move |connection| {
            if reply.is_closed() {
                return;
            }
            let late = deadline <= host.now();
            let outcome = if late { Err(Fail::Refused(timed_out())) } else { snapshot(connection, work) };
            // Nobody may be waiting any more, which is no concern of ours.
            let _ = reply.send(outcome.map_err(Error::from));
        });
        self.backlog.push(work, 0).map_err(|rejected| match rejected {
            Rejected::Full => busy("the readers"),
            Rejected::Closed => closed(),
        })?;
        // The sender is dropped unsent only when the work panicked.
        answer.await.unwrap_or_else(|_| Err(Fail::Panicked.into()))
    }
}

fn run(connection: &Connection, backlog: &Backlog<Work>, gate: &RwLock<()>) {
    while let Some(work) = backlog.take(1, usize::MAX, None) {
        for work in work {
            let _reading = gate.read().unwrap_or_else(PoisonError::into_inner);
            // The panic is in the log by now, and the caller learns of it by the lost answer.
            let _ = catch_unwind(AssertUnwindSafe(|| work(connection)));
            if !connection.is_autocommit() && connection.execute_batch("ROLLBACK").is_err() {
                tracing::error!("a reading connection is stuck in its transaction");
            }
        }
    }
}

fn snapshot<T>(connection: &Connection, work: impl FnOnce(&Connection) -> Outcome<T>) -> Outcome<T> {
    connection.prepare_cached("BEGIN")?.execute([])?;
    let outcome = work(connection);
    // Ends a read either way: there is nothing to keep.
    connection.prepare_cached("COMMIT")?.execute([])?;
    outcome
}
