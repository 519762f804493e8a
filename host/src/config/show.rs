//! The settings in force as TOML, each with where it comes from, secrets masked.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json};

use super::mistake::Origin;
use super::raw::{Node, Table, Value};
use super::secret::is_secret;
use super::{Config, mask, schema, value};

/// Where the remarks begin, if the setting is not longer.
const REMARKS: usize = 48;

/// Valid settings, and how they were typed.
pub struct Typed {
    /// The settings.
    pub config: Config,
    pub(super) root: Table,
}

/// The settings that a plugin has, as its section.
pub struct PluginSection {
    /// `filters` or `plugins`.
    pub section: &'static str,
    /// The filter's or the plugin's name.
    pub name: String,
    /// The JSON Schema of its settings.
    pub schema: Json,
}

impl Typed {
    /// All settings; of plugins those that are typed, and those of the sections that are given.
    pub fn show(&self, plugins: &[PluginSection]) -> String {
        let mut page = Page::default();
        let values = serde_json::to_value(&self.config).unwrap_or_default();
        page.keys(schema::file(), &values, Some(&self.root));
        for name in schema::sections().filter(|name| !matches!(*name, "filters" | "plugins")) {
            page.head(&[name]);
            page.keys(schema::of(name), &values[name], self.root.table(name));
        }
        for section in ["filters", "plugins"] {
            for name in self.names(section, plugins) {
                page.head(&[section, name]);
                let typed = self.root.table(section).and_then(|table| table.table(name));
                if section == "filters" {
                    let filter = self.config.filters.get(name).map(serde_json::to_value);
                    let filter = filter.unwrap_or_else(|| serde_json::to_value(super::FilterConfig::default()));
                    page.keys(schema::filter(), &filter.unwrap_or_default(), typed);
                }
                let own = plugins.iter().find(|plugin| plugin.section == section && plugin.name == name);
                page.own(section, own.map(|plugin| &plugin.schema), typed);
            }
        }
        page.0
    }

    /// Whatever has a section, in the order of the names.
    fn names<'a>(&'a self, section: &str, plugins: &'a [PluginSection]) -> Vec<&'a str> {
        let typed = self.root.table(section).map(|table| table.0.as_slice()).unwrap_or_default();
        let given = plugins.iter().filter(|plugin| plugin.section == section).map(|plugin| plugin.name.as_str());
        let mut names: Vec<&str> = typed.iter().map(|(name, _)| name.as_str()).chain(given).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// A TOML text that grows.
#[derive(Default)]
struct Page(String);

impl Page {
    fn head(&mut self, path: &[&str]) {
        let path: Vec<String> = path.iter().map(|name| key(name)).collect();
        // Writing to a text cannot fail, here and below.
        let _ = writeln!(self.0, "\n[{}]", path.join("."));
    }

    /// The keys of a section that the host reads itself.
    fn keys(&mut self, section: &'static Json, values: &Json, typed: Option<&Table>) {
        for name in schema::keys(section) {
            let node = typed.and_then(|table| table.get(name));
            let origin = node.map(|node| &node.origin);
            match &values[name] {
                Json::String(_) if is_secret(schema::property(section, name)) => self.secret(name, node),
                // At the top: sections, which follow.
                Json::Object(_) if std::ptr::eq(section, schema::file()) => {}
                Json::Null => {
                    let _ = writeln!(self.0, "# {name} is not set");
                }
                // Which of the host's own are secret is known.
                value => self.write(name, mask::uris(value.clone()), origin),
            }
        }
    }

    /// The keys of a section that a plugin reads: what is typed, then the plugin's defaults.
    fn own(&mut self, section: &str, schema: Option<&Json>, typed: Option<&Table>) {
        let ours = if section == "filters" { schema::keys(schema::filter()) } else { Vec::new() };
        let properties = schema.and_then(|schema| schema["properties"].as_object());
        let typed = typed.map(|table| table.0.as_slice()).unwrap_or_default();
        for (name, node) in typed.iter().filter(|(name, _)| !ours.contains(&name.as_str())) {
            if properties.is_some_and(|all| all.get(name).is_some_and(is_secret)) {
                self.secret(name, Some(node));
            } else {
                self.line(name, value::plain(node), Some(&node.origin));
            }
        }
        for (name, property) in properties.into_iter().flatten() {
            if !typed.iter().any(|(typed, _)| typed == name) && !property["default"].is_null() {
                self.line(name, property["default"].clone(), None);
            }
        }
    }

    /// A secret that is typed is not shown; where it is kept may be.
    fn secret(&mut self, name: &str, node: Option<&Node>) {
        let kept = node.filter(|node| matches!(node.value, Value::Table(_))).map(value::plain);
        self.line(name, kept.unwrap_or_else(|| Json::from("***")), node.map(|node| &node.origin));
    }

    fn line(&mut self, name: &str, value: Json, origin: Option<&Origin>) {
        self.write(name, mask::masked(name, value), origin);
    }

    fn write(&mut self, name: &str, value: Json, origin: Option<&Origin>) {
        let setting = format!("{} = {}", key(name), toml(value));
        let origin = match origin {
            None | Some(Origin::Default) => "default".to_owned(),
            Some(origin) => origin.to_string(),
        };
        let _ = writeln!(self.0, "{setting:<REMARKS$} # {origin}");
    }
}

/// A key, in quotes where it needs them.
fn key(name: &str) -> String {
    let bare = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    if !name.is_empty() && name.chars().all(bare) { name.to_owned() } else { toml(Json::from(name)) }
}

fn toml(value: Json) -> String {
    toml_value(value).map(|value| value.to_string()).unwrap_or_default()
}

/// TOML knows no null.
fn toml_value(value: Json) -> Option<toml::Value> {
    Some(match value {
        Json::Null => return None,
        Json::Bool(flag) => flag.into(),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => whole.into(),
            (None, Some(float)) => float.into(),
            (None, None) => number.to_string().into(),
        },
        Json::String(text) => text.into(),
        Json::Array(items) => toml::Value::Array(items.into_iter().filter_map(toml_value).collect()),
        Json::Object(object) => toml::Value::Table(table(object)),
    })
}

fn table(object: Map<String, Json>) -> toml::Table {
    object.into_iter().filter_map(|(key, value)| Some((key, toml_value(value)?))).collect()
}
