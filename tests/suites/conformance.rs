//! The conformance kit over every store of ours, through the built libraries.
//!
//! Each case is a test of its own, named `STORE/CASE`; the same cases are run by
//! `sukkal plugin verify` on anybody's library.
#![forbid(unsafe_code)]

use std::path::Path;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use sukkal_plugin_sdk::conformance::{self, Case, CatalogBench, Effort, PoolBench, Verdict};
use sukkal_plugin_sdk::testing::TestClock;
use sukkal_tests::servers::{MariaDb, Postgres};
use sukkal_tests::stores::{STORES, Store};

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    for store in STORES {
        trials.extend(conformance::pool_cases().into_iter().map(|case| {
            Trial::test(format!("{}/{}", store.scheme, case.name), move || {
                verdict(store, case.name, |clock, directory| run_pool(store, case, clock, directory))
            })
        }));
        let catalog_cases = if store.has_catalog() { conformance::catalog_cases() } else { Vec::new() };
        trials.extend(catalog_cases.into_iter().map(|case| {
            Trial::test(format!("{}/{}", store.scheme, case.name), move || {
                verdict(store, case.name, |clock, directory| run_catalog(store, case, clock, directory))
            })
        }));
    }
    for case in conformance::catalog_cases() {
        let name = format!("postgres/{}", case.name);
        trials.push(Trial::test(name, move || over_server(case, "postgres", Postgres::start, Postgres::uri)));
    }
    for case in conformance::catalog_cases() {
        let name = format!("mysql/{}", case.name);
        trials.push(Trial::test(name, move || over_server(case, "mysql", MariaDb::start, MariaDb::uri)));
    }
    // All that is opened of one library in one process shares a clock, which cases advance.
    let one_by_one = Arguments { test_threads: Some(1), ..arguments };
    libtest_mimic::run(&one_by_one, trials).exit();
}

/// Runs a case in a directory of its own. What a store need not offer is no failure.
fn verdict(
    store: Store,
    case: &str,
    run: impl FnOnce(TestClock, &Path) -> Result<Verdict, String>,
) -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    match run(TestClock::default(), directory.path())? {
        Verdict::Passed => Ok(()),
        Verdict::Failed(reason) => Err(reason.into()),
        Verdict::NotOffered(what) if store.offers(case) => Err(format!("not offered: {what}").into()),
        Verdict::NotOffered(what) => {
            eprintln!("not offered: {what}");
            Ok(())
        }
    }
}

/// Runs a catalog's case over a server of its own.
fn over_server<S>(
    case: Case<CatalogBench>,
    scheme: &'static str,
    start: impl AsyncFnOnce() -> S,
    uri: impl Fn(&S) -> String,
) -> Result<(), Failed> {
    let server = runtime()?.block_on(start());
    let store = Store::sql(scheme, &uri(&server));
    verdict(store, case.name, |clock, directory| run_catalog(store, case, clock, directory))
}

fn run_pool(store: Store, case: Case<PoolBench>, clock: TestClock, directory: &Path) -> Result<Verdict, String> {
    let library = store.load(&clock, directory)?;
    let arguments = store.arguments(&store.pool_uri(), directory);
    runtime()?.block_on(async {
        let pool = library.open_pool(arguments.clone()).await.map_err(|error| error.to_string())?;
        let reopen = store.reopens.then(|| -> conformance::Reopen<_> {
            Arc::new(move || {
                let (library, arguments) = (library.clone(), arguments.clone());
                Box::pin(async move { library.open_pool(arguments).await })
            })
        });
        Ok(conformance::run(&case, PoolBench { pool, clock, reopen, effort: effort() }).await.verdict)
    })
}

fn run_catalog(store: Store, case: Case<CatalogBench>, clock: TestClock, directory: &Path) -> Result<Verdict, String> {
    let library = store.load(&clock, directory)?;
    let arguments = store.arguments(store.catalog, directory);
    runtime()?.block_on(async {
        let catalog = library.open_catalog(arguments.clone()).await.map_err(|error| error.to_string())?;
        let reopen = store.reopens.then(|| -> conformance::Reopen<_> {
            Arc::new(move || {
                let (library, arguments) = (library.clone(), arguments.clone());
                Box::pin(async move { library.open_catalog(arguments).await })
            })
        });
        Ok(conformance::run(&case, CatalogBench { catalog, clock, reopen }).await.verdict)
    })
}

/// More histories, or those of a seed, where the environment asks for them.
fn effort() -> Effort {
    let number = |name| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let effort = Effort::default();
    let histories = number("SUKKAL_HISTORIES").and_then(|histories| histories.try_into().ok());
    let seed = number("SUKKAL_SEED").unwrap_or(effort.seed);
    Effort { histories: histories.unwrap_or(effort.histories), seed, ..effort }
}

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())
}
