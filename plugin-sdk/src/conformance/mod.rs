//! The promises of the contracts as executable cases.
//!
//! A store's author runs them on the built library with `sukkal plugin verify FILE --uri URI`, and in
//! the tests of the crate with [`check_pool`] and [`check_catalog`]. Each case makes its own queue or
//! project, says in one sentence what it holds a store to, and returns a reason where the store
//! fails; a failure does not stop the next case. [`history`] draws sequences of all that can happen, and
//! tells the shortest that a store does not live through. Time is advanced, not waited for: it comes from the
//! host's clock ([`crate::Host::now`]). Only the cases of cost measure, and compare what they
//! measured with itself.

mod bench;
mod case;
mod catalog;
mod check;
pub mod history;
mod pool;

pub use bench::{CatalogBench, DEPTH, Effort, HISTORIES, PoolBench, Reopen};
pub use case::{Bench, Case, Failure, Report, Verdict, run};
pub use check::{Failures, check_catalog, check_pool};
pub use pool::crash;

/// Every case for catalogs.
pub fn catalog_cases() -> Vec<Case<CatalogBench>> {
    catalog::cases()
}

/// Every case for pools.
pub fn pool_cases() -> Vec<Case<PoolBench>> {
    [pool::cases(), history::cases()].concat()
}
