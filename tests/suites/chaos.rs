//! Many hosts over stores that fail: nothing acknowledged is lost, doubled, given to two or passed over.
//! `cargo xtask chaos` does more of it.

use std::time::Duration;

use sukkal_tests::chaos::{self, CatalogKind, PoolKind, Stores};
use sukkal_tests::crash::{self, End};
use sukkal_tests::host::Setup;
use sukkal_tests::{Host, programs};

/// Each seed is another story; a failure prints it.
const SEED: u64 = 20_261_125;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_promise_is_kept_while_hosts_and_stores_fail() {
    // Masters are killed among all else, and replicas take over.
    let stores = Stores::start(PoolKind::Cluster, CatalogKind::Postgres).await;
    let summary = chaos::run(stores, 3, Duration::from_secs(20), SEED).await;
    println!("{summary}");
    assert!(summary.violations.is_empty() && summary.undecided.is_none(), "{summary}");
}

/// A host over SQLite's store, which breaks the promise of a case of the conformance kit.
fn broken(case: &str) -> Setup {
    let libraries = [programs::library("sukkal-sqlite"), programs::bad_library("broken_stores")];
    let setting = format!("[plugins.broken_stores]\nbreak = {case:?}");
    Host::with().plugins(libraries).top("default_pool = \"broken:pool.db\"").section(&setting)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_breaks_a_promise_is_found() {
    for (case, shown_as) in [
        ("pool.claim.exclusive", "held as well"),
        ("pool.key.repeated", "is stored twice"),
        ("pool.paging.marker", "was passed over by reader"),
    ] {
        let mut summary = chaos::Summary::default();
        let is_shown = |what: &String| what.contains(shown_as);
        // A machine that stands still meanwhile breaks nothing: then for longer.
        for seconds in [2, 6, 20] {
            summary = chaos::undisturbed(broken(case), Duration::from_secs(seconds), SEED).await;
            if summary.violations.iter().any(is_shown) {
                break;
            }
        }
        assert!(summary.violations.iter().any(is_shown), "{case}: {summary}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_acknowledged_and_not_kept_is_found() {
    // It ends with the first that is lost.
    let summary = crash::run(broken("pool.crash.acknowledged"), End::Kill, 5, SEED).await;
    assert!(summary.violations.iter().any(|what| what.contains("is lost")), "{summary}");
}
