//! Settings as typed → [`Config`], or every mistake in them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use sukkal_core::{Api, Limits, OnError};
use sukkal_plugin_sdk::Action;
use tracing_subscriber::filter::LevelFilter;

use super::mistake::{Mistake, nearest};
use super::raw::{Node, Table, Value};
use super::section::{Located, Section};
use super::settings::Settings;
use super::{Config, FilterConfig, Format, Log, Origin, Rest, ranges, typed, unknown};

/// The sections.
pub const SECTIONS: &[&str] = &["rest", "api", "limits", "filters", "plugins", "log"];
/// What the host itself reads of a filter's section.
pub const FILTER_KEYS: &[&str] = &["timeout", "on_error", "isolate", "projects", "queues", "actions"];

const TOP_KEYS: &[&str] = &["data_dir", "plugin_dirs", "catalog", "default_pool", "pipeline", "shutdown_grace"];
const REST_KEYS: &[&str] = &["listen", "max_connections", "idle_timeout", "body_timeout"];
const LOG_KEYS: &[&str] = &["level", "format", "plugins"];
const LEVELS: &str = "one of \"off\", \"error\", \"warn\", \"info\", \"debug\", \"trace\"";

/// The keys of a section; those of plugins and filters are their own.
pub fn known_keys(section: &str) -> Vec<String> {
    let fixed = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
    match section {
        "" => fixed(TOP_KEYS),
        "rest" => fixed(REST_KEYS),
        "log" => fixed(LOG_KEYS),
        "api" => typed::keys::<Api>(),
        "limits" => typed::keys::<Limits>(),
        _ => Vec::new(),
    }
}

/// Checks everything that can be checked without plugins.
pub fn check(root: &Table, mistakes: &mut Vec<Mistake>) -> Config {
    unknown::find(root, mistakes);
    let mut config = top(&mut Section { name: "", table: Some(root), mistakes });
    config.rest = rest(&mut Section { name: "rest", table: root.table("rest"), mistakes });
    config.api = typed::read(&mut Section { name: "api", table: root.table("api"), mistakes });
    let mut limits = Section { name: "limits", table: root.table("limits"), mistakes };
    config.limits = typed::read(&mut limits);
    ranges::check(&mut limits, &config.limits);
    config.log = log(&mut Section { name: "log", table: root.table("log"), mistakes });
    config.filters = named(root, "filters")
        .map(|(name, node, table)| (name.to_owned(), filter(name, node, table, mistakes)))
        .collect();
    config.plugins = named(root, "plugins")
        .map(|(name, node, table)| {
            (name.to_owned(), Settings::read(&format!("plugins.{name}"), node, table, &[], mistakes))
        })
        .collect();
    config
}

fn top(section: &mut Section<'_>) -> Config {
    let mut config = Config::default();
    if let Some(dir) = section.text("data_dir") {
        if dir.value.is_empty() {
            section.wrong(&dir.origin, "data_dir", "must not be empty", "");
        }
        config.data_dir = PathBuf::from(dir.value);
    }
    if let Some(dirs) = section.texts("plugin_dirs") {
        config.plugin_dirs =
            Some(dirs.into_iter().map(|dir| Located { value: PathBuf::from(dir.value), origin: dir.origin }).collect());
    }
    if let Some(catalog) = uri(section, "catalog") {
        config.catalog = catalog;
    }
    match section.text("default_pool") {
        Some(pool) if pool.value.is_empty() => config.default_pool = None,
        Some(_) => config.default_pool = uri(section, "default_pool"),
        None => {}
    }
    config.pipeline = section.texts("pipeline").unwrap_or_default();
    for (index, filter) in config.pipeline.iter().enumerate() {
        if config.pipeline[..index].iter().any(|earlier| earlier.value == filter.value) {
            section.wrong(&filter.origin, "pipeline", format!("names `{}` twice", filter.value), "name it once");
        }
    }
    if let Some(grace) = section.seconds("shutdown_grace", 0..=3600) {
        config.shutdown_grace = grace;
    }
    config
}

fn uri(section: &mut Section<'_>, key: &str) -> Option<Located<String>> {
    let uri = section.text(key)?;
    if super::scheme(&uri.value).is_some() {
        return Some(uri);
    }
    section.wrong(&uri.origin, key, "must be a URI", "begin it with a scheme, for instance \"sqlite:catalog.db\"");
    None
}

fn rest(section: &mut Section<'_>) -> Rest {
    let mut rest = Rest::default();
    let address = "an IP address and a port, for instance \"127.0.0.1:8888\"";
    if let Some(listen) = section.parsed("listen", address, |text| text.parse().ok()) {
        rest.listen = listen;
    }
    if let Some(max) = section.integer("max_connections", 1..=1_000_000) {
        rest.max_connections = u32::try_from(max).unwrap_or(u32::MAX);
    }
    if let Some(idle) = section.seconds("idle_timeout", 1..=86_400) {
        rest.idle_timeout = idle;
    }
    if let Some(body) = section.seconds("body_timeout", 1..=86_400) {
        rest.body_timeout = body;
    }
    rest
}

