//! Kills: nothing acknowledged is lost, nothing is there twice. `cargo xtask crash` does more of it.

use sukkal_tests::crash;

/// Each seed is another story; a failure prints it.
const SEED: u64 = 20_261_125;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kills_under_load() {
    let summary = crash::run(3, SEED).await;
    println!("{summary}");
    assert!(summary.violations.is_empty(), "{summary}");
}
