//! Which settings cannot be changed at run time.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use super::{Config, Settings};

/// What a reload puts in force; all else, and whatever is new, needs a restart.
const RELOADED: &[&str] = &[
    "pipeline",
    "filters",
    "rest.tls.cert",
    "rest.tls.key",
    "websocket.tls.cert",
    "websocket.tls.key",
    "limits",
    "api",
    "signed_urls",
    "notifications",
    "log.level",
    "log.plugins",
    "shutdown_grace",
    "shutdown_delay",
];

/// The settings that differ and need a restart, as dotted paths.
pub fn changed(started: &Config, read: &Config) -> Vec<String> {
    let mut keys = Vec::new();
    differences("", &object(started), &object(read), &mut keys);
    let plugins: BTreeSet<&String> = started.plugins.keys().chain(read.plugins.keys()).collect();
    let settings = |config: &'_ Config, name: &str| -> Option<Map<String, Json>> {
        config.plugins.get(name).map(|settings: &Settings| settings.object.clone())
    };
    let differ = plugins.into_iter().filter(|name| settings(started, name) != settings(read, name));
    keys.extend(differ.map(|name| format!("plugins.{name}")));
    keys
}

fn object(config: &Config) -> Map<String, Json> {
    match serde_json::to_value(config) {
        Ok(Json::Object(object)) => object,
        _ => Map::new(),
    }
}

fn differences(above: &str, started: &Map<String, Json>, read: &Map<String, Json>, keys: &mut Vec<String>) {
    let names: BTreeSet<&String> = started.keys().chain(read.keys()).collect();
    for name in names {
        let path = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
        match (started.get(name), read.get(name)) {
            _ if RELOADED.contains(&path.as_str()) => {}
            (Some(Json::Object(started)), Some(Json::Object(read))) => differences(&path, started, read, keys),
            (started, read) if started != read => keys.push(path),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_a_restart_is_named_and_nothing_else() {
        let read = |text: &str| {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("sukkal.toml");
            std::fs::write(&path, text).unwrap();
            Config::load(Some(&path), []).unwrap_or_default()
        };
        let started = read("[plugins.sqlite]\nkey = 1\n");
        assert_eq!(changed(&started, &started), Vec::<String>::new());
        let reloaded = read(
            "pipeline = [\"audit\"]\nshutdown_grace = 3\n[limits]\nmax_message_ttl = 7200\n[api]\nadmin_mode = true\n\
             [log]\nlevel = \"debug\"\n[filters.audit]\ntimeout = 1\n\
             [notifications]\nsubscriber_types = [\"http\"]\n[plugins.sqlite]\nkey = 1\n",
        );
        assert_eq!(changed(&started, &reloaded), Vec::<String>::new());
        let fixed = read(
            "data_dir = \"elsewhere\"\ncatalog = \"memory:\"\n[rest]\nlisten = \"127.0.0.1:1\"\n[log]\nformat = \"json\"\n\
             [plugins.sqlite]\nkey = 2\n",
        );
        assert_eq!(changed(&started, &fixed), ["catalog", "data_dir", "log.format", "rest.listen", "plugins.sqlite"]);
    }
}
