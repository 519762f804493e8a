//! The conformance kit over every store of ours, through the built libraries.
//!
//! Each case is a test of its own, named `STORE/CASE`; the same cases are run by
//! `sukkal plugin verify` on anybody's library.
#![forbid(unsafe_code)]

use std::path::Path;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use sukkal_plugin_sdk::conformance::{self, Case, CatalogBench, PoolBench, Verdict};
use sukkal_plugin_sdk::load::{Library, OpenArgs};
use sukkal_plugin_sdk::testing::TestClock;
use sukkal_tests::programs;

/// A store of ours.
#[derive(Clone, Copy)]
struct Store {
    scheme: &'static str,
    package: &'static str,
    pool: &'static str,
    catalog: &'static str,
    /// Whether what it holds outlives its closing.
    reopens: bool,
}

const STORES: [Store; 2] = [
    Store {
        scheme: "sqlite",
        package: "sukkal-sqlite",
        pool: "sqlite:pool.db",
        catalog: "sqlite:catalog.db",
        reopens: true,
    },
    Store { scheme: "memory", package: "sukkal-memory", pool: "memory:", catalog: "memory:", reopens: false },
];

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    for store in STORES {
        trials.extend(conformance::pool_cases().into_iter().map(|case| {
            Trial::test(format!("{}/{}", store.scheme, case.name), move || {
                verdict(|clock, directory| store.run_pool(case, clock, directory))
            })
        }));
        trials.extend(conformance::catalog_cases().into_iter().map(|case| {
            Trial::test(format!("{}/{}", store.scheme, case.name), move || {
                verdict(|clock, directory| store.run_catalog(case, clock, directory))
            })
        }));
    }
    // All that is opened of one library in one process shares a clock, which cases advance.
    let one_by_one = Arguments { test_threads: Some(1), ..arguments };
    libtest_mimic::run(&one_by_one, trials).exit();
}

/// Runs a case in a directory of its own. What a store does not offer is no failure.
fn verdict(run: impl FnOnce(TestClock, &Path) -> Result<Verdict, String>) -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    match run(TestClock::default(), directory.path())? {
        Verdict::Passed => Ok(()),
        Verdict::Failed(reason) => Err(reason.into()),
        Verdict::NotOffered(what) => {
            eprintln!("not offered: {what}");
            Ok(())
        }
    }
}

impl Store {
    fn load(self, clock: &TestClock, directory: &Path) -> Result<Library, String> {
        Library::load(&programs::library(self.package), directory, clock.services()).map_err(|error| error.to_string())
    }

    fn arguments(self, uri: &str, directory: &Path) -> OpenArgs {
        OpenArgs {
            which: self.scheme.to_owned(),
            uri: uri.to_owned(),
            settings: "{}".to_owned(),
            data_dir: directory.to_string_lossy().into_owned(),
            host_id: "conformance".to_owned(),
            records: None,
        }
    }

    fn run_pool(self, case: Case<PoolBench>, clock: TestClock, directory: &Path) -> Result<Verdict, String> {
        let library = self.load(&clock, directory)?;
        let arguments = self.arguments(self.pool, directory);
        runtime()?.block_on(async {
            let pool = library.open_pool(arguments.clone()).await.map_err(|error| error.to_string())?;
            let reopen = self.reopens.then(|| -> conformance::Reopen<_> {
                Arc::new(move || {
                    let (library, arguments) = (library.clone(), arguments.clone());
                    Box::pin(async move { library.open_pool(arguments).await })
                })
            });
            Ok(conformance::run(&case, PoolBench { pool, clock, reopen }).await.verdict)
        })
    }

    fn run_catalog(self, case: Case<CatalogBench>, clock: TestClock, directory: &Path) -> Result<Verdict, String> {
        let library = self.load(&clock, directory)?;
        let arguments = self.arguments(self.catalog, directory);
        runtime()?.block_on(async {
            let catalog = library.open_catalog(arguments.clone()).await.map_err(|error| error.to_string())?;
            let reopen = self.reopens.then(|| -> conformance::Reopen<_> {
                Arc::new(move || {
                    let (library, arguments) = (library.clone(), arguments.clone());
                    Box::pin(async move { library.open_catalog(arguments).await })
                })
            });
            Ok(conformance::run(&case, CatalogBench { catalog, clock, reopen }).await.verdict)
        })
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())
}
