//! A clock that ticks more often than the runtime's own, which knows milliseconds only.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Ticks on the system's own high-resolution timer, an event to the runtime as any socket's.
#[derive(Debug)]
pub struct Ticks(AsyncFd<OwnedFd>);

impl Ticks {
    /// Ticks every `period`, from now on. Called within a tokio runtime.
    ///
    /// # Errors
    /// The system gives no further timer.
    pub fn every(period: Duration) -> io::Result<Ticks> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let period = Timespec::try_from(period).map_err(io::Error::other)?;
        let times = Itimerspec { it_interval: period, it_value: period };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &times)?;
        #[expect(deprecated, reason = "what replaces it is unsafe, for the sake of types that change their descriptor")]
        AsyncFd::with_interest(timer, Interest::READABLE).map(Ticks)
    }

    /// Waits until it has ticked, once or more, since the last time.
    ///
    /// # Errors
    /// The system's, of which none is known.
    pub async fn tick(&self) -> io::Result<()> {
        let mut n_ticks = [0; 8];
        let read = |timer: &OwnedFd| Ok(rustix::io::read(timer, &mut n_ticks)?);
        self.0.async_io(Interest::READABLE, read).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn it_ticks_no_sooner_than_it_should() {
        let (begun, ticks) = (Instant::now(), Ticks::every(Duration::from_micros(100)).unwrap());
        for _ in 0..20 {
            ticks.tick().await.unwrap();
        }
        assert!(begun.elapsed() >= Duration::from_millis(2), "{:?}", begun.elapsed());
    }
}
