//! Every case at once, for the tests of a store's own crate.

use std::fmt;

use super::{CatalogBench, Effort, PoolBench, Report, Verdict, catalog_cases, pool_cases, run};
use crate::Result;
use crate::testing::{Bench, LoadedCatalog, LoadedPool};

/// The cases that failed, a line each.
pub struct Failures(pub Vec<Report>);

impl Failures {
    fn of(reports: Vec<Report>) -> std::result::Result<(), Failures> {
        let failed = reports.into_iter().filter(|report| matches!(report.verdict, Verdict::Failed(_)));
        let failed = failed.collect::<Vec<_>>();
        if failed.is_empty() { Ok(()) } else { Err(Failures(failed)) }
    }
}

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} case(s) failed", self.0.len())?;
        self.0.iter().try_for_each(|report| write!(f, "\n{report}"))
    }
}

/// As it is displayed: a test that returns it is to be read by people.
impl fmt::Debug for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Failures {}

/// Holds a pool to every promise, each on a host and a pool of its own. What outlives a restart is
/// left to `sukkal plugin verify`.
///
/// # Errors
/// The cases that failed; one whose pool could not be opened is among them.
pub async fn check_pool(open: impl AsyncFn(&Bench) -> Result<LoadedPool>) -> std::result::Result<(), Failures> {
    let mut reports = Vec::new();
    for case in pool_cases() {
        let bench = Bench::new();
        reports.push(match open(&bench).await {
            Ok(pool) => {
                let (clock, effort) = (bench.clock().clone(), Effort::default());
                run(&case, PoolBench { pool, clock, reopen: None, effort }).await
            }
            Err(error) => case.unopened(&error),
        });
    }
    Failures::of(reports)
}

/// Holds a catalog to every promise; see [`check_pool`].
///
/// # Errors
/// The cases that failed; one whose catalog could not be opened is among them.
pub async fn check_catalog(open: impl AsyncFn(&Bench) -> Result<LoadedCatalog>) -> std::result::Result<(), Failures> {
    let mut reports = Vec::new();
    for case in catalog_cases() {
        let bench = Bench::new();
        reports.push(match open(&bench).await {
            Ok(catalog) => run(&case, CatalogBench { catalog, clock: bench.clock().clone(), reopen: None }).await,
            Err(error) => case.unopened(&error),
        });
    }
    Failures::of(reports)
}
