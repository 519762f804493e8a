//! The host's clock: it runs evenly, and is drawn towards the system's, which may be set while the host runs.
//!
//! Lives and claims end by this clock in stores that have none of their own. So a system's clock that is set must
//! not end them at once: the host follows it by half a second in each, and never goes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use sukkal_plugin_sdk::Timestamp;

/// How often the system's clock is looked at, in microseconds.
const LOOK: i64 = 1_000_000;
/// How much the host's gains or loses between two looks, at the most.
const MOST: i64 = LOOK / 2;
/// From where on the operator is told how far off the host's clock is.
const FAR: i64 = 60 * LOOK;

/// What the host takes for the time.
pub struct Clock {
    started: Instant,
    leg: ArcSwap<Leg>,
    /// Whether it was far off when it was last looked.
    far: AtomicBool,
}

/// How the clock runs from one look on, in microseconds.
#[derive(Clone, Copy, Debug)]
struct Leg {
    /// When that was, since the start.
    from: i64,
    /// What the clock showed then, since 1970.
    showed: i64,
    /// What it gains, or loses, until the next look.
    gains: i64,
}

impl Leg {
    fn shows(&self, elapsed: i64) -> i64 {
        let run = (elapsed - self.from).max(0);
        self.showed + run + self.gains * run.min(LOOK) / LOOK
    }

    /// The leg that follows on a look at the system's clock.
    fn next(&self, elapsed: i64, system: i64) -> Leg {
        let showed = self.shows(elapsed);
        Leg { from: elapsed, showed, gains: (system - showed).clamp(-MOST, MOST) }
    }
}

impl Clock {
    /// A clock that shows what the system's does.
    pub fn start() -> Clock {
        let leg = Leg { from: 0, showed: system(), gains: 0 };
        Clock { started: Instant::now(), leg: ArcSwap::from_pointee(leg), far: AtomicBool::new(false) }
    }

    /// What it shows.
    pub fn now(&self) -> Timestamp {
        let elapsed = micros(self.started.elapsed());
        let leg = self.leg.load();
        let shows = leg.shows(elapsed);
        if elapsed - leg.from >= LOOK {
            let system = system();
            self.tell(system - shows);
            // One of those who look at once is heard: each would go on from what is shown now.
            self.leg.compare_and_swap(&*leg, Arc::new(leg.next(elapsed, system)));
        }
        Timestamp(shows.div_euclid(1000))
    }

    /// Tells the operator, once, that the system's clock is far from here.
    fn tell(&self, off: i64) {
        let far = off.abs() >= FAR;
        if far && !self.far.load(Ordering::Relaxed) {
            let seconds = off / LOOK;
            tracing::warn!(
                seconds,
                "the system's clock was set; this host follows by half a second in each, and at once when it is restarted"
            );
        }
        self.far.store(far, Ordering::Relaxed);
    }
}

/// What the system's clock shows, in microseconds since 1970.
fn system() -> i64 {
    micros(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a clock shows, second by second, whose system's is set by so many seconds at its start.
    fn shown(set_by: i64, seconds: i64) -> Vec<i64> {
        let mut leg = Leg { from: 0, showed: 0, gains: 0 };
        let looks = (1..=seconds).map(|second| {
            leg = leg.next(second * LOOK, (second + set_by) * LOOK);
            leg.showed
        });
        looks.collect()
    }

    #[test]
    fn a_clock_that_was_set_is_followed_by_half_a_second_in_each() {
        for set_by in [10, -10] {
            let shown = shown(set_by, 30);
            let steps = shown.windows(2).map(|pair| pair[1] - pair[0]);
            assert!(steps.clone().all(|step| (LOOK - MOST..=LOOK + MOST).contains(&step)), "{shown:?}");
            assert_eq!(shown[19], 20 * LOOK + set_by.signum() * (9 * LOOK + MOST));
            assert_eq!(shown[29], (30 + set_by) * LOOK);
        }
    }

    #[test]
    fn it_never_goes_back_nor_further_than_the_system_when_nobody_asks() {
        let leg = Leg { from: 0, showed: 100 * LOOK, gains: 0 }.next(LOOK, 0);
        let shows: Vec<_> = (0..40).map(|tenth| leg.shows(tenth * LOOK / 10)).collect();
        assert!(shows.is_sorted());
        assert_eq!(leg.shows(11 * LOOK), 100 * LOOK + 11 * LOOK - MOST);
        assert_eq!(leg.shows(0), leg.showed, "whoever took the time before the look");
    }
}
