//! Opens the pools that administrators register: what core asks of the host for them.

use std::sync::Arc;

use serde_json::Value;
use sukkal_core::{Opening, PoolOpener, PoolSpec};
use sukkal_plugin_sdk::load::{OpenArgs, OpenPool};
use sukkal_plugin_sdk::{self as sdk};

use super::identity::{identity, is_named};
use super::installed::Plugin;
use super::registry::{Kind, Registry};
use super::schema;
use crate::config::{Config, Mistake, Settings, UnknownSecret, is_same_place, masked, scheme, unmasked};
use crate::metrics::Metrics;

/// Opens pools by the plugins that were found.
pub struct PoolPlugins {
    /// The plugins.
    pub registry: Arc<Registry>,
    /// The settings that the host was started with.
    pub config: Arc<Config>,
    /// The host's identity.
    pub host_id: String,
    /// Who hears of every call.
    pub metrics: Arc<Metrics>,
}

impl PoolPlugins {
    fn plugin(&self, uri: &str) -> Option<&Arc<Plugin>> {
        self.registry.find(Kind::Pool, scheme(uri)?)
    }

    /// The plugin's settings, and over them the pool's options.
    fn settings(&self, plugin: &Plugin, spec: &PoolSpec) -> Settings {
        let mut settings = Settings::default();
        if let Some(own) = self.config.plugins.get(plugin.name()) {
            settings.object.clone_from(&own.object);
        }
        settings.object.extend(spec.options.clone());
        settings
    }

    fn args(&self, plugin: &Plugin, spec: &PoolSpec) -> OpenArgs {
        OpenArgs {
            which: scheme(&spec.uri).unwrap_or_default().to_owned(),
            uri: spec.uri.clone(),
            settings: self.settings(plugin, spec).json(),
            data_dir: self.config.data_dir.to_string_lossy().into_owned(),
            host_id: self.host_id.clone(),
            records: None,
            isolate: false,
        }
    }

    /// The refusal of a URI whose scheme nobody provides.
    fn unknown(&self, uri: &str) -> sdk::Error {
        let schemes: Vec<&str> = self.registry.names(Kind::Pool).collect();
        let provided = if schemes.is_empty() { "none".to_owned() } else { schemes.join(", ") };
        sdk::Error::invalid(match scheme(uri) {
            Some(scheme) => format!("no plugin provides pools of the scheme {scheme}; provided are: {provided}"),
            None if scheme(&uri.to_ascii_lowercase()).is_some() => {
                format!("write the URI's scheme in small letters; provided are: {provided}")
            }
            None => format!("the URI has no scheme; provided are: {provided}"),
        })
    }
}

impl PoolOpener for PoolPlugins {
    fn open(&self, name: &str, spec: &PoolSpec) -> Opening {
        let Some(plugin) = self.plugin(&spec.uri) else {
            let unknown = self.unknown(&spec.uri);
            return Box::pin(async { Err(unknown) });
        };
        let (plugin, args) = (plugin.clone(), self.args(plugin, spec));
        let observer = self.metrics.pool(name, plugin.name());
        Box::pin(async move {
            let loading = tokio::task::spawn_blocking(move || plugin.library()).await;
            let loaded = loading.map_err(|panic| sdk::Error::internal(panic.to_string()))?;
            let library = loaded.map_err(|refusal| sdk::Error::unavailable(refusal.to_string()))?;
            let pool = OpenPool::from(library.open_pool(args).await?);
            Ok(if let Some(observer) = observer { pool.observed(observer) } else { pool })
        })
    }

    fn check(&self, spec: &PoolSpec) -> Result<(), String> {
        let Some(plugin) = self.plugin(&spec.uri) else { return Ok(()) };
        let mut mistakes = Vec::new();
        schema::check(plugin, "options", &self.settings(plugin, spec), &mut mistakes);
        mistakes.first().map_or(Ok(()), |mistake| Err(told(mistake)))
    }

    fn identity(&self, uri: &str) -> String {
        identity(uri, &self.config.data_dir)
    }

    fn default_identity(&self) -> Option<String> {
        self.config.default_pool.as_ref().map(|uri| self.identity(&uri.value))
    }

    fn default_is_named(&self) -> bool {
        self.config.default_pool.as_ref().is_some_and(|uri| is_named(&uri.value))
    }

    fn shown(&self, spec: &PoolSpec) -> PoolSpec {
        let uri = match masked("uri", Value::from(spec.uri.as_str())) {
            Value::String(uri) => uri,
            _ => String::new(),
        };
        let options = spec.options.iter().map(|(key, value)| (key.clone(), masked(key, value.clone()))).collect();
        PoolSpec { uri, options }
    }

    fn meant(&self, sent: PoolSpec, stored: Option<&PoolSpec>) -> Result<PoolSpec, String> {
        let told = |UnknownSecret(path): UnknownSecret| {
            format!("no secret is stored that {path} could mean for this user and server; send the secret itself")
        };
        let stored_uri = stored.map(|stored| Value::from(stored.uri.as_str()));
        let of_its_place = stored.filter(|stored| is_same_place(&sent.uri, &stored.uri));
        let uri = match unmasked("uri", "uri", Value::from(sent.uri), stored_uri.as_ref()).map_err(told)? {
            Value::String(uri) => uri,
            _ => String::new(),
        };
        let option = |(key, value): (String, Value)| {
            let stored = of_its_place.and_then(|stored| stored.options.get(&key));
            let value = unmasked(&key, &format!("options.{key}"), value, stored).map_err(told)?;
            Ok((key, value))
        };
        let options = sent.options.into_iter().map(option).collect::<Result<_, String>>()?;
        Ok(PoolSpec { uri, options })
    }
}

/// A mistake in options, which stand in no file.
fn told(mistake: &Mistake) -> String {
    let Mistake { key, problem, mend, .. } = mistake;
    if mend.is_empty() { format!("{key} {problem}") } else { format!("{key} {problem}; {mend}") }
}
