//! Waiting for what must come, without guessing when.

use std::time::{Duration, Instant};

/// Patience for what ought to happen at once.
pub const SOON: Duration = Duration::from_secs(10);

/// The whole seconds that have passed since, which an age of what is younger is not above. Clocks that tell
/// milliseconds may be one ahead.
pub fn whole_seconds(since: Instant) -> u64 {
    (since.elapsed() + Duration::from_millis(2)).as_secs()
}

/// Asks over and over until the answer is `Some`.
///
/// # Panics
/// When patience ends; `what` tells for what one waited.
pub async fn eventually<T>(what: &str, patience: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    let mut pause = Duration::from_millis(2);
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(begun.elapsed() < patience, "{what}: not within {patience:?}");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}
