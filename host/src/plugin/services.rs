//! What the host does for its plugins: clock, log, metrics.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use sukkal_core::AddressRule;
use sukkal_plugin_sdk::Timestamp;
use sukkal_plugin_sdk::load::{HostServices, Library, LogLine, Metric};
use sukkal_plugin_sdk::tracing::Level;
use tracing_subscriber::filter::LevelFilter;

use super::thinned::Thinned;
use crate::clock::Clock;
use crate::config::{Config, Log};
use crate::metrics::Metrics;
use crate::terminal::plain;

/// The host's side of what plugins get. Lives as long as the process, as the libraries do.
pub struct Services {
    clock: Clock,
    levels: ArcSwap<Levels>,
    /// What was told of what they log beside requests.
    thinned: Thinned,
    /// Where plugins may connect to.
    addresses: ArcSwap<AddressRule>,
    /// Where plugins' metrics go; none: nobody reads them.
    metrics: Option<Arc<Metrics>>,
}

/// How much of the plugins' logs is wanted.
struct Levels {
    default: LevelFilter,
    of: BTreeMap<String, LevelFilter>,
}

impl Levels {
    fn new(log: &Log) -> Self {
        let of = log.plugins.iter().map(|(name, level)| (name.clone(), level.value)).collect();
        Levels { default: log.level, of }
    }
}

impl Services {
    /// Starts the clock.
    pub fn start(config: &Config, metrics: Option<Arc<Metrics>>) -> &'static Services {
        Box::leak(Box::new(Services {
            clock: Clock::start(),
            levels: ArcSwap::from_pointee(Levels::new(&config.log)),
            thinned: Thinned::default(),
            addresses: ArcSwap::from_pointee(config.notifications.allow_addresses.clone()),
            metrics,
        }))
    }

    /// Puts other levels, for libraries that ask from now on, and another rule on addresses in force.
    pub fn reload(&self, config: &Config) {
        self.levels.store(Arc::new(Levels::new(&config.log)));
        self.addresses.store(Arc::new(config.notifications.allow_addresses.clone()));
    }

    /// Tells that a library is loaded.
    pub fn loaded(&self, library: &Library) {
        let manifest = library.manifest();
        if let Some(metrics) = &self.metrics {
            metrics.loaded(library);
        }
        tracing::info!(plugin = manifest.name, version = manifest.version, path = %library.path().display(), "loaded");
    }

    /// Now, by the host's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// Emits one line of a plugin's log; a macro because the level of an event is fixed where it is made.
macro_rules! emit {
    ($level:expr, $line:ident, $request:ident) => {
        tracing::event!(
            target: crate::log::PLUGIN, $level, plugin = $line.plugin, module = $line.target, request = $request,
            "{}{}", plain($line.text), plain($line.fields)
        )
    };
}

impl HostServices for Services {
    fn now(&self) -> Timestamp {
        Services::now(self)
    }

    fn log(&self, line: LogLine<'_>) {
        // Who asks for more detail than that wants to see all of it.
        if line.request.is_none() && line.level <= Level::INFO {
            let (plugin, module) = (line.plugin, line.target);
            match self.thinned.one_more(plugin, module, line.level, Instant::now()) {
                None => return,
                Some(0) => {}
                Some(left_out) => {
                    tracing::warn!(target: crate::log::PLUGIN, plugin, module, left_out, "lines like the next one were left out");
                }
            }
        }
        let request = line.request.map(|id| id.to_string());
        let request = request.as_deref();
        match line.level {
            Level::ERROR => emit!(Level::ERROR, line, request),
            Level::WARN => emit!(Level::WARN, line, request),
            Level::INFO => emit!(Level::INFO, line, request),
            Level::DEBUG => emit!(Level::DEBUG, line, request),
            Level::TRACE => emit!(Level::TRACE, line, request),
        }
    }

    fn max_level(&self, plugin: &str) -> LevelFilter {
        let levels = self.levels.load();
        levels.of.get(plugin).copied().unwrap_or(levels.default)
    }

    fn metric(&self, metric: Metric<'_>) {
        if let Some(metrics) = &self.metrics {
            metrics.plugin(&metric);
        }
    }

    fn address_allowed(&self, address: IpAddr) -> bool {
        self.addresses.load().allows(address)
    }
}
