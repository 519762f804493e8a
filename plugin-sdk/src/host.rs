//! What the host gives to everything that it opens.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

pub use crate::abi::catalog::LoadedCatalog;
use crate::abi::host::HostHandle;
use crate::{Call, Change, Commit, Record, RecordKey, Result, Timestamp};

/// What a plugin is opened with.
pub struct Open<S> {
    /// The URI of a catalog or pool; the scheme of a notifier; the name of a filter.
    pub uri: String,
    /// The settings, checked against the schema and with defaults filled in.
    pub settings: S,
    /// What the host gives. Cheap to clone.
    pub host: Host,
}

/// The host, as a plugin sees it: clock, data directory, metrics, records.
///
/// Logs need no handle: `tracing` and `log` reach the host's log, with the plugin's name and, inside
/// a call, the request's id.
#[derive(Clone)]
pub struct Host(pub(crate) Arc<HostHandle>);

impl Host {
    /// Now, by the one clock of the host: the system's, but never going back; where that is set, it is followed
    /// by half a second in each. Tests can advance it, so a store reads no other.
    pub fn now(&self) -> Timestamp {
        self.0.now()
    }

    /// By how many milliseconds a test has moved the host's clock away from the machine's; 0 in
    /// service. A store whose times are its server's adds this to what the server says.
    pub fn shift(&self) -> i64 {
        self.0.shift()
    }

    /// A directory for the plugin's files, which exists. Relative paths of URIs are below it.
    pub fn data_dir(&self) -> &Path {
        &self.0.data_dir
    }

    /// The host's identity, drawn anew at each start.
    pub fn host_id(&self) -> &str {
        &self.0.host_id
    }

    /// Adds to a counter, whose name by custom ends in `_total`. Names get the prefix
    /// `sukkal_plugin_` and a label `plugin`.
    ///
    /// A plugin has a thousand series at the most; what is beyond, or out of Prometheus' form, is
    /// dropped and counted, and told once in the log. So a label's values must be few: never a
    /// project, a queue or a client.
    pub fn count(&self, name: &str, labels: &[(&str, &str)], by: u64) {
        self.0.metric(crate::abi::host::METRIC_COUNTER, name, labels, by as f64);
    }

    /// Sets a gauge.
    pub fn gauge(&self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.metric(crate::abi::host::METRIC_GAUGE, name, labels, value);
    }

    /// Records a value in a histogram: durations in seconds, under a name that ends in `_seconds`;
    /// their buckets go from 0.1 ms to 30 s, those of all else from 1 to 10 million.
    pub fn record(&self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.metric(crate::abi::host::METRIC_HISTOGRAM, name, labels, value);
    }

    /// Whether the operator allows outbound connections to an address.
    pub fn address_allowed(&self, address: IpAddr) -> bool {
        self.0.address_allowed(address)
    }

    /// The plugin's own records in the catalog, shared by all hosts. `None` for catalogs and for
    /// what is opened before the catalog is.
    pub fn records(&self) -> Option<Records> {
        self.0.records.clone().map(Records)
    }
}

/// A plugin's own part of the catalog: the promises are those of [`crate::Catalog`]. The kind of a
/// key is the plugin's to choose; other plugins' records cannot be reached.
///
/// Some catalogs take kinds of 64 bytes at the most, of which `plugin/NAME/` are the host's, and no zero byte in them;
/// projects and names of 1,024.
#[derive(Clone)]
pub struct Records(LoadedCatalog);

impl Records {
    /// Reads one record.
    pub async fn get(&self, call: &Call, key: RecordKey) -> Result<Option<Record>> {
        self.0.get(call, key).await
    }

    /// Reads records of a kind and project, by name; see [`crate::Catalog::list`].
    pub async fn list(
        &self,
        call: &Call,
        kind: &str,
        project: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Record>> {
        self.0.list(call, kind.to_owned(), project.to_owned(), after.map(str::to_owned), limit).await
    }

    /// Makes up to 100 changes: all, or none.
    pub async fn commit(&self, call: &Call, changes: Vec<Change>) -> Result<Commit> {
        self.0.commit(call, changes).await
    }
}
