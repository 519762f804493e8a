//! Kills and power cuts: nothing acknowledged is lost, nothing is there twice. `cargo xtask crash` does
//! more of it.

use sukkal_tests::Host;
use sukkal_tests::crash::{self, End};
use sukkal_tests::disk::Disk;

/// Each seed is another story; a failure prints it.
const SEED: u64 = 20_261_125;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kills_under_load() {
    let summary = crash::run(Host::with(), End::Kill, 3, SEED).await;
    println!("{summary}");
    assert!(summary.violations.is_empty(), "{summary}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_power_cuts_under_load() {
    if !disks_are_possible() {
        return;
    }
    let summary = crash::run(Host::with(), End::PowerCut, 3, SEED).await;
    println!("{summary}");
    assert!(summary.violations.is_empty(), "{summary}");
}

/// The disk forgets what was not synced: a store that does not wait for it is found out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_takes_what_was_not_synced() {
    if !disks_are_possible() {
        return;
    }
    let hasty = Host::with().top("default_pool = \"sqlite:pool.db?synchronous=normal\"");
    // It ends with the first that is lost.
    let summary = crash::run(hasty, End::PowerCut, 5, SEED).await;
    println!("{summary}");
    assert!(summary.violations.iter().any(|what| what.contains("is lost")), "{summary}");
}

fn disks_are_possible() -> bool {
    let possible = Disk::is_possible();
    if !possible {
        eprintln!("not run: it takes root and a loop device to have a disk whose power can be cut");
    }
    possible
}
