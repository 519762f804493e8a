//! The one thread that writes: everything that waits is committed together.
//!
//! A commit costs a write to the disk, whatever it holds; so what comes while one is put together goes along, and
//! what comes while it is written goes into the next. If the database fails in the middle, everything is rolled back
//! and each piece of work is run again by itself, so that only the culprit fails.

#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use sukkal_plugin_sdk::tokio::sync::oneshot;
use sukkal_plugin_sdk::{Call, Error, Host, Result, Timestamp, tracing};

use crate::backlog::{Backlog, Rejected};
use crate::error::{Fail, Outcome, busy, closed};
use crate::job::{Job, Jobs, Task, run, wanted};
use crate::presence::Presence;
use crate::reserve::Leaves;
use crate::thread::Thread;
use crate::wal::Wal;

/// At most so many pieces of work in one transaction.
const TOGETHER: usize = 1000;
/// At most about so many bytes in one transaction.
const TOGETHER_BYTES: usize = 8 << 20;
/// At most about so many bytes waiting.
const WAITING_BYTES: usize = 64 << 20;

/// What the writing thread owns: the connection, and what it knows of the file without asking.
pub trait Ledger: Send + 'static {
    /// The connection that writes.
    fn connection(&self) -> &Connection;
    /// A transaction begins.
    fn begun(&mut self);
    /// What follows in it is done at this instant of the host's clock.
    fn at(&mut self, now: Timestamp);
    /// Writes what is only in memory yet; the commit follows.
    fn flush(&mut self) -> Outcome<()>;
    /// The transaction is committed: others may be told.
    fn committed(&mut self);
    /// How much of the room that is held back this transaction leaves.
    fn leaves(&self) -> Leaves {
        Leaves::Nothing
    }
    /// The file is full: removes what nobody needs, in a bounded step; false if there is nothing.
    fn make_room(&mut self) -> Outcome<bool> {
        Ok(false)
    }
    /// It is full even so: the next transaction puts off what can wait; false if there is no such thing.
    fn put_off(&mut self) -> bool {
        false
    }
    /// The transaction is rolled back: what memory says of the file is void.
    fn forget(&mut self);
    /// Called while nothing waits; answers for how long at the most it may stay uncalled.
    fn idle(&mut self, now: Timestamp) -> Option<Duration>;
}

/// Gives work to the writing thread.
pub struct Writer<L> {
    backlog: Arc<Backlog<Box<dyn Job<L>>>>,
}

impl<L: Ledger> Writer<L> {
    /// Starts the thread, which ends once all that was accepted is committed.
    ///
    /// # Errors
    /// `Unavailable`: no thread is left.
    pub fn start(
        ledger: L,
        host: Host,
        wal: Arc<Wal>,
        presence: Presence,
        role: &'static str,
        waiting: usize,
    ) -> Result<(Writer<L>, Thread)> {
        let backlog = Arc::new(Backlog::new(waiting, WAITING_BYTES));
        let mut worker = Worker { ledger, host, wal, presence, role, backlog: backlog.clone() };
        let run = move || {
            let _ended = Ended(worker.backlog.clone());
            worker.run();
            worker.wal.end(worker.ledger.connection());
        };
        let closed = backlog.clone();
        Ok((Writer { backlog }, Thread::start("sqlite-writer", run, move || closed.close())?))
    }

    /// Runs a piece of work in a transaction; the answer comes once that is committed.
    ///
    /// The work may run twice (see the module), so it must leave no trace but in the ledger, and
    /// must have written nothing when it is [`Fail::Refused`]. `bytes` is about what it writes.
    ///
    /// # Errors
    /// The work's own; `Unavailable` when too much waits; `TimedOut` when the deadline passed.
    pub async fn submit<T, F>(&self, call: &Call, bytes: usize, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut L) -> Outcome<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let task = Task::new(work, call.deadline(), reply);
        self.backlog.push(Box::new(task), bytes).map_err(|rejected| match rejected {
            Rejected::Full => busy("the writer"),
            Rejected::Closed => closed(),
        })?;
        // The sender is dropped unsent only when the thread is gone, see [`Ended`].
        answer.await.unwrap_or_else(|_| Err(closed().unknown()))
    }
}

/// Lets go of what waits when the thread ends, however that comes: nobody else would.
struct Ended<L>(Arc<Backlog<Box<dyn Job<L>>>>);

impl<L> Drop for Ended<L> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(
                "the thread that writes has broken off; the store takes nothing more until it is opened again"
            );
        }
        self.0.close();
        while !self.0.take_now(TOGETHER, TOGETHER_BYTES).is_empty() {}
    }
}

struct Worker<L> {
    ledger: L,
    host: Host,
    wal: Arc<Wal>,
    presence: Presence,
    /// Which file this is, for metrics.
    role: &'static str,
    backlog: Arc<Backlog<Box<dyn Job<L>>>>,
}

/// Where a transaction failed.
enum Stage {
    Begin,
    Work,
    Commit,
}

