//! Pieces of work for the thread that writes, and who waits for them.

use sukkal_plugin_sdk::tokio::sync::oneshot;
use sukkal_plugin_sdk::{Error, Result, Timestamp};

use crate::error::{Fail, Outcome, closed, timed_out};

/// A piece of work that waits, whatever its types.
pub trait Job<L>: Send {
    /// Runs it; an error means that the transaction must be rolled back.
    fn run(&mut self, ledger: &mut L) -> Result<(), Fail>;
    /// Answers: what the work came to, or why it did not.
    fn answer(self: Box<Self>, failed: Option<Error>);
    /// Until when somebody waits for it; `None` when nobody does.
    fn wanted_until(&self) -> Option<Timestamp>;
}

/// A piece of work, and who waits for what it comes to.
pub struct Task<F, T> {
    work: F,
    deadline: Timestamp,
    outcome: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<F, T> Task<F, T> {
    /// Work that somebody waits for until then.
    pub fn new(work: F, deadline: Timestamp, reply: oneshot::Sender<Result<T>>) -> Self {
        Task { work, deadline, outcome: None, reply }
    }
}

impl<L, F, T> Job<L> for Task<F, T>
where
    F: FnMut(&mut L) -> Outcome<T> + Send,
    T: Send,
{
    fn run(&mut self, ledger: &mut L) -> Result<(), Fail> {
        self.outcome = Some(match (self.work)(ledger) {
            Ok(value) => Ok(value),
            Err(Fail::Refused(error)) => Err(error),
            Err(fail) => return Err(fail),
        });
        Ok(())
    }

    fn answer(self: Box<Self>, failed: Option<Error>) {
        let outcome = match failed {
            Some(error) => Err(error),
            None => self.outcome.unwrap_or_else(|| Err(closed())),
        };
        // Nobody may be waiting any more, which is no concern of ours.
        let _ = self.reply.send(outcome);
    }

    fn wanted_until(&self) -> Option<Timestamp> {
        (!self.reply.is_closed()).then_some(self.deadline)
    }
}

/// Pieces of work in their order.
pub type Jobs<L> = Vec<Box<dyn Job<L>>>;

/// Those that somebody still waits for; who waited too long is told.
pub fn wanted<L>(jobs: Jobs<L>, now: Timestamp) -> Jobs<L> {
    let mut wanted = Vec::with_capacity(jobs.len());
    for job in jobs {
        match job.wanted_until() {
            Some(until) if until > now => wanted.push(job),
            Some(_) => job.answer(Some(timed_out())),
            None => {}
        }
    }
    wanted
}

/// Runs them in their order; an error means that the transaction must be rolled back.
pub fn run<L>(jobs: &mut [Box<dyn Job<L>>], ledger: &mut L) -> Outcome<()> {
    jobs.iter_mut().try_for_each(|job| job.run(ledger))
}
