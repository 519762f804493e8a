//! The host as it runs, and what of it can be changed without ending it.

use std::sync::Arc;

use arc_swap::ArcSwap;
use sukkal_core::{Engine, Pipeline, Reloadable, UrlSigner};
use sukkal_plugin_sdk::load::{HostServices, OpenCatalog};
use tokio::task::block_in_place;

use crate::config::{self, Config, Mistake, fixed, in_order};
use crate::log;
use crate::metrics::Metrics;
use crate::plugin::{self, Registry, Services};
use crate::transport::Tls;

/// The host as it runs.
pub struct Running {
    /// The service.
    pub engine: Arc<Engine>,
    /// The plugins.
    pub registry: Arc<Registry>,
    /// The settings that it was started with.
    pub started: Arc<Config>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What plugins get of the host.
    pub services: &'static Services,
    /// Where filters have their records.
    pub catalog: OpenCatalog,
    /// The host's identity.
    pub host_id: String,
    /// The certificates that clients are shown.
    pub tls: TlsListeners,
    /// The settings that were read last and had no mistakes.
    pub last: ArcSwap<Config>,
}

impl Running {
    /// The settings that are in force, as far as they can be changed at run time.
    pub fn in_force(&self) -> Arc<Config> {
        self.last.load_full()
    }

    /// Puts settings in force that were read anew: limits, switches of the API, filters, levels of
    /// the log, certificates. Mistakes leave everything as it was; what needs a restart is named.
    /// `false` where there were mistakes.
    pub async fn reload(&self, read: Result<Config, Vec<Mistake>>) -> bool {
        match self.try_reload(read).await {
            Ok(needs_restart) => {
                self.metrics.reload_done();
                tracing::info!(filters = self.in_force().filters(), "the settings are reloaded");
                if !needs_restart.is_empty() {
                    let keys = needs_restart.join(", ");
                    tracing::warn!("changed, but in force only after a restart: {keys}");
                }
                true
            }
            Err(mistakes) => {
                self.metrics.reload_refused();
                let n_mistakes = mistakes.len();
                for mistake in in_order(mistakes) {
                    tracing::error!("{mistake}");
                }
                tracing::error!(mistakes = n_mistakes, "the settings are not reloaded: all stay as they were");
                false
            }
        }
    }

    async fn try_reload(&self, read: Result<Config, Vec<Mistake>>) -> Result<Vec<String>, Vec<Mistake>> {
        let mut config = read?;
        let needs_restart = fixed::changed(&self.started, &config);
        // Filters keep their files beside those of the stores, which stay where they are.
        config.data_dir.clone_from(&self.started.data_dir);
        // Requests are answered meanwhile, however long plugins take.
        block_in_place(|| plugin::check(&config, &self.registry))?;
        let (pipeline, services) =
            plugin::open_filters(&config, &self.registry, &self.host_id, &self.metrics, &self.catalog).await?;
        // From here on nothing can fail.
        self.engine.reload(reloadable(&config, pipeline, services));
        self.set_levels(&config);
        self.tls.renew(&config, &self.metrics);
        self.last.store(Arc::new(config));
        Ok(needs_restart)
    }

    fn set_levels(&self, config: &Config) {
        log::set_levels(&config.log);
        self.services.reload(config);
        for plugin in self.registry.plugins() {
            let Some(library) = plugin.loaded() else { continue };
            let plugin = plugin.name();
            if !library.set_log_level(self.services.max_level(plugin)) {
                tracing::debug!(plugin, "the level of the plugin's log cannot be changed before a restart");
            }
        }
    }
}

/// What of the settings can be changed at run time.
pub fn reloadable(config: &Config, pipeline: Pipeline, services: Vec<String>) -> Reloadable {
    Reloadable {
        pipeline,
        services,
        limits: config.limits.clone(),
        api: config.api.clone(),
        notifications: config.notifications.clone(),
        url_signer: config.signed_urls.secret_key.as_ref().and_then(|key| UrlSigner::new(key.reveal())),
    }
}

/// The TLS of the listeners that speak it.
pub struct TlsListeners {
    /// The REST API's.
    pub rest: Option<Arc<Tls>>,
    /// The websocket API's.
    pub websocket: Option<Arc<Tls>>,
}

impl TlsListeners {
    /// As the settings say.
    pub fn of(config: &Config, metrics: &Metrics) -> Self {
        let (rest, websocket) = (&config.rest, &config.websocket);
        let tls = |tls: &config::Tls, max, idle| Arc::new(Tls::new(tls.server.clone(), max, idle));
        let listeners = TlsListeners {
            rest: rest.tls.as_ref().map(|of| tls(of, rest.max_connections, rest.idle_timeout)),
            websocket: websocket.tls.as_ref().map(|of| tls(of, websocket.max_connections, websocket.idle_timeout)),
        };
        listeners.tell(config, metrics);
        listeners
    }

    /// Shows the certificates of settings that were read anew. Whether a listener speaks TLS at all
    /// is decided at the start.
    fn renew(&self, config: &Config, metrics: &Metrics) {
        for (_, listener, read) in self.each(config) {
            listener.renew(read.server.clone());
        }
        self.tell(config, metrics);
    }

    /// Tells when the certificates end, and of those that are not in force.
    fn tell(&self, config: &Config, metrics: &Metrics) {
        for warning in config.warnings() {
            tracing::warn!("{warning}");
        }
        for (transport, _, read) in self.each(config) {
            if let Some(ends) = read.ends {
                metrics.certificate(transport, ends);
            }
        }
    }

    /// The listeners that speak TLS, each with what the settings say of it.
    fn each<'a>(&'a self, config: &'a Config) -> impl Iterator<Item = (&'static str, &'a Tls, &'a config::Tls)> {
        let all = [("rest", &self.rest, &config.rest.tls), ("websocket", &self.websocket, &config.websocket.tls)];
        all.into_iter()
            .filter_map(|(transport, listener, read)| Some((transport, &**listener.as_ref()?, read.as_ref()?)))
    }
}
