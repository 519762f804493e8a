//! A host for a plugin's own tests: a directory, and a clock that the test advances.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use tracing_subscriber::filter::LevelFilter;

use crate::abi::host::{HostHandle, LibraryHost};
use crate::abi::services::{HostServices, LogLine, Metric};
use crate::{Call, Host, RequestId, Timestamp, millis};

/// A clock that starts at 2030-01-01T00:00:00Z, runs on by itself and can be advanced.
#[derive(Clone)]
pub struct TestClock(&'static TestServices);

impl Default for TestClock {
    fn default() -> Self {
        TestClock(Box::leak(Box::new(TestServices { started: Instant::now(), advanced: AtomicI64::new(0) })))
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

struct TestServices {
    started: Instant,
    advanced: AtomicI64,
}

impl HostServices for TestServices {
    fn now(&self) -> Timestamp {
        const START: i64 = 1_893_456_000_000;
        Timestamp(START + millis(self.started.elapsed()) + self.advanced.load(Ordering::SeqCst))
    }

    fn log(&self, line: LogLine<'_>) {
        eprintln!("{} {}: {}{}", line.level, line.target, line.text, line.fields);
    }

    fn max_level(&self, _plugin: &str) -> LevelFilter {
        LevelFilter::INFO
    }

    fn metric(&self, _metric: Metric<'_>) {}

    fn address_allowed(&self, _address: IpAddr) -> bool {
        true
    }
}

/// A host whose plugins keep their files in a directory. The clock outlives them all.
pub fn host(data_dir: &Path) -> (Host, TestClock) {
    let clock = TestClock::default();
    (host_with(data_dir, &clock), clock)
}

/// A further host on the same clock, for instance after a restart.
pub fn host_with(data_dir: &Path, clock: &TestClock) -> Host {
    Host(Arc::new(HostHandle {
        library: LibraryHost::new("test", clock.0),
        data_dir: data_dir.to_owned(),
        host_id: "test".to_owned(),
        records: None,
        isolate: false,
    }))
}

/// A call of no particular request, in project `p`, that ends a minute from now.
pub fn call(clock: &TestClock) -> Call {
    Call::new(RequestId(1), "p", clock.now().after(Duration::from_secs(60)))
}
