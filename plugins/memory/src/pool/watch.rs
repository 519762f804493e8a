//! Telling the host where something may have become available, so that it need not ask.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use sukkal_plugin_sdk::tokio::sync::Notify;
use sukkal_plugin_sdk::{Error, Hints, Host, QueueId, QueueRef, Result, Swept, Timestamp, WatchChange};

use super::agenda::Dates;
use super::settle::STEP;
use super::shared::Shared;

/// How often the clock is looked at while something is to fall due: the host's clock can be put
/// forward, so one long sleep would not do.
const LOOK: Duration = Duration::from_millis(50);

/// The one who waits, and what it is to be told.
pub struct Watch {
    host: Host,
    wanted: Mutex<HashSet<QueueId>>,
    hinted: Mutex<HashSet<QueueId>>,
    told: Notify,
    /// When something becomes available by itself in each watched queue.
    alarms: Mutex<Dates>,
    changed: Condvar,
    /// Whether there is a thread that keeps the time.
    started: Mutex<bool>,
    closed: AtomicBool,
}

impl Watch {
    /// Nothing is watched yet.
    pub fn new(host: Host) -> Watch {
        Watch {
            host,
            wanted: Mutex::default(),
            hinted: Mutex::default(),
            told: Notify::new(),
            alarms: Mutex::default(),
            changed: Condvar::new(),
            started: Mutex::new(false),
            closed: AtomicBool::new(false),
        }
    }

    /// Whether a queue is watched.
    pub fn wants(&self, queue: QueueId) -> bool {
        lock(&self.wanted).contains(&queue)
    }

    /// Something may have become available in a watched queue.
    pub fn hint(&self, queue: QueueId) {
        lock(&self.hinted).insert(queue);
        self.told.notify_one();
    }

    /// Waits for the next hints.
    pub async fn hints(&self) -> Hints {
        loop {
            let told = self.told.notified();
            let queues: Vec<_> = lock(&self.hinted).drain().collect();
            if !queues.is_empty() {
                return Hints { queues, ..Hints::default() };
            }
            told.await;
        }
    }

    /// Puts a queue's alarm forward or back.
    pub fn set_alarm(&self, queue: QueueId, before: Timestamp, after: Timestamp) {
        if before == after {
            return;
        }
        let mut alarms = lock(&self.alarms);
        alarms.set(queue, before, after);
        if alarms.first() == Some(after) {
            self.changed.notify_one();
        }
    }

    /// Ends the thread that keeps the time.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let _alarms = lock(&self.alarms);
        self.changed.notify_all();
    }

    /// Waits until alarms are due, and takes them out; none once closed.
    fn due(&self) -> Option<Vec<QueueId>> {
        let mut alarms = lock(&self.alarms);
        loop {
            if self.closed.load(Ordering::Acquire) {
                return None;
            }
            let now = self.host.now();
            let due: Vec<_> = std::iter::from_fn(|| alarms.take_due(now)).collect();
            if !due.is_empty() {
                return Some(due);
            }
            alarms = match alarms.first() {
                None => self.changed.wait(alarms).unwrap_or_else(PoisonError::into_inner),
                Some(next) => {
                    let wait = next.since(now).clamp(Duration::from_millis(1), LOOK);
                    self.changed.wait_timeout(alarms, wait).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

/// Adds and removes watched queues.
///
/// # Errors
/// `Unavailable`: the system gives no thread.
pub fn change(pool: &Arc<Shared>, change: &WatchChange) -> Result<()> {
    if !change.add.is_empty() {
        start(pool)?;
    }
    for id in &change.remove {
        lock(&pool.watch.wanted).remove(id);
        pool.visit_any(*id, |visit| {
            visit.strike_alarm();
            visit.contents.watched = false;
        });
    }
    for id in change.add.iter().map(QueueRef::id) {
        // In this order: a queue that is made meanwhile looks here once it is in the map.
        lock(&pool.watch.wanted).insert(id);
        pool.watch_if_wanted(id);
    }
    Ok(())
}

fn start(pool: &Arc<Shared>) -> Result<()> {
    let mut started = lock(&pool.watch.started);
    if *started {
        return Ok(());
    }
    let (watch, pool) = (pool.watch.clone(), Arc::downgrade(pool));
    std::thread::Builder::new()
        .name("memory alarms".to_owned())
        .spawn(move || keep_time(&watch, &pool))
        .map_err(|error| Error::unavailable("the system gives no further thread").detail(error))?;
    *started = true;
    Ok(())
}

/// Settles watched queues when something in them falls due, which gives the hints.
fn keep_time(watch: &Watch, pool: &Weak<Shared>) {
    while let (Some(due), Some(pool)) = (watch.due(), pool.upgrade()) {
        for id in due {
            pool.visit_any(id, |visit| {
                visit.strike_alarm();
                visit.settle(STEP, &mut Swept::default());
            });
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
