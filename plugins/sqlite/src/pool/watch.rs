//! Telling a host where something may have become available, so that it need not ask.
//!
//! The writer alone knows; it notes the watched queues of each commit, and the instants at which
//! something in them falls due by itself.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sukkal_plugin_sdk::tokio::sync::Notify;
use sukkal_plugin_sdk::{Hints, QueueId, QueueRef, Timestamp, WatchChange};

use super::ledger::Ledger;
use crate::error::Outcome;

/// How often the clock is looked at while something is to fall due: the host's clock can be put
/// forward, so one long sleep would not do.
const LOOK: Duration = Duration::from_millis(50);

/// What the writer tells the one that waits.
#[derive(Default)]
pub struct Watch {
    pending: Mutex<HashSet<QueueId>>,
    lost: AtomicBool,
    told: Notify,
}

impl Watch {
    /// Waits for the next hints.
    pub async fn hints(&self) -> Hints {
        loop {
            let told = self.told.notified();
            let queues: Vec<_> = self.pending.lock().unwrap_or_else(PoisonError::into_inner).drain().collect();
            let lost = self.lost.swap(false, Ordering::AcqRel);
            if lost || !queues.is_empty() {
                return Hints { queues, lost, ..Hints::default() };
            }
            told.await;
        }
    }
}

/// The writer's side.
pub struct Watched {
    watch: Arc<Watch>,
    /// When something in each watched queue falls due.
    wakes: HashMap<QueueId, Timestamp>,
    /// None of them before this, so that not all are looked at after each commit.
    next: Timestamp,
    /// To be told once the transaction is committed.
    noted: Vec<QueueId>,
}

impl Watched {
    /// Nothing is watched yet.
    pub fn new(watch: Arc<Watch>) -> Watched {
        Watched { watch, wakes: HashMap::new(), next: Timestamp::MAX, noted: Vec::new() }
    }

    /// A queue has changed.
    pub fn touched(&mut self, id: QueueId, wakes: Timestamp, stirred: bool) {
        if self.wakes.is_empty() {
            return;
        }
        if let Some(known) = self.wakes.get_mut(&id) {
            *known = wakes;
            self.next = self.next.min(wakes);
            if stirred {
                self.noted.push(id);
            }
        }
    }

    /// Tells what was noted.
    pub fn tell(&mut self) {
        if self.noted.is_empty() {
            return;
        }
        self.watch.pending.lock().unwrap_or_else(PoisonError::into_inner).extend(self.noted.drain(..));
        self.watch.told.notify_one();
    }

    /// Hints may have been missed.
    pub fn lost(&mut self) {
        self.noted.clear();
        if !self.wakes.is_empty() {
            self.watch.lost.store(true, Ordering::Release);
            self.watch.told.notify_one();
        }
    }

    /// Notes the queues in which something is due by now, and answers when to look again. What is
    /// due becomes available by itself; the next call to the queue, or the sweep, settles it.
    pub fn due(&mut self, now: Timestamp) -> Option<Duration> {
        if self.next <= now {
            self.next = Timestamp::MAX;
            for (id, wakes) in &mut self.wakes {
                if *wakes <= now {
                    self.noted.push(*id);
                    // Until it is touched again.
                    *wakes = Timestamp::MAX;
                }
                self.next = self.next.min(*wakes);
            }
            self.tell();
        }
        (self.next < Timestamp::MAX).then(|| self.next.since(now).min(LOOK))
    }
}

/// Adds and removes watched queues.
pub fn change(ledger: &mut Ledger, change: &WatchChange) -> Outcome<()> {
    for id in &change.remove {
        ledger.watched().wakes.remove(id);
    }
    for id in change.add.iter().map(QueueRef::id) {
        // One that is not here yet may be made and posted to later.
        let wakes = ledger.with_any(id, |_, queue| Ok(queue.stirs))?.unwrap_or(Timestamp::MAX);
        let watched = ledger.watched();
        watched.wakes.insert(id, wakes);
        watched.next = watched.next.min(wakes);
    }
    Ok(())
}
