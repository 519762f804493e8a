//! The clock of a test, and what else a host does for its plugins.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use tracing_subscriber::filter::LevelFilter;

use crate::abi::services::{HostServices, LogLine, Metric};
use crate::{Timestamp, millis};

/// 2030-01-01T00:00:00Z.
const START: i64 = 1_893_456_000_000;

/// A clock that starts at 2030-01-01T00:00:00Z, runs on by itself and can be advanced.
#[derive(Clone)]
pub struct TestClock(pub(super) &'static TestServices);

impl Default for TestClock {
    fn default() -> Self {
        TestClock(Box::leak(Box::new(TestServices {
            ahead: START - wall(),
            advanced: AtomicI64::new(0),
            addresses_refused: AtomicBool::new(false),
        })))
    }
}

impl TestClock {
    /// What a loaded library is given for a host: this clock, and a log on standard error. All that
    /// is opened of one library shares it.
    #[cfg(feature = "load")]
    pub fn services(&self) -> &'static dyn HostServices {
        self.0
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.0.advanced.fetch_add(millis(by), Ordering::SeqCst);
    }

    /// What it shows.
    pub fn now(&self) -> Timestamp {
        self.0.now()
    }
}

/// What a host of a test does for its plugins.
pub(super) struct TestServices {
    /// How far the clock was ahead of the machine's when it started.
    ahead: i64,
    advanced: AtomicI64,
    addresses_refused: AtomicBool,
}

impl TestServices {
    pub(super) fn refuse_addresses(&self) {
        self.addresses_refused.store(true, Ordering::SeqCst);
    }
}

impl HostServices for TestServices {
    fn now(&self) -> Timestamp {
        // The machine's own clock, so that a store's server on this machine shows the same to the millisecond.
        Timestamp(wall() + self.shift())
    }

    fn log(&self, line: LogLine<'_>) {
        eprintln!("{} {}: {}{}", line.level, line.target, line.text, line.fields);
    }

    fn max_level(&self, _plugin: &str) -> LevelFilter {
        LevelFilter::INFO
    }

    fn metric(&self, _metric: Metric<'_>) {}

    fn address_allowed(&self, _address: IpAddr) -> bool {
        !self.addresses_refused.load(Ordering::SeqCst)
    }

    fn shift(&self) -> i64 {
        self.ahead + self.advanced.load(Ordering::SeqCst)
    }
}

/// The machine's clock, in milliseconds.
fn wall() -> i64 {
    millis(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}
