//! The process, under the names that Prometheus' clients give these figures everywhere.

use std::sync::Mutex;
use std::time::SystemTime;

use procfs::WithCurrentSystemInfo;
use procfs::process::{LimitValue, Process as Seen};
use prometheus::{Counter, IntGauge, Registry};
use tokio::runtime::Handle;

use super::{Error, register};

/// Looked at when metrics are read.
pub struct Process {
    cpu_seconds: Counter,
    /// What the counter has, in seconds.
    counted: Mutex<f64>,
    resident_bytes: IntGauge,
    virtual_bytes: IntGauge,
    open_fds: IntGauge,
    max_fds: IntGauge,
    threads: IntGauge,
    tasks: IntGauge,
}

impl Process {
    /// Sets them up.
    pub fn new(registry: &Registry) -> Result<Self, Error> {
        let gauge = |name: &str, help: &str| register(registry, &IntGauge::new(name, help)?);
        let cpu = Counter::new("process_cpu_seconds_total", "Time of processors that was used, in seconds.")?;
        let start = gauge("process_start_time_seconds", "When the process started, in seconds since 1970.")?;
        start.set(whole(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()));
        Ok(Process {
            cpu_seconds: register(registry, &cpu)?,
            counted: Mutex::default(),
            resident_bytes: gauge("process_resident_memory_bytes", "Memory that is held.")?,
            virtual_bytes: gauge("process_virtual_memory_bytes", "Addresses that are mapped.")?,
            open_fds: gauge("process_open_fds", "Files and sockets that are open.")?,
            max_fds: gauge("process_max_fds", "Files and sockets that may be open.")?,
            threads: gauge("process_threads", "Threads.")?,
            tasks: gauge("sukkal_tasks", "Tasks of the host's runtime.")?,
        })
    }

    /// Brings them up to date. What the system does not tell stays as it was.
    pub fn look(&self) {
        if let Err(error) = self.try_look() {
            tracing::debug!(%error, "the process could not be looked at");
        }
    }

    fn try_look(&self) -> procfs::ProcResult<()> {
        if let Ok(runtime) = Handle::try_current() {
            self.tasks.set(whole(runtime.metrics().num_alive_tasks() as u64));
        }
        let process = Seen::myself()?;
        let stat = process.stat()?;
        let mut counted = self.counted.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let used = (stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64;
        if used > *counted {
            self.cpu_seconds.inc_by(used - *counted);
            *counted = used;
        }
        drop(counted);
        self.resident_bytes.set(whole(stat.rss_bytes().get()));
        self.virtual_bytes.set(whole(stat.vsize));
        self.threads.set(stat.num_threads);
        self.open_fds.set(whole(process.fd_count()? as u64));
        self.max_fds.set(match process.limits()?.max_open_files.soft_limit {
            LimitValue::Value(files) => whole(files),
            LimitValue::Unlimited => i64::MAX,
        });
        Ok(())
    }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
