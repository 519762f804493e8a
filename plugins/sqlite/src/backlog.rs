//! Work that waits for a thread: bounded in number and bytes, never blocking whoever adds to it.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A bounded queue between tasks of the host and threads of ours.
pub struct Backlog<T> {
    state: Mutex<State<T>>,
    added: Condvar,
    max_items: usize,
    max_bytes: usize,
}

struct State<T> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
    /// Threads that wait: waking costs a system call, so it is spared where nobody does.
    sleeping: usize,
    closed: bool,
}

impl<T> State<T> {
    fn take(&mut self, max_items: usize, max_bytes: usize) -> Vec<T> {
        let mut taken = Vec::with_capacity(self.items.len().min(max_items));
        let mut bytes = 0;
        while let Some((_, next)) = self.items.front() {
            if taken.len() >= max_items || (bytes > 0 && bytes + next > max_bytes) {
                break;
            }
            bytes += next;
            taken.extend(self.items.pop_front().map(|entry| entry.0));
        }
        self.bytes -= bytes.min(self.bytes);
        taken
    }
}

/// Why something was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// Too much waits already.
    Full,
    /// Nobody will take it any more.
    Closed,
}

impl<T> Backlog<T> {
    /// An empty one, with its bounds. A single item may be larger than `max_bytes`.
    pub fn new(max_items: usize, max_bytes: usize) -> Self {
        let state = State { items: VecDeque::new(), bytes: 0, sleeping: 0, closed: false };
        Backlog { state: Mutex::new(state), added: Condvar::new(), max_items, max_bytes }
    }

    /// Adds an item of about so many bytes.
    ///
    /// # Errors
    /// [`Rejected`]: the item is dropped.
    pub fn push(&self, item: T, bytes: usize) -> Result<(), Rejected> {
        let mut state = self.lock();
        if state.closed {
            return Err(Rejected::Closed);
        }
        let too_many_bytes = state.bytes > 0 && state.bytes + bytes > self.max_bytes;
        if state.items.len() >= self.max_items || too_many_bytes {
            return Err(Rejected::Full);
        }
        state.items.push_back((item, bytes));
        state.bytes += bytes;
        if state.sleeping > 0 {
            self.added.notify_one();
        }
        Ok(())
    }

    /// Takes what waits, up to so many items and bytes (one item in any case), in order. Waits for
    /// the first one, at most `patience`, and then gives none. `None` once it is closed and empty.
    pub fn take(&self, max_items: usize, max_bytes: usize, patience: Option<Duration>) -> Option<Vec<T>> {
        let mut state = self.lock();
        while state.items.is_empty() {
            if state.closed {
                return None;
            }
            state.sleeping += 1;
            let (woken, timed_out) = self.wait(state, patience);
            state = woken;
            state.sleeping -= 1;
            if timed_out && state.items.is_empty() && !state.closed {
                return Some(Vec::new());
            }
        }
        Some(state.take(max_items, max_bytes))
    }

    /// Takes what is there, within the same bounds.
    pub fn take_now(&self, max_items: usize, max_bytes: usize) -> Vec<T> {
        self.lock().take(max_items, max_bytes)
    }

    /// Nothing is added from here on; what waits is still taken.
    pub fn close(&self) {
        self.lock().closed = true;
        self.added.notify_all();
    }

    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State<T>>,
        patience: Option<Duration>,
    ) -> (MutexGuard<'a, State<T>>, bool) {
        match patience {
            None => (self.added.wait(state).unwrap_or_else(PoisonError::into_inner), false),
            Some(patience) => {
                let (state, result) = self.added.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner);
                (state, result.timed_out())
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing under this lock can panic half-way, so a poisoned one is as good as any.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_in_number_and_bytes() {
        let backlog = Backlog::new(2, 100);
        assert_eq!(backlog.push("large", 500), Ok(()));
        assert_eq!(backlog.push("next", 1), Err(Rejected::Full));
        assert_eq!(backlog.take(9, 10, None), Some(vec!["large"]));
        assert_eq!(backlog.push("a", 10), Ok(()));
        assert_eq!(backlog.push("b", 10), Ok(()));
        assert_eq!(backlog.push("c", 10), Err(Rejected::Full));
        assert_eq!(backlog.take(9, 15, None), Some(vec!["a"]));
        backlog.close();
        assert_eq!(backlog.push("d", 1), Err(Rejected::Closed));
        assert_eq!(backlog.take(9, 15, None), Some(vec!["b"]));
        assert_eq!(backlog.take(9, 15, None), None);
    }

    #[test]
    fn patience_ends() {
        let backlog = Backlog::<u8>::new(1, 1);
        assert_eq!(backlog.take(1, 1, Some(Duration::from_millis(1))), Some(Vec::new()));
    }
}
