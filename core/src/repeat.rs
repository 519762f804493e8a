//! Doing again what others were quicker with, until the deadline of the request; and what broke half-way,
//! for some seconds.

use std::future::Future;
use std::time::{Duration, Instant};

use sukkal_plugin_sdk::{self as sdk, Applied, Call};

use crate::service::Clock;

/// By how much the longest pause grows with each attempt, up to a number of them.
const STEP: Duration = Duration::from_millis(10);
const LONGEST: u32 = 20;
/// How long a call of which nobody knows what came of it is repeated: about as long as another server
/// takes to take over. Who asks is better told then than kept waiting.
const REPEATING: Duration = Duration::from_secs(5);

/// Attempts at one thing.
pub(crate) struct Attempts<'a> {
    call: &'a Call,
    clock: &'a Clock,
    made: u32,
}

impl<'a> Attempts<'a> {
    /// None was made yet.
    pub(crate) fn of(call: &'a Call, clock: &'a Clock) -> Self {
        Attempts { call, clock, made: 0 }
    }

    /// Waits before the next attempt: for a time left to chance, which grows with the number of
    /// attempts, so that many changes of one thing pass one after the other. `false`, at once: the
    /// call's deadline comes before.
    pub(crate) async fn again(&mut self) -> bool {
        self.made += 1;
        let pause = rand::random_range(Duration::ZERO..=STEP * self.made.min(LONGEST));
        if self.call.remaining((self.clock)()) <= pause {
            return false;
        }
        tokio::time::sleep(pause).await;
        true
    }

    /// The same.
    ///
    /// # Errors
    /// This one: the deadline comes before.
    pub(crate) async fn again_or<E>(&mut self, error: impl FnOnce() -> E) -> Result<(), E> {
        if self.again().await { Ok(()) } else { Err(error()) }
    }
}

/// Calls a store, and again for some seconds where nobody knows what came of it, since its connection
/// broke for instance. Only for what does no harm when it is repeated.
///
/// # Errors
/// The store's. It may have been done all the same where that is so of any of the calls.
pub(crate) async fn until_known<T, F>(call: &Call, clock: &Clock, operation: impl Fn() -> F) -> sdk::Result<T>
where
    F: Future<Output = sdk::Result<T>>,
{
    let (mut attempts, begun) = (Attempts::of(call, clock), Instant::now());
    let mut applied = Applied::No;
    loop {
        let mut error = match operation().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        if error.applied == Applied::Unknown {
            applied = Applied::Unknown;
        }
        error.applied = applied;
        let is_open = applied == Applied::Unknown && error.kind == sdk::ErrorKind::Unavailable;
        if !is_open || begun.elapsed() > REPEATING || !attempts.again().await {
            return Err(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use sukkal_plugin_sdk::{RequestId, Timestamp};

    use super::*;

    #[tokio::test]
    async fn there_is_a_next_attempt_until_the_deadline() {
        let now = Arc::new(AtomicI64::new(0));
        let clock: Clock = {
            let now = now.clone();
            Arc::new(move || Timestamp(now.load(Ordering::Relaxed)))
        };
        let call = Call::new(RequestId(1), "p1", Timestamp(1_000));
        let mut attempts = Attempts::of(&call, &clock);
        assert!(attempts.again().await);
        now.store(999, Ordering::Relaxed);
        while attempts.again().await {}
        now.store(1_000, Ordering::Relaxed);
        assert!(!attempts.again().await);
    }

    /// What comes of a call whose attempts end like this, and how many there were.
    async fn after(ends: Vec<sdk::Result<()>>) -> (sdk::Result<()>, usize) {
        let clock: Clock = Arc::new(|| Timestamp(0));
        let call = Call::new(RequestId(1), "p1", Timestamp(60_000));
        let (all, ends) = (ends.len(), std::sync::Mutex::new(ends.into_iter()));
        let next = || async { ends.lock().unwrap().next().unwrap() };
        let outcome = until_known(&call, &clock, next).await;
        let left = ends.lock().unwrap().len();
        (outcome, all - left)
    }

    #[tokio::test]
    async fn what_may_have_been_done_is_repeated_until_that_is_known() {
        let (broken, away) = (sdk::Error::unavailable("it broke").unknown(), sdk::Error::unavailable("it is away"));
        let (outcome, made) = after(vec![Err(broken.clone()), Err(away.clone()), Ok(())]).await;
        assert!(outcome.is_ok() && made == 3);
        let (outcome, made) = after(vec![Err(away), Ok(())]).await;
        assert!(outcome.is_err_and(|error| error.applied == Applied::No) && made == 1, "nothing was done");
        let full = sdk::Error::new(sdk::ErrorKind::Full, "it is full");
        let (outcome, made) = after(vec![Err(broken), Err(full), Ok(())]).await;
        let kept = |error: sdk::Error| (error.kind, error.applied) == (sdk::ErrorKind::Full, Applied::Unknown);
        assert!(outcome.is_err_and(kept) && made == 2, "the first may have been done");
    }
}
