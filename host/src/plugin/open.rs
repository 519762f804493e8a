//! Opens what the settings name: catalog, pool, filters.

use std::time::Duration;

use sukkal_core::{FilterSpec, Pipeline, Unfit};
use sukkal_plugin_sdk::load::{Library, LoadedFilter, OpenArgs, OpenCatalog, OpenPool};
use sukkal_plugin_sdk::{self as sdk, Call, RequestId, Timestamp};

use super::identity::{is_own_file, one_file};
use super::installed::Plugin;
use super::records;
use super::registry::{Kind, Registry};
use super::schema;
use super::unopened::Unopened;
use crate::config::{Config, FilterConfig, Located, Mistake, Settings, nearest, scheme};
use crate::metrics::{DEFAULT_POOL, Metrics};

/// How long a plugin may take to open something.
pub(super) const OPENING: Duration = Duration::from_secs(60);
/// How long each may take to close, when another cannot be opened.
const CLOSING: Duration = Duration::from_secs(5);

/// What the service stands on.
pub struct Opened {
    /// Where queues are recorded.
    pub catalog: OpenCatalog,
    /// Where queues without a flavor live.
    pub default_pool: Option<OpenPool>,
    /// The filters.
    pub pipeline: Pipeline,
    /// Named services that they provide.
    pub services: Vec<String>,
}

/// What is to be opened, and by which plugin.
struct Plan<'a> {
    catalog: &'a Plugin,
    default_pool: Option<(&'a Plugin, &'a Located<String>)>,
    filters: Vec<(&'a Plugin, &'a str)>,
}

/// The same, as far as it was found.
struct Found<'a> {
    catalog: Option<&'a Plugin>,
    default_pool: Option<(&'a Plugin, &'a Located<String>)>,
    filters: Vec<(&'a Plugin, &'a str)>,
    mistakes: Vec<Mistake>,
}

/// Checks that everything that the settings name is there and accepts its own settings and its URI, as
/// far as plugins can tell without opening anything. Gives what none of them has looked at, a line each.
/// Blocks until they have answered, each for a bounded time.
///
/// # Errors
/// Every mistake at once.
pub fn check(config: &Config, registry: &Registry) -> Result<Vec<String>, Vec<Mistake>> {
    let Found { catalog, default_pool, filters, mut mistakes } = found(config, registry);
    let mut unopened = Unopened::new(config, &mut mistakes);
    catalog.iter().for_each(|plugin| unopened.store("catalog", &config.catalog, plugin));
    default_pool.iter().for_each(|(plugin, uri)| unopened.store("default_pool", uri, plugin));
    filters.iter().for_each(|(plugin, name)| unopened.filter(name, plugin));
    let mut unseen = unopened.unseen();
    let pool = config.default_pool.as_ref();
    if let Some(uri) = pool.filter(|uri| one_file(&config.catalog.value, &uri.value, &config.data_dir)) {
        let mistake = |problem| Mistake::new(&uri.origin, "default_pool", problem, "give each a file of its own");
        match is_own_file(&uri.value) {
            true => mistakes.push(mistake("names the same file as `catalog`")),
            // Whether one can be both is seen by who opens it.
            false => unseen.push(
                mistake("names the same as `catalog`, and the start is refused where that is a file").to_string(),
            ),
        }
    }
    if mistakes.is_empty() { Ok(unseen) } else { Err(mistakes) }
}

