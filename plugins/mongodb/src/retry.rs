//! Pauses between tries.

use std::time::Duration;

use rand::RngExt;
use sukkal_plugin_sdk::tokio::time::sleep;

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
        let part = rand::rng().random_range(0.25..=1.0);
        sleep(longest.mul_f64(part)).await;
    }
}
