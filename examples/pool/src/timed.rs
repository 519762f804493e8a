//! A map whose entries end by themselves.

use std::collections::{BTreeMap, BTreeSet};

use sukkal_plugin_sdk::Timestamp;

/// Entries by key, and by when they end. One that has ended is there until it is taken out: whoever
/// reads must have done that before.
pub struct Timed<K, V> {
    by_key: BTreeMap<K, (Timestamp, V)>,
    ends: BTreeSet<(Timestamp, K)>,
}

impl<K, V> Default for Timed<K, V> {
    fn default() -> Self {
        Timed {
            by_key: BTreeMap::new(),
            ends: BTreeSet::new(),
        }
    }
}

impl<K: Ord + Clone, V> Timed<K, V> {
    /// Puts an entry there, in place of one with its key.
    pub fn insert(&mut self, key: K, ends: Timestamp, value: V) {
        self.remove(&key);
        self.ends.insert((ends, key.clone()));
        self.by_key.insert(key, (ends, value));
    }

    /// Takes an entry out, with its end.
    pub fn remove(&mut self, key: &K) -> Option<(Timestamp, V)> {
        let (ends, value) = self.by_key.remove(key)?;
        self.ends.remove(&(ends, key.clone()));
        Some((ends, value))
    }

    /// An entry.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.by_key.get(key).map(|(_, value)| value)
    }

    /// When the first one ends.
    pub fn first_end(&self) -> Option<Timestamp> {
        self.ends.first().map(|(end, _)| *end)
    }

    /// Takes out one that has ended; false if there is none.
    pub fn take_ended(&mut self, now: Timestamp) -> bool {
        match self.ends.first().filter(|(end, _)| *end <= now).cloned() {
            Some((_, key)) => self.remove(&key).is_some(),
            None => false,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }
}