/// Opens it, each for a bounded time. Plugins were asked by [`check`] and are not asked again.
///
/// # Errors
/// What is not there, or does not fit a schema; or what cannot be opened, in the plugin's words.
pub async fn open(
    config: &Config,
    registry: &Registry,
    host_id: &str,
    metrics: &Metrics,
) -> Result<Opened, Vec<Mistake>> {
    let plan = plan(config, registry)?;
    let opener = Opener { config, host_id, metrics };
    let open_catalog =
        opener.store("catalog", &config.catalog, plan.catalog, async |library, args| library.open_catalog(args).await);
    let observer = metrics.store("catalog", "catalog", plan.catalog.name(), OpenCatalog::METHODS);
    let catalog = OpenCatalog::from(open_catalog.await?);
    let catalog = if let Some(observer) = observer { catalog.observed(observer) } else { catalog };
    let services = services(&plan);
    let mut opened = Opened { catalog, default_pool: None, pipeline: Pipeline::default(), services };
    match opener.open_rest(&plan, &mut opened).await {
        Ok(()) => Ok(opened),
        Err(mistakes) => {
            opened.close().await;
            Err(mistakes)
        }
    }
}

/// Opens the filters alone, as new instances beside those in use; and the services that they provide.
///
/// # Errors
/// As for [`open`]; then none of them is open.
pub async fn open_filters(
    config: &Config,
    registry: &Registry,
    host_id: &str,
    metrics: &Metrics,
    catalog: &OpenCatalog,
) -> Result<(Pipeline, Vec<String>), Vec<Mistake>> {
    let plan = plan(config, registry)?;
    let opener = Opener { config, host_id, metrics };
    let pipeline = opener.pipeline(&plan, catalog).await?;
    Ok((pipeline, services(&plan)))
}

impl Opened {
    /// Closes what is open when the rest cannot be opened.
    async fn close(&self) {
        let call = Call::new(RequestId(0), "", Timestamp::MAX);
        if let Some(pool) = &self.default_pool {
            let _ = tokio::time::timeout(CLOSING, pool.shutdown(&call)).await;
        }
        let _ = tokio::time::timeout(CLOSING, self.catalog.shutdown(&call)).await;
    }
}

async fn close_filters(filters: &[LoadedFilter]) {
    let call = Call::new(RequestId(0), "", Timestamp::MAX);
    for filter in filters {
        let _ = tokio::time::timeout(CLOSING, filter.shutdown(&call)).await;
    }
}

fn services(plan: &Plan<'_>) -> Vec<String> {
    let provided = plan.filters.iter().flat_map(|(plugin, _)| plugin.description().services.clone());
    let mut services: Vec<String> = provided.collect();
    services.sort();
    services.dedup();
    services
}

fn plan<'a>(config: &'a Config, registry: &'a Registry) -> Result<Plan<'a>, Vec<Mistake>> {
    match found(config, registry) {
        Found { catalog: Some(catalog), default_pool, filters, mistakes } if mistakes.is_empty() => {
            Ok(Plan { catalog, default_pool, filters })
        }
        Found { mistakes, .. } => Err(mistakes),
    }
}

/// Everything that the settings name, and what is wrong with them as far as no plugin has to be asked.
fn found<'a>(config: &'a Config, registry: &'a Registry) -> Found<'a> {
    let mut mistakes = Vec::new();
    unknown_names(config, registry, &mut mistakes);
    let mut noted = |found: Result<&'a Plugin, Mistake>| found.map_err(|mistake| mistakes.push(mistake)).ok();
    let catalog = noted(store(registry, Kind::Catalog, "catalog", &config.catalog));
    let pool = config.default_pool.as_ref();
    let default_pool = pool.and_then(|uri| Some((noted(store(registry, Kind::Pool, "default_pool", uri))?, uri)));
    let filters: Vec<(&Plugin, &str)> = config
        .pipeline
        .iter()
        .filter_map(|name| {
            Some((noted(registry.needed(Kind::Filter, &name.value, "pipeline", name))?, name.value.as_str()))
        })
        .collect();
    check_settings(config, registry, &mut mistakes);
    Found { catalog, default_pool, filters, mistakes }
}

fn store<'a>(registry: &'a Registry, kind: Kind, key: &str, uri: &Located<String>) -> Result<&'a Plugin, Mistake> {
    registry.needed(kind, scheme(&uri.value).unwrap_or(""), key, uri)
}

