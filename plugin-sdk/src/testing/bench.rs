//! A host for one test, and what a test opens on it.

use std::future::Future;
use std::path::Path;

use tempfile::TempDir;

use super::clock::TestClock;
use super::filter::TestFilter;
use super::records::TestRecords;
use super::{call, host_of, host_with};
use crate::abi::catalog::LoadedCatalog;
use crate::abi::filter::LoadedFilter;
use crate::abi::host::LibraryHost;
use crate::abi::notifier::LoadedNotifier;
use crate::abi::pool::LoadedPool;
use crate::{Call, Catalog, Filter, Host, Notifier, Open, Pool, Result, runtime};

/// A host for one test: a directory that is gone with it, and a clock that the test advances.
///
/// What is opened on it is given its settings as they are; the host's check of them against their
/// schema is not repeated here. Logs are printed, as far as the test runner shows what a test prints.
pub struct Bench {
    directory: TempDir,
    clock: TestClock,
    records: LoadedCatalog,
}

impl Default for Bench {
    fn default() -> Self {
        Bench::new()
    }
}

impl Bench {
    /// A host of its own.
    ///
    /// # Panics
    /// When no temporary directory can be made.
    pub fn new() -> Self {
        let clock = TestClock::default();
        runtime::start_logs(LibraryHost::new("test", clock.0));
        let directory = TempDir::with_prefix("sukkal-test-");
        let directory = directory.unwrap_or_else(|error| panic!("no temporary directory can be made: {error}"));
        let records = LoadedCatalog::new(TestRecords::new(clock.clone()));
        Bench { directory, clock, records }
    }

    /// Its clock.
    pub fn clock(&self) -> &TestClock {
        &self.clock
    }

    /// Where what is opened keeps its files.
    pub fn data_dir(&self) -> &Path {
        self.directory.path()
    }

    /// A call of no particular request, in project `p`, that ends a minute from now.
    pub fn call(&self) -> Call {
        call(&self.clock)
    }

    /// The host, as a plugin sees it.
    pub fn host(&self) -> Host {
        host_with(self.data_dir(), &self.clock)
    }

    /// From now on [`Host::address_allowed`] refuses every address.
    pub fn refuse_addresses(&self) {
        self.clock.0.refuse_addresses();
    }

    /// Opens a filter by its author's function. Its [`Host::records`] are in memory, and the same for
    /// all filters of this bench: two of them are two hosts.
    ///
    /// # Errors
    /// What that function says, or that `interest` panicked.
    pub async fn filter<S, F, O>(&self, open: impl FnOnce(Open<S>) -> O, settings: S) -> Result<TestFilter>
    where
        F: Filter,
        O: Future<Output = Result<F>>,
    {
        let host = host_of(self.data_dir(), &self.clock, Some(self.records.clone()));
        let filter = open(Open { uri: "test".to_owned(), settings, host: host.clone() }).await?;
        TestFilter::new(LoadedFilter::opened(filter, &host), self.clock.clone())
    }

    /// Opens a notifier by its author's function.
    ///
    /// # Errors
    /// What that function says.
    pub async fn notifier<S, N, O>(&self, open: impl FnOnce(Open<S>) -> O, settings: S) -> Result<LoadedNotifier>
    where
        N: Notifier,
        O: Future<Output = Result<N>>,
    {
        let host = self.host();
        let notifier = open(Open { uri: "test".to_owned(), settings, host: host.clone() }).await?;
        Ok(LoadedNotifier::opened(notifier, &host))
    }

    /// Opens a pool by its author's function.
    ///
    /// # Errors
    /// What that function says.
    pub async fn pool<S, P, O>(&self, open: impl FnOnce(Open<S>) -> O, uri: &str, settings: S) -> Result<LoadedPool>
    where
        P: Pool,
        O: Future<Output = Result<P>>,
    {
        let host = self.host();
        let pool = open(Open { uri: uri.to_owned(), settings, host: host.clone() }).await?;
        Ok(LoadedPool::opened(pool, &host))
    }

    /// Opens a catalog by its author's function.
    ///
    /// # Errors
    /// What that function says.
    pub async fn catalog<S, C, O>(
        &self,
        open: impl FnOnce(Open<S>) -> O,
        uri: &str,
        settings: S,
    ) -> Result<LoadedCatalog>
    where
        C: Catalog,
        O: Future<Output = Result<C>>,
    {
        let host = self.host();
        let catalog = open(Open { uri: uri.to_owned(), settings, host: host.clone() }).await?;
        Ok(LoadedCatalog::opened(catalog, &host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Change, Commit, Error, Expect, Interest, RecordKey};

    struct Nothing;

    impl Filter for Nothing {
        type State = ();

        fn interest(&self) -> Interest {
            Interest::none()
        }
    }

    /// Opens if what comes of a commit that expects nothing there is as expected.
    async fn open(open: Open<(Call, bool)>) -> Result<Nothing> {
        let (call, is_first) = open.settings;
        let records = open.host.records().ok_or_else(|| Error::internal("a filter has no records"))?;
        let change = Change::put(RecordKey::new("leader", "", "me"), Expect::Absent, "1");
        let committed = records.commit(&call, vec![change]).await?;
        match matches!(committed, Commit::Done(_)) == is_first {
            true => Ok(Nothing),
            false => Err(Error::internal(format!("{committed:?}"))),
        }
    }

    /// Fails to end.
    struct Stuck;

    impl Filter for Stuck {
        type State = ();

        fn interest(&self) -> Interest {
            Interest::none()
        }

        async fn shutdown(&self) {
            panic!("it is stuck");
        }
    }

    #[tokio::test]
    async fn the_end_of_a_filter_is_called_as_the_host_calls_it() -> Result<()> {
        let bench = Bench::new();
        bench.filter(async |_: Open<()>| Ok(Nothing), ()).await?.shutdown().await?;
        let stuck = bench.filter(async |_: Open<()>| Ok(Stuck), ()).await?.shutdown().await;
        assert!(stuck.is_err_and(|error| error.is_panic()));
        Ok(())
    }

    #[tokio::test]
    async fn filters_of_one_bench_have_the_same_records() -> Result<()> {
        let bench = Bench::new();
        bench.filter(open, (bench.call(), true)).await?;
        bench.filter(open, (bench.call(), false)).await?;
        Bench::new().filter(open, (bench.call(), true)).await.map(drop)
    }
}
