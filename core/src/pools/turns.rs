//! Names that somebody here works with, each of which one has at a time.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The names that are taken.
#[derive(Default)]
pub(super) struct Turns {
    taken: Mutex<BTreeSet<String>>,
    /// Told when one is given back.
    over: Notify,
}

impl Turns {
    /// Takes a name, unless somebody has it.
    pub(super) fn try_take(&self, name: &str) -> Option<Turn<'_>> {
        self.taken().insert(name.to_owned()).then(|| Turn { turns: self, name: name.to_owned() })
    }

    /// Takes a name as soon as nobody has it. The caller bounds the time.
    pub(super) async fn take(&self, name: &str) -> Turn<'_> {
        loop {
            // Before the look, so that nothing is missed between the two.
            let over = self.over.notified();
            if let Some(turn) = self.try_take(name) {
                return turn;
            }
            over.await;
        }
    }

    /// All that are taken.
    pub(super) fn all(&self) -> BTreeSet<String> {
        self.taken().clone()
    }

    fn taken(&self) -> MutexGuard<'_, BTreeSet<String>> {
        // Each change of it is one step.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name that is taken, until this is dropped.
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    name: String,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.taken().remove(&self.name);
        self.turns.over.notify_waiters();
    }
}
