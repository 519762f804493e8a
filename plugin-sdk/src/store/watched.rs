//! What a host watches in a store that tells of changes over a channel, and what it is to be told of it.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use crate::{Hints, QueueId, QueueRef, Timestamp};

/// When a queue falls due in which nothing will.
const NEVER: i64 = i64::MAX;

/// The queues that a host watches, when they fall due, and the hints that it has not fetched yet.
pub struct Watched {
    state: Mutex<State>,
    told: Notify,
    /// Whether the store's channel is heard.
    heard: watch::Sender<bool>,
    ending: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    wanted: HashMap<QueueId, Wanted>,
    hinted: HashSet<QueueId>,
    lost: bool,
    started: bool,
    /// The store's clock less the host's, in milliseconds.
    ahead: i64,
}

struct Wanted {
    queue: QueueRef,
    /// When it falls due next, on the store's clock.
    due: i64,
}

impl Default for Watched {
    fn default() -> Self {
        let flag = || watch::channel(false).0;
        Watched { state: Mutex::default(), told: Notify::new(), heard: flag(), ending: flag() }
    }
}

impl Watched {
    /// Watches a queue. It may have another record than before.
    pub fn add(&self, queue: &QueueRef) {
        let mut state = self.lock();
        let wanted = state.wanted.entry(queue.id());
        wanted.or_insert_with(|| Wanted { queue: queue.clone(), due: NEVER }).queue = queue.clone();
    }

    /// Watches queues no more.
    pub fn remove(&self, queues: &[QueueId]) {
        if !queues.is_empty() {
            self.lock().wanted.retain(|id, _| !queues.contains(id));
        }
    }

    /// Waits until there is something to tell.
    pub async fn hints(&self) -> Hints {
        loop {
            let told = self.told.notified();
            {
                let mut state = self.lock();
                if state.lost || !state.hinted.is_empty() {
                    let queues = std::mem::take(&mut state.hinted).into_iter().collect();
                    let lost = std::mem::take(&mut state.lost);
                    return Hints { queues, lost, ..Hints::default() };
                }
            }
            told.await;
        }
    }

    /// Something may have become available in a queue.
    pub fn tell(&self, queue: QueueId) {
        let mut state = self.lock();
        if state.wanted.contains_key(&queue) {
            state.hinted.insert(queue);
            self.told.notify_one();
        }
    }

    /// Something may have become available anywhere.
    pub fn lose(&self) {
        self.lock().lost = true;
        self.told.notify_one();
    }

    /// A queue falls due at an instant of the store's clock, if it does not sooner.
    pub fn falls_due(&self, queue: QueueId, at: i64) {
        if let Some(wanted) = self.lock().wanted.get_mut(&queue) {
            wanted.due = wanted.due.min(at);
        }
    }

    /// What the store's clock says, and the host's.
    pub fn clocks(&self, store: i64, host: Timestamp) {
        self.lock().ahead = store - host.0;
    }

    /// Takes the queues that have fallen due, or all. Whoever looks into one says when it does so next.
    pub fn take_due(&self, now: Timestamp, all: bool) -> Vec<QueueRef> {
        let mut state = self.lock();
        let now = now.0.saturating_add(state.ahead);
        let due = state.wanted.values_mut().filter(|wanted| all || wanted.due <= now);
        due.map(|wanted| {
            wanted.due = NEVER;
            wanted.queue.clone()
        })
        .collect()
    }

    /// Whether this is the first time that it is asked, so that what runs beside is to be started.
    pub fn start(&self) -> bool {
        !std::mem::replace(&mut self.lock().started, true)
    }

    /// Runs something beside, until [`Watched::end`].
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut ending = self.ending.subscribe();
        tokio::spawn(async move {
            tokio::select! {
                _ = ending.wait_for(|ending| *ending) => {}
                () = work => {}
            }
        });
    }

    /// Ends what runs beside.
    pub fn end(&self) {
        self.ending.send_replace(true);
    }

    /// The channel is heard from now on, or no more. Either way something may have been said that nobody heard.
    pub fn set_heard(&self, heard: bool) {
        self.heard.send_replace(heard);
        self.lose();
    }

    /// Waits until the channel is heard; `false`: it is not in time.
    pub async fn is_heard(&self, patience: Duration) -> bool {
        let mut heard = self.heard.subscribe();
        let heard = timeout(patience, heard.wait_for(|heard| *heard)).await;
        heard.is_ok_and(|heard| heard.is_ok())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_falls_due_is_taken_once_by_the_stores_clock() {
        let (watched, queue) = (Watched::default(), QueueRef::from(QueueId(1)));
        watched.add(&queue);
        watched.clocks(1_000, Timestamp(400));
        watched.falls_due(queue.id(), 2_000);
        watched.falls_due(queue.id(), 3_000);
        assert!(watched.take_due(Timestamp(1_399), false).is_empty());
        assert_eq!(watched.take_due(Timestamp(1_400), false).len(), 1);
        assert!(watched.take_due(Timestamp(9_999), false).is_empty());
        assert_eq!(watched.take_due(Timestamp(0), true).len(), 1);
        watched.remove(&[queue.id()]);
        assert!(watched.take_due(Timestamp(0), true).is_empty());
    }
}
