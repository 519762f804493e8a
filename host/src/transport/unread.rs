//! What the clients of all connections together have not read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// It is counted in steps, so that who reads what it asks for counts nothing and changes nothing that all share. A
/// connection may leave as much unread whatever the others do.
pub const STEP: usize = 64 * 1024;

/// The bytes that all connections together leave unread.
#[derive(Debug)]
pub struct Unread {
    n_bytes: AtomicUsize,
    max: usize,
}

impl Unread {
    /// Nothing yet; more than this is too much.
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Unread { n_bytes: AtomicUsize::new(0), max })
    }

    /// Whether it is too much.
    pub fn is_too_much(&self) -> bool {
        self.n_bytes.load(Ordering::Relaxed) > self.max
    }
}

/// One connection's part of them. It is taken off when this is dropped.
pub struct Part {
    all: Arc<Unread>,
    n_bytes: usize,
}

impl Part {
    /// Nothing yet.
    pub fn of(all: &Arc<Unread>) -> Self {
        Part { all: all.clone(), n_bytes: 0 }
    }

    /// Says how many bytes it is by now.
    pub fn set(&mut self, n_bytes: usize) {
        let (before, now) = (self.n_bytes, n_bytes - n_bytes % STEP);
        if now > before {
            self.all.n_bytes.fetch_add(now - before, Ordering::Relaxed);
        } else if now < before {
            self.all.n_bytes.fetch_sub(before - now, Ordering::Relaxed);
        }
        self.n_bytes = now;
    }

    /// How many bytes it is, in whole steps.
    pub fn n_bytes(&self) -> usize {
        self.n_bytes
    }

    /// Whether all are too many, and some of them are this connection's.
    pub fn is_too_much(&self) -> bool {
        self.n_bytes > 0 && self.all.is_too_much()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.set(0);
    }
}
