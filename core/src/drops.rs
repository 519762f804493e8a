//! Which deleted queues a host removes the rest of. All hosts of a catalog see them all: the one that
//! has deleted a queue begins at once, and the others only where it is still there after a while, each
//! after another one, for then that host has ended.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long others' queues are left to them at least.
const THEIRS: Duration = Duration::from_secs(2);
/// How much longer at most: left to chance.
const SPREAD: Duration = Duration::from_secs(2);
/// How long one that cannot be removed is left alone.
const LATER: Duration = Duration::from_secs(60);
/// How many are remembered, of each kind. What is more has its turn later.
const REMEMBERED: usize = 10_000;

/// What this host knows of deleted queues, by the names of their records.
#[derive(Clone, Default)]
pub(crate) struct Drops(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    own: HashSet<String>,
    /// Others', with the instant from which on they are this host's too.
    theirs: HashMap<String, Instant>,
    /// Those of which nothing was heard when they were to be removed, with the instant of the last attempt.
    silent: HashMap<String, Instant>,
    /// The pools of which queues are being removed.
    busy: HashSet<String>,
}

/// The right to remove queues of a pool, which one has at a time.
pub(crate) struct Busy {
    drops: Drops,
    pool: String,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.drops.lock().busy.remove(&self.pool);
    }
}

impl Drops {
    /// This host has deleted a queue.
    pub(crate) fn add(&self, name: String) {
        let mut known = self.lock();
        if known.own.len() < REMEMBERED {
            known.own.insert(name);
        }
    }

    /// Whether it is this host's turn to remove one.
    pub(crate) fn is_due(&self, name: &str, now: Instant) -> bool {
        let mut known = self.lock();
        if known.own.contains(name) {
            return true;
        }
        match known.theirs.get(name) {
            Some(from) => *from <= now,
            None => {
                if known.theirs.len() < REMEMBERED {
                    let from = now + THEIRS + rand::random_range(Duration::ZERO..=SPREAD);
                    known.theirs.insert(name.to_owned(), from);
                }
                false
            }
        }
    }

    /// One cannot be removed: it is not due for a while.
    pub(crate) fn postpone(&self, name: &str, now: Instant) {
        let mut known = self.lock();
        known.own.remove(name);
        known.theirs.insert(name.to_owned(), now + LATER);
    }

    /// Nothing was heard of one: others have their turn before it.
    pub(crate) fn is_silent(&self, name: &str, now: Instant) {
        let mut known = self.lock();
        if known.silent.len() < REMEMBERED || known.silent.contains_key(name) {
            known.silent.insert(name.to_owned(), now);
        }
    }

    /// When nothing was heard of one. In this order they have their turns.
    pub(crate) fn silent_at(&self, name: &str) -> Option<Instant> {
        self.lock().silent.get(name).copied()
    }

    /// Takes the right to remove queues of a pool, until it is dropped.
    pub(crate) fn begin(&self, pool: &str) -> Option<Busy> {
        let is_free = self.lock().busy.insert(pool.to_owned());
        is_free.then(|| Busy { drops: self.clone(), pool: pool.to_owned() })
    }

    /// Forgets those that are not there any more. Of the host's own some may not have been there yet when
    /// it was looked: they are forgotten once they are done.
    pub(crate) fn retain(&self, there: &HashSet<String>) {
        let mut known = self.lock();
        known.theirs.retain(|name, _| there.contains(name));
        known.silent.retain(|name, _| there.contains(name));
    }

    /// Nothing is left of one.
    pub(crate) fn done(&self, name: &str) {
        let mut known = self.lock();
        known.own.remove(name);
        known.theirs.remove(name);
        known.silent.remove(name);
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_ones_are_due_at_once_and_others_once_they_were_left_alone() {
        let (drops, now) = (Drops::default(), Instant::now());
        drops.add("own".to_owned());
        assert!(drops.is_due("own", now) && !drops.is_due("theirs", now));
        assert!(!drops.is_due("theirs", now + THEIRS - Duration::from_millis(1)));
        assert!(drops.is_due("theirs", now + THEIRS + SPREAD));
        drops.retain(&HashSet::new());
        assert!(drops.is_due("own", now) && !drops.is_due("theirs", now + THEIRS + SPREAD), "it is another one");
        drops.done("own");
        assert!(!drops.is_due("own", now));
    }
}
