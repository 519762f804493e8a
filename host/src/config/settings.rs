//! A plugin's settings: free in form, until its own schema checks them.

use serde_json::{Map, Value as Json};

use super::mistake::{Mistake, Origin};
use super::raw::{Node, Table, Value};
use super::{secret, value};

/// The settings of one plugin or filter, secrets resolved. Not to be shown: it may hold secrets.
#[derive(Clone, Default)]
pub struct Settings {
    /// A JSON object.
    pub object: Map<String, Json>,
    /// Where each value stands, by its JSON pointer; the empty one is the section's.
    origins: Vec<(String, Origin)>,
}

impl Settings {
    /// Reads a section, all keys but some.
    pub fn read(section: &str, node: &Node, table: &Table, without: &[&str], mistakes: &mut Vec<Mistake>) -> Self {
        let mut settings = Settings { object: Map::new(), origins: vec![(String::new(), node.origin.clone())] };
        for (key, value) in table.0.iter().filter(|(key, _)| !without.contains(&key.as_str())) {
            let path = format!("{section}.{key}");
            if let Some(json) = settings.value(&format!("/{key}"), &path, value, mistakes) {
                settings.object.insert(key.clone(), json);
            }
        }
        settings
    }

    /// As text, for the plugin.
    pub fn json(&self) -> String {
        // A map with texts for keys can be written.
        serde_json::to_string(&self.object).unwrap_or_default()
    }

    /// Where the value of a JSON pointer stands, or what is nearest above it.
    pub fn origin(&self, pointer: &str) -> Origin {
        let above = self.origins.iter().filter(|(known, _)| pointer.starts_with(known.as_str()));
        above.max_by_key(|(known, _)| known.len()).map(|(_, origin)| origin.clone()).unwrap_or_default()
    }

    fn value(&mut self, pointer: &str, path: &str, node: &Node, mistakes: &mut Vec<Mistake>) -> Option<Json> {
        self.origins.push((pointer.to_owned(), node.origin.clone()));
        Some(match &node.value {
            Value::List(items) => {
                let item = |(index, item)| self.value(&format!("{pointer}/{index}"), path, item, mistakes);
                Json::Array(items.iter().enumerate().filter_map(item).collect())
            }
            Value::Table(table) => match secret::kept_in(table) {
                Some(Ok(secret)) => Json::from(secret.reveal()),
                Some(Err(problem)) => {
                    mistakes.push(Mistake::new(&node.origin, path, problem, ""));
                    return None;
                }
                None => {
                    let entry = |(key, value): &(String, Node)| {
                        let json =
                            self.value(&format!("{pointer}/{key}"), &format!("{path}.{key}"), value, mistakes)?;
                        Some((key.clone(), json))
                    };
                    Json::Object(table.0.iter().filter_map(entry).collect())
                }
            },
            _ => value::plain(node),
        })
    }
}
