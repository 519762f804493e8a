//! Settings as typed → [`Config`], or every mistake in them.

use std::path::{Path, PathBuf};

use sukkal_plugin_sdk::Action;
use tracing_subscriber::filter::LevelFilter;

use super::level::Level;
use super::mistake::{Mistake, nearest};
use super::raw::{Node, Table, Value};
use super::section::{Located, Section};
use super::settings::Settings;
use super::{Config, FilterConfig, Log, listeners, pairs, schema, tls, unknown};

/// Checks everything that can be checked without plugins.
pub fn check(root: &Table, mistakes: &mut Vec<Mistake>) -> Config {
    unknown::find(root, mistakes);
    let mut config = top(&mut Section { name: "", schema: schema::file(), table: Some(root), mistakes });
    config.rest = Section::of("rest", root, mistakes).all();
    config.rest.tls = tls::read(&mut Section::of("rest", root, mistakes));
    config.admin = Section::of("admin", root, mistakes).all();
    let mut websocket = Section::of("websocket", root, mistakes);
    config.websocket = websocket.all();
    pairs::check_pings(&mut websocket, &config.websocket);
    config.websocket.tls = tls::read(&mut Section::of("websocket", root, mistakes));
    listeners::check(root, &config, mistakes);
    config.api = Section::of("api", root, mistakes).all();
    let mut limits = Section::of("limits", root, mistakes);
    config.limits = limits.all();
    pairs::check(&mut limits, &config.limits);
    config.signed_urls = Section::of("signed_urls", root, mistakes).all();
    config.notifications = Section::of("notifications", root, mistakes).all();
    config.cors = Section::of("cors", root, mistakes).all();
    config.log = log(&mut Section::of("log", root, mistakes));
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
    if let Some(dir) = section.get::<String>("data_dir") {
        if dir.value.is_empty() {
            section.wrong(&dir.origin, "data_dir", "must not be empty", "");
        } else if let Some(file) = Path::new(&dir.value).ancestors().find(|path| path.is_file()) {
            section.wrong(
                &dir.origin,
                "data_dir",
                format!("is no folder: {} is a file", file.display()),
                "name a folder",
            );
        }
        config.data_dir = PathBuf::from(dir.value);
    }
    if let Some(dirs) = section.texts("plugin_dirs") {
        config.plugin_dirs =
            Some(dirs.into_iter().map(|dir| Located { value: PathBuf::from(dir.value), origin: dir.origin }).collect());
    }
    if let Some(catalog) = section.get("catalog") {
        config.catalog = catalog;
        uri(section, "catalog", &config.catalog);
    }
    if let Some(pool) = section.get::<String>("default_pool") {
        config.default_pool = Some(pool).filter(|pool| !pool.value.is_empty());
        config.default_pool.iter().for_each(|pool| uri(section, "default_pool", pool));
    }
    config.pipeline = section.texts("pipeline").unwrap_or_default();
    for (index, filter) in config.pipeline.iter().enumerate() {
        if config.pipeline[..index].iter().any(|earlier| earlier.value == filter.value) {
            section.wrong(&filter.origin, "pipeline", format!("names `{}` twice", filter.value), "name it once");
        }
    }
    config.shutdown_grace = section.seconds("shutdown_grace").unwrap_or(config.shutdown_grace);
    config.shutdown_delay = section.seconds("shutdown_delay").unwrap_or(config.shutdown_delay);
    config
}

fn uri(section: &mut Section<'_>, key: &str, uri: &Located<String>) {
    if super::scheme(&uri.value).is_none() {
        section.wrong(
            &uri.origin,
            key,
            "must be a URI",
            "begin it with a scheme in lower case, for instance \"sqlite:catalog.db\"",
        );
    }
}

fn log(section: &mut Section<'_>) -> Log {
    let mut log: Log = section.all();
    let Some(node) = section.table.and_then(|table| table.get("plugins")) else { return log };
    let Value::Table(plugins) = &node.value else {
        section.wrong(&node.origin, "plugins", "must be a table", "for instance { sqlite = \"debug\" }");
        return log;
    };
    let schema = schema::property(section.schema, "plugins");
    let mut each = Section { name: "log.plugins", schema, table: Some(plugins), mistakes: section.mistakes };
    for (name, _) in &plugins.0 {
        if let Some(Located { value, origin }) = each.get::<Level>(name) {
            log.plugins.insert(name.clone(), Located { value: LevelFilter::from(value), origin });
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
    let settings = Settings::read(&path, node, table, &schema::keys(schema::filter()), mistakes);
    let mut section = Section { name: &path, schema: schema::filter(), table: Some(table), mistakes };
    let default = FilterConfig::default();
    FilterConfig {
        timeout: section.seconds("timeout").unwrap_or(default.timeout),
        on_error: section.get("on_error").map_or(default.on_error, |choice| choice.value),
        isolate: section.get("isolate").is_some_and(|isolate| isolate.value),
        projects: section.get("projects").map(|projects| projects.value).unwrap_or_default(),
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
                let problem = format!("has `{}`, which is no pattern: {}", text.value, error.msg);
                section.wrong(&text.origin, "queues", problem, "");
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
                let names = || Action::ALL.iter().map(|action| action.name());
                let mend = match nearest(&name.value, names()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("there are: {}", names().collect::<Vec<_>>().join(", ")),
                };
                section.wrong(&name.origin, "actions", format!("names `{}`, which is no action", name.value), mend);
            }
        }
    }
    actions
}
