//! The buckets of one family: one a project, up to a bound.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use sukkal_plugin_sdk::{Error, Result};

use crate::settings::Limit;

/// After so many takings the buckets that are full again are forgotten.
const SWEEP_EVERY: u64 = 10_000;

/// The buckets of one family.
pub struct Buckets {
    own: RwLock<HashMap<String, Bucket>>,
    /// For projects beyond the bound: where clients name their project, its number is theirs to
    /// grow.
    shared: DefaultDirectRateLimiter,
    quota: Quota,
    max_projects: usize,
    taken: AtomicU64,
    began: Instant,
    clock: DefaultClock,
}

struct Bucket {
    limiter: DefaultDirectRateLimiter,
    /// Milliseconds since the buckets began.
    used: AtomicU64,
}

impl Buckets {
    /// Buckets of a limit.
    ///
    /// # Errors
    /// `Invalid`: a rate or burst of 0.
    pub fn new(family: &str, limit: Limit, max_projects: usize) -> Result<Self> {
        let positive = |number, name: &str| {
            NonZeroU32::new(number).ok_or_else(|| Error::invalid(format!("{family}.{name} must be at least 1")))
        };
        let rate = positive(limit.per_second, "per_second")?;
        let burst = positive(limit.burst.unwrap_or(limit.per_second), "burst")?;
        let quota = Quota::per_second(rate).allow_burst(burst);
        Ok(Buckets {
            own: RwLock::default(),
            shared: RateLimiter::direct(quota),
            quota,
            max_projects,
            taken: AtomicU64::new(0),
            began: Instant::now(),
            clock: DefaultClock::default(),
        })
    }

    /// Takes one request of a project, or says how long to wait for it.
    pub fn take(&self, project: &str) -> Result<(), Duration> {
        if self.taken.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            self.forget_full();
        }
        if let Some(bucket) = self.own.read().unwrap_or_else(PoisonError::into_inner).get(project) {
            return self.take_from(bucket);
        }
        let mut own = self.own.write().unwrap_or_else(PoisonError::into_inner);
        if own.len() >= self.max_projects && !own.contains_key(project) {
            return self.shared.check().map_err(|refused| refused.wait_time_from(self.clock.now()));
        }
        let new = || Bucket { limiter: RateLimiter::direct(self.quota), used: AtomicU64::new(0) };
        self.take_from(own.entry(project.to_owned()).or_insert_with(new))
    }

    fn take_from(&self, bucket: &Bucket) -> Result<(), Duration> {
        bucket.used.store(self.now(), Ordering::Relaxed);
        bucket.limiter.check().map_err(|refused| refused.wait_time_from(self.clock.now()))
    }

    /// A bucket that was not used for as long as it takes to fill up is as good as a new one.
    fn forget_full(&self) {
        let fills = self.quota.burst_size_replenished_in().as_millis();
        let now = self.now();
        let in_use = |bucket: &Bucket| u128::from(now.saturating_sub(bucket.used.load(Ordering::Relaxed))) <= fills;
        self.own.write().unwrap_or_else(PoisonError::into_inner).retain(|_, bucket| in_use(bucket));
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(max_projects: usize) -> Buckets {
        Buckets::new("post", Limit { per_second: 1, burst: Some(2) }, max_projects).unwrap()
    }

    #[test]
    fn a_burst_passes_and_then_waits() {
        let buckets = buckets(10);
        assert!(buckets.take("p").is_ok() && buckets.take("p").is_ok());
        let wait = buckets.take("p").unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1), "{wait:?}");
        assert!(buckets.take("q").is_ok(), "another project has a bucket of its own");
    }

    #[test]
    fn projects_beyond_the_bound_share_a_bucket() {
        let buckets = buckets(1);
        assert!(buckets.take("first").is_ok());
        assert!(buckets.take("second").is_ok() && buckets.take("third").is_ok());
        assert!(buckets.take("fourth").is_err());
        assert!(buckets.take("first").is_ok(), "who has a bucket keeps it");
    }

    #[test]
    fn full_buckets_are_forgotten_and_others_are_not() {
        let buckets = buckets(10);
        assert!(buckets.take("p").is_ok());
        buckets.forget_full();
        assert_eq!(buckets.own.read().unwrap().len(), 1, "it is not full yet");
        buckets.own.read().unwrap()["p"].used.store(0, Ordering::Relaxed);
        let later = Buckets { began: buckets.began - Duration::from_secs(3), ..buckets };
        later.forget_full();
        assert!(later.own.read().unwrap().is_empty());
    }

    #[test]
    fn a_limit_of_nothing_is_refused() {
        assert!(Buckets::new("post", Limit { per_second: 0, burst: None }, 1).is_err());
        assert!(Buckets::new("post", Limit { per_second: 1, burst: Some(0) }, 1).is_err());
    }
}
