//! The bound of a store: how much it holds, and how much it may.

use std::sync::atomic::{AtomicU64, Ordering};

use sukkal_plugin_sdk::{Extensions, Result};

use crate::error;

/// Bytes that a message, a record or a claim takes beside its contents: the entry itself, its part
/// of the indexes, and what the allocator adds. Measured, and rounded up: 230 to 320 for a message
/// that waits, 80 more for one that is claimed.
pub const OVERHEAD: u64 = 384;

/// Two counters with a bound each, changed together and without a lock.
pub struct Room {
    bytes: AtomicU64,
    items: AtomicU64,
    max_bytes: u64,
    max_items: u64,
    /// What the items are, and the settings that bound them, for the error.
    names: Names,
}

/// How a store's bounds are called.
pub struct Names {
    /// `messages`.
    pub items: &'static str,
    /// The setting that bounds the bytes.
    pub max_bytes: &'static str,
    /// The setting that bounds the number.
    pub max_items: &'static str,
}

impl Room {
    /// Room for so much, nothing of it taken.
    pub fn new(max_bytes: u64, max_items: u64, names: Names) -> Room {
        Room { bytes: AtomicU64::new(0), items: AtomicU64::new(0), max_bytes, max_items, names }
    }

    /// Takes room, or none.
    ///
    /// # Errors
    /// `Full`.
    pub fn reserve(&self, bytes: u64, items: u64) -> Result<()> {
        take(&self.bytes, bytes, self.max_bytes).map_err(|()| error::full(self.names.items, self.names.max_bytes))?;
        take(&self.items, items, self.max_items).map_err(|()| {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            error::full(self.names.items, self.names.max_items)
        })
    }

    /// Takes room even beyond the bound: for what must go on when a store is full, and whose size
    /// is bounded by what is in the store.
    pub fn take(&self, bytes: u64, items: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.items.fetch_add(items, Ordering::Relaxed);
    }

    /// Gives room back.
    pub fn give_back(&self, bytes: u64, items: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.items.fetch_sub(items, Ordering::Relaxed);
    }

    /// Bytes taken.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Bytes left.
    pub fn free_bytes(&self) -> u64 {
        self.max_bytes.saturating_sub(self.bytes())
    }

    /// Items there.
    pub fn items(&self) -> u64 {
        self.items.load(Ordering::Relaxed)
    }

    /// What the operator should know: that the bound is near.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let near = |used: u64, max: u64| used >= max - max / 10;
        if near(self.bytes(), self.max_bytes) {
            let (used, Names { max_bytes, .. }) = (self.bytes(), &self.names);
            warnings.push(format!("{used} of {} bytes are taken; raise {max_bytes}", self.max_bytes));
        }
        if near(self.items(), self.max_items) {
            let (used, Names { items, max_items, .. }) = (self.items(), &self.names);
            warnings.push(format!("it holds {used} of {} {items}; raise {max_items}", self.max_items));
        }
        warnings
    }
}

fn take(counter: &AtomicU64, amount: u64, max: u64) -> Result<(), ()> {
    let grown = |used: u64| used.checked_add(amount).filter(|used| amount == 0 || *used <= max);
    counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown).map(|_| ()).map_err(|_| ())
}

/// Bytes that extensions take.
pub fn extensions(extensions: &Extensions) -> u64 {
    /// Tag, handle and allocation of each.
    const EACH: u64 = 64;
    extensions.iter().map(|(_, value)| value.len() as u64 + EACH).sum()
}
