//! When the next piece of work is due.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::Options;
use super::timer::Timer;

/// Not counted: connections are opened, the server's caches fill.
const WARM_UP: Duration = Duration::from_millis(500);
/// How often it is looked what has fallen due, at the most, where a rate is asked for.
const TICK: Duration = Duration::from_micros(50);
/// What is due at the very end may begin so much later. What finds no connection free by then never
/// begins, and is told.
const LAST: Duration = Duration::from_millis(20);

/// Hands out pieces of work until the time, or their number, is used up.
#[derive(Debug)]
pub struct Pace {
    start: Instant,
    plan: Plan,
    taken: AtomicU64,
    over: AtomicBool,
    ended: OnceLock<Instant>,
    due: Semaphore,
}

/// When pieces of work are due, and when there are no more.
#[derive(Clone, Copy, Debug)]
enum Plan {
    /// So many, each when a connection is free.
    Count(u64),
    /// For so long, each when a connection is free.
    Closed(Duration),
    /// For so long, so many a second, whether a connection is free or not.
    Open(Duration, u64),
}

impl Pace {
    /// Begins now.
    pub fn new(options: &Options) -> Pace {
        let length = WARM_UP + Duration::from_secs(options.seconds);
        let plan = match (options.count, options.rate) {
            (Some(count), _) => Plan::Count(count),
            (None, Some(rate)) => Plan::Open(length, rate),
            (None, None) => Plan::Closed(length),
        };
        Pace::of(plan)
    }

    fn of(plan: Plan) -> Pace {
        Pace {
            start: Instant::now(),
            plan,
            taken: AtomicU64::new(0),
            over: AtomicBool::new(false),
            ended: OnceLock::new(),
            due: Semaphore::new(0),
        }
    }

    /// Waits for the next piece of work; its latency counts from this moment. `None`: it is over.
    pub async fn next(&self) -> Option<Instant> {
        if self.over.load(Ordering::Relaxed) {
            return None;
        }
        match self.plan {
            Plan::Count(count) => {
                let mine = self.taken.fetch_add(1, Ordering::Relaxed);
                (mine < count).then(Instant::now)
            }
            Plan::Closed(length) => {
                let now = Instant::now();
                (now < self.start + length).then_some(now)
            }
            Plan::Open(length, rate) => {
                self.due.acquire().await.ok()?.forget();
                let mine = self.taken.fetch_add(1, Ordering::Relaxed);
                let due = Duration::from_secs_f64(mine as f64 / rate as f64);
                (due < length).then(|| self.start + due)
            }
        }
    }

    /// Ends it before its time.
    pub fn stop(&self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = self.ended.set(Instant::now());
        self.due.close();
    }

    /// Since when work counts.
    pub fn counts_from(&self) -> Instant {
        match self.plan {
            Plan::Count(_) => self.start,
            Plan::Closed(_) | Plan::Open(..) => self.start + WARM_UP,
        }
    }

    /// Whether work counts that was due and done at these moments. Where a rate is asked for, what
    /// is done late counts, however late: leaving it out would hide that the server had stalled.
    pub fn counts(&self, due: Instant, done: Instant) -> bool {
        match self.plan {
            Plan::Count(_) => true,
            Plan::Closed(length) => due >= self.counts_from() && done <= self.start + length,
            Plan::Open(..) => done >= self.counts_from(),
        }
    }

    /// How long was measured, when all is over now.
    pub fn measured(&self) -> Duration {
        let end = match self.plan {
            Plan::Closed(length) | Plan::Open(length, _) => self.start + length,
            Plan::Count(_) => Instant::now(),
        };
        let end = self.ended.get().map_or(end, |ended| end.min(*ended));
        end.saturating_duration_since(self.counts_from())
    }

    /// How far it is, from 0 to 1.
    pub fn progress(&self) -> f64 {
        match self.plan {
            Plan::Count(count) => self.taken.load(Ordering::Relaxed) as f64 / count as f64,
            Plan::Closed(length) | Plan::Open(length, _) => self.start.elapsed().as_secs_f64() / length.as_secs_f64(),
        }
    }

    /// What was due and was never begun, because every connection was busy to the end.
    pub fn never_begun(&self) -> u64 {
        match self.plan {
            Plan::Open(length, rate) if self.ended.get().is_none() => {
                all_due(length, rate).saturating_sub(self.taken.load(Ordering::Relaxed))
            }
            _ => 0,
        }
    }

    /// Where a rate is asked for, lets pieces of work fall due until it is over.
    ///
    /// # Errors
    /// The system gives no timer.
    pub async fn drive(&self) -> io::Result<()> {
        let Plan::Open(length, rate) = self.plan else { return Ok(()) };
        let driven = self.release(length, rate).await;
        self.due.close();
        driven
    }

    async fn release(&self, length: Duration, rate: u64) -> io::Result<()> {
        let timer = Timer::new()?;
        let all = all_due(length, rate);
        let mut released = 0;
        while released < all && !self.due.is_closed() {
            // The first is due at the very beginning.
            let due = all.min((self.start.elapsed().as_secs_f64() * rate as f64) as u64 + 1);
            self.due.add_permits(usize::try_from(due - released).unwrap_or(usize::MAX));
            released = due;
            let next = self.start + Duration::from_secs_f64(released as f64 / rate as f64).min(length);
            timer.wait(next.saturating_duration_since(Instant::now()).max(TICK)).await?;
        }
        // What fell due last is begun as well, where connections are free for it.
        while self.taken.load(Ordering::Relaxed) < all && !self.due.is_closed() && self.start.elapsed() < length + LAST
        {
            timer.wait(TICK).await?;
        }
        Ok(())
    }
}

/// How many pieces of work fall due in such a time.
fn all_due(length: Duration, rate: u64) -> u64 {
    (length.as_secs_f64() * rate as f64).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn at_a_rate_work_begins_when_it_is_due_and_all_of_it() {
        let pace = Pace::of(Plan::Open(Duration::from_millis(500), 20));
        let work = async {
            let mut late = Vec::new();
            while let Some(due) = pace.next().await {
                late.push(due.elapsed());
            }
            late
        };
        let (driven, late) = tokio::join!(pace.drive(), work);
        driven.unwrap();
        assert_eq!((late.len(), pace.never_begun()), (10, 0));
        assert!(late.iter().min() < Some(&Duration::from_millis(50)), "later than the next is due: {late:?}");
    }
}
