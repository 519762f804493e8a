//! What a host holds of the machine.

use crate::{Host, Scrape};

/// Allocators keep some of what they are given back.
pub const ROOM: u64 = 8 * 1024 * 1024;

/// What a host holds at a moment.
#[derive(Clone, Copy, Debug)]
pub struct Holdings {
    /// Resident memory, in bytes.
    pub bytes: u64,
    /// Files and sockets that are open; the connection of who looks is one of them.
    pub open_files: usize,
    /// Threads.
    pub threads: usize,
    /// Tasks of the runtime.
    pub tasks: usize,
}

impl Holdings {
    /// Looks.
    pub async fn of(host: &Host) -> Holdings {
        let tasks = Scrape::of(&host.pages(), "/metrics").await.sum("sukkal_tasks", &[]) as usize;
        Holdings { bytes: host.resident(), open_files: host.open_files(), threads: host.threads(), tasks }
    }
}