/// The settings of whatever was found, in use or not; and those of what is in use, set or not.
fn check_settings(config: &Config, registry: &Registry, mistakes: &mut Vec<Mistake>) {
    let nothing = Settings::default();
    for plugin in registry.plugins() {
        let name = plugin.name();
        let in_use =
            used_schemes(config).any(|(kind, scheme)| registry.find(kind, scheme).is_some_and(|of| same(of, plugin)));
        match config.plugins.get(name) {
            Some(settings) => schema::check(plugin, &format!("plugins.{name}"), settings, mistakes),
            None if in_use => schema::check(plugin, &format!("plugins.{name}"), &nothing, mistakes),
            None => {}
        }
    }
    for name in registry.names(Kind::Filter) {
        let Some(plugin) = registry.find(Kind::Filter, name) else { continue };
        let in_use = config.pipeline.iter().any(|used| used.value == name);
        match config.filters.get(name) {
            Some(filter) => schema::check(plugin, &format!("filters.{name}"), &filter.settings, mistakes),
            None if in_use => schema::check(plugin, &format!("filters.{name}"), &nothing, mistakes),
            None => {}
        }
    }
}

fn used_schemes(config: &Config) -> impl Iterator<Item = (Kind, &str)> {
    let catalog = scheme(&config.catalog.value).map(|scheme| (Kind::Catalog, scheme));
    let pool = config.default_pool.as_ref().and_then(|uri| scheme(&uri.value)).map(|scheme| (Kind::Pool, scheme));
    catalog.into_iter().chain(pool)
}

fn same(left: &Plugin, right: &Plugin) -> bool {
    left.path() == right.path()
}

/// Sections of plugins and filters that are not there are probably misspelt.
fn unknown_names(config: &Config, registry: &Registry, mistakes: &mut Vec<Mistake>) {
    let plugins: Vec<&str> = registry.plugins().iter().map(|plugin| plugin.name()).collect();
    let filters: Vec<&str> = registry.names(Kind::Filter).collect();
    let sections = config.plugins.iter().map(|(name, settings)| ("plugins", name, settings.origin(""), &plugins));
    let sections =
        sections.chain(config.filters.iter().map(|(name, filter)| ("filters", name, filter.origin.clone(), &filters)));
    let levels = config.log.plugins.iter().map(|(name, level)| ("log.plugins", name, level.origin.clone(), &plugins));
    for (section, name, origin, known) in sections.chain(levels) {
        if !known.contains(&name.as_str()) {
            let mend = match nearest(name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    format!("there are: {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") })
                }
            };
            mistakes.push(Mistake::new(&origin, format!("{section}.{name}"), "is not there", mend));
        }
    }
}

struct Opener<'a> {
    config: &'a Config,
    host_id: &'a str,
    metrics: &'a Metrics,
}

