//! Plugins beside each other: what one brings along, no other sees.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sukkal_plugin_sdk::conformance::{self, Effort, PoolBench, Reopen, Verdict};
use sukkal_plugin_sdk::load::{Library, OpenArgs};
use sukkal_plugin_sdk::testing::TestClock;
use sukkal_tests::{Host, programs};

/// Libraries are loaded in the order of their names.
async fn each_sees_its_own_helper(first: &str, second: &str) {
    let setup = Host::with().plugins([programs::library("sukkal-sqlite")]);
    let mut host = setup.top("pipeline = [\"helper-one\", \"helper-two\"]").prepare();
    for (name, package) in [("a.so", first), ("b.so", second)] {
        let path = host.folder().join("plugins").join(name);
        std::fs::copy(programs::bad_library(package), path).expect("a library can be copied");
    }
    host.start_again().await;
    let answer = host.client().get("/v2/ping").await;
    assert_eq!([answer.header("x-helper-one"), answer.header("x-helper-two")], ["1", "2"]);
}

#[tokio::test]
async fn c_symbols_of_one_name_are_each_plugins_own() {
    each_sees_its_own_helper("c_helper_one", "c_helper_two").await;
}

#[tokio::test]
async fn c_symbols_of_one_name_are_each_plugins_own_in_the_other_order() {
    each_sees_its_own_helper("c_helper_two", "c_helper_one").await;
}

/// A store, loaded into this process.
fn load(path: &Path, scheme: &str, folder: &Path) -> (Library, OpenArgs, TestClock) {
    let clock = TestClock::default();
    let library = Library::load(path, folder, clock.services()).expect("the library is sound");
    let arguments = OpenArgs {
        which: scheme.to_owned(),
        uri: format!("{scheme}:{scheme}.db"),
        settings: "{}".to_owned(),
        data_dir: folder.to_string_lossy().into_owned(),
        host_id: "test".to_owned(),
        records: None,
        isolate: false,
    };
    (library, arguments, clock)
}

async fn open((library, arguments, clock): (Library, OpenArgs, TestClock)) -> PoolBench {
    let pool = library.open_pool(arguments.clone()).await.expect("the pool opens");
    let reopen: Reopen<_> = Arc::new(move || {
        let (library, arguments) = (library.clone(), arguments.clone());
        Box::pin(async move { library.open_pool(arguments).await })
    });
    PoolBench { pool, clock, reopen: Some(reopen), effort: Effort::default() }
}

/// Both bundle SQLite. Their cases run at the same time, each on a store of its own.
async fn both_keep_their_promises(stores: [(PathBuf, &str); 2]) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    // Both are loaded before either is used.
    let [first, second] = stores.map(|(path, scheme)| load(&path, scheme, folder.path()));
    let (first, second) = (open(first).await, open(second).await);
    for case in conformance::pool_cases() {
        // What restarts needs the pool for itself; what measures, the machine.
        if [".restart.", ".history.", ".depth.", ".watch."].iter().any(|part| case.name.contains(part)) {
            continue;
        }
        let (one, other) = (conformance::run(&case, first.clone()), conformance::run(&case, second.clone()));
        let (one, other) = tokio::join!(one, other);
        assert_eq!([one.verdict, other.verdict], [Verdict::Passed, Verdict::Passed], "{}", case.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_stores_that_bundle_one_c_library_keep_their_promises() {
    let (sqlite, other) = (programs::library("sukkal-sqlite"), programs::bad_library("broken_stores"));
    both_keep_their_promises([(sqlite, "sqlite"), (other, "broken")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_stores_that_bundle_one_c_library_keep_their_promises_in_the_other_order() {
    let (sqlite, other) = (programs::library("sukkal-sqlite"), programs::bad_library("broken_stores"));
    both_keep_their_promises([(other, "broken"), (sqlite, "sqlite")]).await;
}
