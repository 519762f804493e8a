//! A wall clock that is off. A program that is started with this library in `LD_PRELOAD` sees the
//! system's time, put forward by `CLOCK_AHEAD_MS` milliseconds. Clocks that only measure how long
//! something takes are left as they are.

use std::ffi::{c_int, c_long};
use std::sync::OnceLock;

use libc::{CLOCK_REALTIME, CLOCK_REALTIME_COARSE, SYS_clock_gettime, clockid_t, timespec};

const NANOS: i64 = 1_000_000_000;

fn ahead() -> i64 {
    static AHEAD: OnceLock<i64> = OnceLock::new();
    *AHEAD.get_or_init(|| {
        let ms: i64 = std::env::var("CLOCK_AHEAD_MS").ok().and_then(|ms| ms.parse().ok()).unwrap_or(0);
        ms * 1_000_000
    })
}

/// In place of the C library's.
///
/// # Safety
/// `time` points to a `timespec` that may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int {
    // SAFETY: the kernel writes to where the caller says, as it does without this library.
    let failed: c_long = unsafe { libc::syscall(SYS_clock_gettime, clock, time) };
    if failed == 0 && matches!(clock, CLOCK_REALTIME | CLOCK_REALTIME_COARSE) {
        // SAFETY: the kernel has just written there.
        let time = unsafe { &mut *time };
        let nanos = time.tv_sec * NANOS + time.tv_nsec + ahead();
        time.tv_sec = nanos.div_euclid(NANOS);
        time.tv_nsec = nanos.rem_euclid(NANOS);
    }
    c_int::try_from(failed).unwrap_or(-1)
}
