//! What the host counts, as Prometheus reads it.
//!
//! Whatever is counted on a hot path is found by an index and added to with atomic additions: the
//! series are made once, at their first use. No label has values that a client can make up.

mod calls;
mod connections;
mod plugins;
mod process;
mod requests;
mod text;

use std::sync::Arc;

use prometheus::core::Collector;
use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};
use sukkal_core::Observer;
use sukkal_plugin_sdk::load::{CallObserver, Library, Metric, OpenPool};

use self::calls::CallFamilies;
use self::connections::ConnectionFamilies;
pub use self::connections::Meter;
use self::plugins::PluginMetrics;
use self::process::Process;
use self::requests::Requests;
pub use self::text::text;

/// Why metrics cannot be set up: a name is malformed or given twice.
pub type Error = prometheus::Error;

/// Everything that is counted.
pub struct Metrics {
    /// Whether anybody can read them. What nobody reads is not counted on a hot path.
    is_read: bool,
    registry: Registry,
    requests: Arc<Requests>,
    stores: CallFamilies,
    filters: CallFamilies,
    connections: ConnectionFamilies,
    plugins: PluginMetrics,
    libraries: IntGaugeVec,
    reloads: IntCounterVec,
    process: Process,
}

/// What the default pool is called among the stores.
pub const DEFAULT_POOL: &str = "default";

/// Bounds of the buckets for durations, in seconds.
const SECONDS: [f64; 17] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

impl Metrics {
    /// Sets everything up; nothing is counted yet. Requests and calls of plugins never are where nobody
    /// can read that.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn new(is_read: bool) -> Result<Self, Error> {
        let registry = Registry::new();
        let build = IntGaugeVec::new(Opts::new("sukkal_build_info", "The host's version."), &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        register(&registry, &build)?;
        let libraries = Opts::new("sukkal_plugin_info", "The plugins that are loaded.");
        let libraries = register(&registry, &IntGaugeVec::new(libraries, &["plugin", "version", "sdk"])?)?;
        let reloads = Opts::new("sukkal_reloads_total", "Reloads of the settings, by outcome: done or refused.");
        let reloads = register(&registry, &IntCounterVec::new(reloads, &["outcome"])?)?;
        // From the first on: a rate needs the 0 before it.
        for outcome in ["done", "refused"] {
            reloads.with_label_values(&[outcome]);
        }
        let stores = CallFamilies::new(&registry, "store", "method", &["kind", "store", "plugin"])?;
        let filters = CallFamilies::new(&registry, "filter", "moment", &["filter", "plugin"])?;
        Ok(Metrics {
            is_read,
            requests: Arc::new(Requests::new(&registry)?),
            connections: ConnectionFamilies::new(&registry)?,
            plugins: PluginMetrics::new(&registry)?,
            process: Process::new(&registry)?,
            registry,
            stores,
            filters,
            libraries,
            reloads,
        })
    }

    /// Everything, in Prometheus' text format.
    pub fn render(&self) -> String {
        self.process.look();
        text(&self.registry.gather())
    }

    /// Hears of every request.
    pub fn requests(&self) -> Arc<dyn Observer> {
        if self.is_read { self.requests.clone() } else { Arc::new(()) }
    }

    /// Hears of every call of a registered pool.
    pub fn pool(&self, name: &str, plugin: &str) -> Option<Arc<dyn CallObserver>> {
        // No name of a pool has a space: its series are not those of the default pool.
        let apart = if name == DEFAULT_POOL { format!("pool {name}") } else { name.to_owned() };
        self.store("pool", &apart, plugin, OpenPool::METHODS)
    }

    /// Hears of every call of the catalog (`kind` is `catalog`) or of the default pool (`pool`).
    pub fn store(
        &self,
        kind: &'static str,
        name: &str,
        plugin: &str,
        methods: &[&'static str],
    ) -> Option<Arc<dyn CallObserver>> {
        self.is_read.then(|| Arc::new(self.stores.calls(&[kind, name, plugin], methods)) as _)
    }

    /// Hears of every call of a filter.
    pub fn filter(&self, name: &str, plugin: &str) -> Option<Arc<dyn CallObserver>> {
        let moments = sukkal_plugin_sdk::Moment::ALL.map(sukkal_plugin_sdk::Moment::name);
        self.is_read.then(|| Arc::new(self.filters.calls(&[name, plugin], &moments)) as _)
    }

    /// Counts the connections of a listener.
    pub fn connections(&self, transport: &str) -> Meter {
        self.connections.meter(transport)
    }

    /// Tells when the certificate of a listener ends, in seconds since 1970.
    pub fn certificate(&self, transport: &str, ends: i64) {
        self.connections.certificate(transport, ends);
    }

    /// Takes a metric of a plugin.
    pub fn plugin(&self, metric: &Metric<'_>) {
        self.plugins.take(metric);
    }

    /// Tells that a plugin is loaded.
    pub fn loaded(&self, library: &Library) {
        let manifest = library.manifest();
        self.libraries.with_label_values(&[&manifest.name, &manifest.version, &manifest.sdk]).set(1);
    }

    /// Counts a reload that was done.
    pub fn reload_done(&self) {
        self.reloads.with_label_values(&["done"]).inc();
    }

    /// Counts a reload that was refused.
    pub fn reload_refused(&self) {
        self.reloads.with_label_values(&["refused"]).inc();
    }
}

/// Makes a family known to those who read.
fn register<C: Collector + Clone + 'static>(registry: &Registry, family: &C) -> Result<C, Error> {
    registry.register(Box::new(family.clone()))?;
    Ok(family.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reloads_are_told_before_the_first() {
        let told = Metrics::new(true).expect("they are sound").render();
        for outcome in ["done", "refused"] {
            assert!(told.contains(&format!("sukkal_reloads_total{{outcome=\"{outcome}\"}} 0\n")), "{told}");
        }
    }
}