impl<L: Ledger> Worker<L> {
    fn run(&mut self) {
        loop {
            let patience = self.ledger.idle(self.host.now());
            let Some(jobs) = self.backlog.take(TOGETHER, TOGETHER_BYTES, patience) else { return };
            let jobs = wanted(jobs, self.host.now());
            if !jobs.is_empty() {
                let begun = Instant::now();
                if let Err(missing) = self.presence.check(begun) {
                    jobs.into_iter().for_each(|job| job.answer(Some(missing.clone())));
                    continue;
                }
                let n_jobs = self.commit_with_more(jobs);
                self.measured(n_jobs, begun.elapsed());
                self.wal.committed(self.ledger.connection());
            }
        }
    }

    /// Tells the operator's metrics of work that was committed together.
    fn measured(&self, n_jobs: usize, took: Duration) {
        let file = [("file", self.role)];
        self.host.record("sqlite_commit_requests", &file, n_jobs as f64);
        self.host.record("sqlite_commit_duration_seconds", &file, took.as_secs_f64());
    }

    /// Commits, together with what comes while the transaction is put together; answers how much that was in all.
    fn commit_with_more(&mut self, mut jobs: Jobs<L>) -> usize {
        let (backlog, host) = (self.backlog.clone(), self.host.clone());
        let outcome = self.transaction(|ledger| {
            run(&mut jobs, ledger)?;
            let (before, more) = (jobs.len(), backlog.take_now(TOGETHER, TOGETHER_BYTES));
            // What came after the transaction had begun lives from when it came.
            let now = host.now();
            ledger.at(now);
            jobs.extend(wanted(more, now));
            run(jobs.get_mut(before..).unwrap_or_default(), ledger)
        });
        let n_jobs = jobs.len();
        self.committed(jobs, outcome);
        n_jobs
    }

    fn commit(&mut self, mut jobs: Jobs<L>) {
        let outcome = self.attempt(&mut jobs);
        self.committed(jobs, outcome);
    }

    fn committed(&mut self, mut jobs: Jobs<L>, outcome: Result<(), (Stage, Fail)>) {
        match outcome {
            Ok(()) => jobs.into_iter().for_each(|job| job.answer(None)),
            Err((Stage::Begin, fail)) => {
                let error = Error::from(fail);
                tracing::error!(%error, "no transaction can be begun");
                jobs.into_iter().for_each(|job| job.answer(Some(error.clone())));
            }
            Err((stage, fail)) if jobs.len() == 1 => {
                let failed = self.with_more_room(&mut jobs, stage, fail).err();
                jobs.into_iter().for_each(|job| job.answer(failed.clone()));
            }
            Err(_) => jobs.into_iter().for_each(|job| self.commit(vec![job])),
        }
    }

    /// Runs a piece of work again as long as only room is missing and some can be made.
    fn with_more_room(&mut self, jobs: &mut Jobs<L>, mut stage: Stage, mut fail: Fail) -> Result<()> {
        let mut may_wait = true;
        while fail.is_full() {
            let stores = self.ledger.leaves() == Leaves::All;
            if !self.wal.make_room(self.ledger.connection()) && !self.clean() {
                if stores || !may_wait || !self.ledger.put_off() {
                    break;
                }
                may_wait = false;
            }
            match self.attempt(jobs) {
                Ok(()) => return Ok(()),
                Err(failed) => (stage, fail) = failed,
            }
        }
        let error = Error::from(fail);
        // Part of a commit that failed on the disk may be found there after a crash.
        Err(if matches!(stage, Stage::Commit) { error.unknown() } else { error })
    }

    /// Removes what nobody needs from a full file; false if there is nothing.
    fn clean(&mut self) -> bool {
        let mut made = false;
        let outcome = self.transaction(|ledger| {
            made = ledger.make_room()?;
            Ok(())
        });
        made && outcome.is_ok()
    }

    /// Runs everything in one transaction; after an error nothing of it is left.
    fn attempt(&mut self, jobs: &mut Jobs<L>) -> Result<(), (Stage, Fail)> {
        self.transaction(|ledger| run(jobs, ledger))
    }

    fn transaction(&mut self, mut work: impl FnMut(&mut L) -> Outcome<()>) -> Result<(), (Stage, Fail)> {
        let mut stage = Stage::Begin;
        let now = self.host.now();
        let (ledger, wal) = (&mut self.ledger, &self.wal);
        // After a panic the ledger is told to forget, so nothing half-done of it is ever used.
        let result = catch_unwind(AssertUnwindSafe(|| -> Outcome<()> {
            execute(ledger.connection(), "BEGIN IMMEDIATE")?;
            wal.begun();
            ledger.begun();
            ledger.at(now);
            stage = Stage::Work;
            work(ledger)?;
            ledger.flush()?;
            let _still = wal.hold(ledger.connection(), ledger.leaves())?;
            stage = Stage::Commit;
            execute(ledger.connection(), "COMMIT")
        }));
        match result.unwrap_or(Err(Fail::Panicked)) {
            Ok(()) => {
                self.ledger.committed();
                Ok(())
            }
            Err(fail) => {
                self.roll_back();
                Err((stage, fail))
            }
        }
    }

    fn roll_back(&mut self) {
        self.ledger.forget();
        let connection = self.ledger.connection();
        // Some failures have rolled back already.
        if !connection.is_autocommit()
            && let Err(error) = connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a transaction could not be rolled back");
        }
    }
}

fn execute(connection: &Connection, sql: &str) -> Outcome<()> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}