impl Opener<'_> {
    /// Opens what comes after the catalog.
    async fn open_rest(&self, plan: &Plan<'_>, opened: &mut Opened) -> Result<(), Vec<Mistake>> {
        if let Some((plugin, uri)) = plan.default_pool {
            let pool =
                self.store("default_pool", uri, plugin, async |library, args| library.open_pool(args).await).await?;
            let observer = self.metrics.store("pool", DEFAULT_POOL, plugin.name(), OpenPool::METHODS);
            let pool = OpenPool::from(pool);
            opened.default_pool = Some(if let Some(observer) = observer { pool.observed(observer) } else { pool });
        }
        opened.pipeline = self.pipeline(plan, &opened.catalog).await?;
        Ok(())
    }

    /// Opens every filter, or none.
    async fn pipeline(&self, plan: &Plan<'_>, catalog: &OpenCatalog) -> Result<Pipeline, Vec<Mistake>> {
        let (mut filters, mut open) = (Vec::new(), Vec::new());
        for (plugin, name) in &plan.filters {
            match self.filter(plugin, name, catalog).await {
                Ok(filter) => {
                    open.push(filter.filter.clone());
                    filters.push(filter);
                }
                Err(mistakes) => {
                    close_filters(&open).await;
                    return Err(mistakes);
                }
            }
        }
        match Pipeline::new(filters) {
            Ok(pipeline) => Ok(pipeline),
            Err((name, unfit)) => {
                close_filters(&open).await;
                Err(vec![self.unfit(&name, unfit)])
            }
        }
    }

    fn unfit(&self, name: &str, unfit: Unfit) -> Mistake {
        let default = FilterConfig::default();
        let origin = &self.config.filters.get(name).unwrap_or(&default).origin;
        match unfit {
            Unfit::Panicked => {
                let problem = "panicked when it was asked which requests it wants to see";
                Mistake::new(origin, format!("filters.{name}"), problem, "")
            }
            Unfit::LetsIn => {
                let problem = "is \"pass\", but the filter takes part in finding out who a client is: \
                               while it failed, everybody would be let in, as whoever they say they are";
                Mistake::new(origin, format!("filters.{name}.on_error"), problem, "leave it out, or write \"refuse\"")
            }
        }
    }

    /// Opens a catalog or a pool by its URI.
    async fn store<T>(
        &self,
        key: &str,
        uri: &Located<String>,
        plugin: &Plugin,
        open: impl AsyncFnOnce(&Library, OpenArgs) -> sdk::Result<T>,
    ) -> Result<T, Vec<Mistake>> {
        let settings = self.config.plugins.get(plugin.name());
        let args = self.args(scheme(&uri.value).unwrap_or(""), &uri.value, settings);
        let opened = opened(plugin, async |library| open(library, args).await).await;
        opened.map_err(|problem| vec![Mistake::new(&uri.origin, key, problem, "")])
    }

    async fn filter(&self, plugin: &Plugin, name: &str, catalog: &OpenCatalog) -> Result<FilterSpec, Vec<Mistake>> {
        let default = FilterConfig::default();
        let set = self.config.filters.get(name).unwrap_or(&default);
        let mut args = self.args(name, name, Some(&set.settings));
        args.records = Some(records::of_plugin(catalog, plugin.name()));
        args.isolate = set.isolate;
        let filter = opened(plugin, async |library| library.open_filter(args).await).await;
        let filter =
            filter.map_err(|problem| vec![Mistake::new(&set.origin, format!("filters.{name}"), problem, "")])?;
        Ok(FilterSpec {
            name: name.into(),
            filter,
            timeout: set.timeout,
            on_error: set.on_error,
            projects: set.projects.clone(),
            queues: set.queues.clone(),
            actions: set.actions.clone(),
            observer: self.metrics.filter(name, plugin.name()),
        })
    }

    fn args(&self, which: &str, uri: &str, settings: Option<&Settings>) -> OpenArgs {
        OpenArgs {
            which: which.to_owned(),
            uri: uri.to_owned(),
            settings: settings.map_or_else(|| "{}".to_owned(), Settings::json),
            data_dir: self.config.data_dir.to_string_lossy().into_owned(),
            host_id: self.host_id.to_owned(),
            records: None,
            isolate: false,
        }
    }
}

/// Loads a plugin if nobody did yet, and opens something of it, for a bounded time.
async fn opened<T>(plugin: &Plugin, open: impl AsyncFnOnce(&Library) -> sdk::Result<T>) -> Result<T, String> {
    let library = plugin.library().map_err(|refusal| format!("cannot be opened: {refusal}"))?;
    let name = plugin.name();
    match tokio::time::timeout(OPENING, open(&library)).await {
        Ok(Ok(opened)) => Ok(opened),
        Ok(Err(error)) => Err(format!("cannot be opened by the plugin `{name}`: {error}")),
        Err(_) => Err(format!("was not opened by the plugin `{name}` within {} s", OPENING.as_secs())),
    }
}
