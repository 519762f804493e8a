//! Pauses between tries.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use tokio::time::sleep;

/// Pauses that grow from a few milliseconds to a quarter of a second, each of a random part of its
/// length: so those who clashed do not come back together.
#[derive(Debug, Default)]
pub struct Pauses {
    taken: u32,
}

/// The longest pause.
const LONGEST: Duration = Duration::from_millis(250);

impl Pauses {
    /// Waits for as long as it is time to.
    pub async fn next(&mut self) {
        let longest = Duration::from_millis(4).saturating_mul(1 << self.taken.min(16)).min(LONGEST);
        self.taken += 1;
        sleep(longest.mul_f64(0.25 + 0.75 * chance())).await;
    }
}

/// From 0 to 1, by what hash maps are seeded with: nobody needs better.
fn chance() -> f64 {
    RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64
}
