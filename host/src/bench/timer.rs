//! A clock that knows shorter times than the runtime's own, which knows milliseconds only.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Waits by the system's own high-resolution timer, an event to the runtime as any socket's.
#[derive(Debug)]
pub struct Timer(AsyncFd<OwnedFd>);

impl Timer {
    /// Within a tokio runtime.
    ///
    /// # Errors
    /// The system gives no further timer.
    pub fn new() -> io::Result<Timer> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        #[expect(deprecated, reason = "what replaces it is unsafe, for the sake of types that change their descriptor")]
        AsyncFd::with_interest(timer, Interest::READABLE).map(Timer)
    }

    /// Waits for so long, and no shorter. By one at a time.
    ///
    /// # Errors
    /// The system's, of which none is known.
    pub async fn wait(&self, time: Duration) -> io::Result<()> {
        // Nothing at all would stop the timer.
        let once = Timespec::try_from(time.max(Duration::from_nanos(1))).map_err(io::Error::other)?;
        let times = Itimerspec { it_interval: Timespec::default(), it_value: once };
        timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &times)?;
        let mut n_times = [0; 8];
        let read = |timer: &OwnedFd| Ok(rustix::io::read(timer, &mut n_times)?);
        self.0.async_io(Interest::READABLE, read).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn it_waits_no_shorter_than_it_should() {
        let timer = Timer::new().unwrap();
        for _ in 0..20 {
            let begun = Instant::now();
            timer.wait(Duration::from_micros(100)).await.unwrap();
            assert!(begun.elapsed() >= Duration::from_micros(100), "{:?}", begun.elapsed());
        }
        timer.wait(Duration::ZERO).await.unwrap();
    }
}
