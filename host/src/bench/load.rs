//! Connections at work at the same time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::fault::Fault;
use super::pace::Pace;
use super::progress::Progress;
use super::tally::Tally;
use super::target::Target;
use super::work::{Done, Worker};
use super::{Failure, Options, Report};
use crate::shutdown::Signals;

/// After a connection that broke, the next is not tried at once.
const PAUSE: Duration = Duration::from_millis(50);
/// How long a signal leaves to what is under way.
const LAST: Duration = Duration::from_secs(1);
/// How often the progress line is drawn.
const REDRAW: Duration = Duration::from_millis(200);

/// What the workers share.
struct Shared {
    pace: Pace,
    tally: Mutex<Tally>,
}

impl Shared {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs every worker until it is over, or a signal comes. What is received, is at the receiver.
pub async fn run(
    options: &Options,
    target: &Target,
    receiver: &Target,
    signals: &mut Signals,
) -> Result<Report, Failure> {
    let shared = Arc::new(Shared { pace: Pace::new(options), tally: Mutex::new(Tally::new()) });
    let mut workers = JoinSet::new();
    for worker in Worker::all(options, target, receiver) {
        workers.spawn(work(worker, shared.clone()));
    }
    let progress = tokio::spawn(show(shared.clone()));
    let driven = shared.clone();
    let driver = tokio::spawn(async move { driven.pace.drive().await });
    let drained = tokio::select! {
        drained = ended(&mut workers) => Some(drained?),
        _ = signals.next() => {
            shared.pace.stop();
            // What waits for a message may do so for long.
            let _ = tokio::time::timeout(LAST, ended(&mut workers)).await;
            None
        }
    };
    drop(workers);
    progress.abort();
    // It ends with what it drives.
    if let Ok(Err(error)) = driver.await {
        return Err(Failure::new(format!("the system gives no timer: {error}")));
    }
    let tally = shared.tally();
    match (tally.n_done(), drained) {
        (0, None) => return Err(Failure::interrupted()),
        (0, Some(drained)) => return Err(nothing(options, &tally, drained)),
        _ => {}
    }
    let (measured, drained) = (shared.pace.measured(), drained.unwrap_or(false));
    Ok(Report::new(options, target, &tally, measured, drained, shared.pace.never_begun()))
}

/// Waits for the end of all workers: whether one of them found nothing more to do.
async fn ended(workers: &mut JoinSet<bool>) -> Result<bool, Failure> {
    let mut drained = false;
    while let Some(joined) = workers.join_next().await {
        drained |= joined.map_err(|error| Failure::new(format!("the load generator broke: {error}")))?;
    }
    Ok(drained)
}

/// Works until it is over, or until a round through the queues finds nothing to do (`true`).
async fn work(mut worker: Worker, shared: Arc<Shared>) -> bool {
    let mut n_empty = 0;
    while let Some(due) = shared.pace.next().await {
        match worker.once().await {
            Ok(Done::At(at)) => {
                n_empty = 0;
                shared.record(due, at);
            }
            Ok(Done::Between(begun, at)) => shared.record(begun, at),
            Ok(Done::Nothing) => {
                n_empty += 1;
                if n_empty >= worker.n_queues() {
                    shared.pace.stop();
                    return true;
                }
            }
            Err(fault) => {
                let is_broken = matches!(fault, Fault::Broken(_));
                shared.tally().failed(fault);
                if is_broken {
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
    false
}

impl Shared {
    fn record(&self, begun: Instant, at: Instant) {
        if self.pace.counts(begun, at) {
            self.tally().done(at.saturating_duration_since(begun));
        }
    }
}

async fn show(shared: Arc<Shared>) {
    let progress = Progress::new("measuring");
    loop {
        let n_done = shared.tally().n_done();
        let rate = n_done as f64 / shared.pace.counts_from().elapsed().as_secs_f64().max(0.1);
        progress.set(shared.pace.progress(), &format!("{rate:.0}/s"));
        tokio::time::sleep(REDRAW).await;
    }
}

/// Nothing at all was done: that is no measurement.
fn nothing(options: &Options, tally: &Tally, drained: bool) -> Failure {
    let why = match tally.faults_in_words() {
        faults if !faults.is_empty() => faults,
        // Of a number all that is done counts, however late.
        _ if drained || options.count.is_some() => "there was nothing to do; post more with --fill".to_owned(),
        _ => "nothing that began was done in time; give it more --seconds".to_owned(),
    };
    Failure::new(format!("{} was not done once: {why}", options.work.name()))
}