fn log(section: &mut Section<'_>) -> Log {
    let mut log = Log::default();
    let level = |text: &str| text.parse::<LevelFilter>().ok().filter(|_| text.parse::<u8>().is_err());
    if let Some(wanted) = section.parsed("level", LEVELS, level) {
        log.level = wanted;
    }
    let format = |text: &str| match text {
        "text" => Some(Format::Text),
        "json" => Some(Format::Json),
        _ => None,
    };
    if let Some(wanted) = section.parsed("format", "\"text\" or \"json\"", format) {
        log.format = wanted;
    }
    let Some(node) = section.table.and_then(|table| table.get("plugins")) else { return log };
    let Value::Table(plugins) = &node.value else {
        let origin = node.origin.clone();
        section.wrong(&origin, "plugins", "must be a table", "for instance { sqlite = \"debug\" }");
        return log;
    };
    let mut each = Section { name: "log.plugins", table: Some(plugins), mistakes: section.mistakes };
    for (name, node) in &plugins.0 {
        if let Some(wanted) = each.parsed(name, LEVELS, level) {
            log.plugins.insert(name.clone(), Located { value: wanted, origin: node.origin.clone() });
        }
    }
    log
}

fn named<'a>(root: &'a Table, section: &str) -> impl Iterator<Item = (&'a str, &'a Node, &'a Table)> {
    let entries = root.table(section).map(|table| table.0.as_slice()).unwrap_or_default();
    entries.iter().filter_map(|(name, node)| match &node.value {
        Value::Table(table) => Some((name.as_str(), node, table)),
        _ => None,
    })
}

fn filter(name: &str, node: &Node, table: &Table, mistakes: &mut Vec<Mistake>) -> FilterConfig {
    let path = format!("filters.{name}");
    let settings = Settings::read(&path, node, table, FILTER_KEYS, mistakes);
    let mut section = Section { name: &path, table: Some(table), mistakes };
    let on_error = |text: &str| match text {
        "refuse" => Some(OnError::Refuse),
        "pass" => Some(OnError::Pass),
        _ => None,
    };
    let plain =
        |list: Option<Vec<Located<String>>>| list.unwrap_or_default().into_iter().map(|text| text.value).collect();
    FilterConfig {
        timeout: section.seconds("timeout", 1..=3600).unwrap_or(Duration::from_secs(5)),
        on_error: section.parsed("on_error", "\"refuse\" or \"pass\"", on_error).unwrap_or(OnError::Refuse),
        isolate: section.flag("isolate").unwrap_or(false),
        projects: plain(section.texts("projects")),
        queues: patterns(&mut section),
        actions: actions(&mut section),
        settings,
        origin: node.origin.clone(),
    }
}

fn patterns(section: &mut Section<'_>) -> Vec<glob::Pattern> {
    let texts = section.texts("queues").unwrap_or_default();
    let mut patterns = Vec::new();
    for text in texts {
        match glob::Pattern::new(&text.value) {
            Ok(pattern) => patterns.push(pattern),
            Err(error) => {
                section.wrong(
                    &text.origin,
                    "queues",
                    format!("has `{}`, which is no pattern: {}", text.value, error.msg),
                    "",
                );
            }
        }
    }
    patterns
}

fn actions(section: &mut Section<'_>) -> Vec<Action> {
    let names = section.texts("actions").unwrap_or_default();
    let mut actions = Vec::new();
    for name in names {
        match Action::from_name(&name.value) {
            Some(action) => actions.push(action),
            None => {
                let near = nearest(&name.value, Action::ALL.iter().map(|action| action.name()));
                let mend = near
                    .map_or_else(|| "see the actions of the API".to_owned(), |near| format!("did you mean `{near}`?"));
                section.wrong(&name.origin, "actions", format!("names `{}`, which is no action", name.value), mend);
            }
        }
    }
    actions
}

/// Where a filter stands that nobody configured.
impl Default for FilterConfig {
    fn default() -> Self {
        FilterConfig {
            timeout: Duration::from_secs(5),
            on_error: OnError::Refuse,
            isolate: false,
            projects: Vec::new(),
            queues: Vec::new(),
            actions: Vec::new(),
            settings: Settings::default(),
            origin: Origin::Default,
        }
    }
}

/// Nothing configured at all.
impl Default for Config {
    fn default() -> Self {
        let located = |uri: &str| Located { value: uri.to_owned(), origin: Origin::Default };
        Config {
            data_dir: PathBuf::from("sukkal-data"),
            plugin_dirs: None,
            catalog: located("sqlite:catalog.db"),
            default_pool: Some(located("sqlite:pool.db")),
            pipeline: Vec::new(),
            shutdown_grace: Duration::from_secs(30),
            rest: Rest::default(),
            api: Api::default(),
            limits: Limits::default(),
            filters: BTreeMap::new(),
            plugins: BTreeMap::new(),
            log: Log::default(),
        }
    }
}
