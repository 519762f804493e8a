//! Typed access to one section: what is not of its type becomes a mistake, and counts as absent.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

use super::mistake::{Mistake, Origin};
use super::raw::{Node, Table, Value};
use super::secret::is_secret;
use super::{schema, value};

/// A value and where it stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub origin: Origin,
}

impl Node {
    /// As a text.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) | Value::Env(text) => Some(text),
            _ => None,
        }
    }

    /// As a whole number.
    pub fn integer(&self) -> Option<i64> {
        match &self.value {
            Value::Integer(number) => Some(*number),
            Value::Env(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// As a switch.
    pub fn flag(&self) -> Option<bool> {
        match &self.value {
            Value::Bool(flag) => Some(*flag),
            Value::Env(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// As a list of texts. From the environment: separated by commas.
    pub fn texts(&self) -> Option<Vec<Located<String>>> {
        let located = |text: &str, origin: &Origin| Located { value: text.to_owned(), origin: origin.clone() };
        match &self.value {
            Value::List(items) => {
                items.iter().map(|item| item.text().map(|text| located(text, &item.origin))).collect()
            }
            Value::Env(text) => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                Some(parts.map(|part| located(part, &self.origin)).collect())
            }
            _ => None,
        }
    }
}

/// A section that is being read.
pub struct Section<'a> {
    /// Its dotted path; empty for what stands above all sections.
    pub name: &'a str,
    /// What there is to be set in it.
    pub schema: &'static Json,
    /// What was typed; nothing, if the section is not there.
    pub table: Option<&'a Table>,
    /// Where what is wrong is collected.
    pub mistakes: &'a mut Vec<Mistake>,
}

impl<'a> Section<'a> {
    /// A section of the file.
    pub fn of(name: &'a str, root: &'a Table, mistakes: &'a mut Vec<Mistake>) -> Self {
        Section { name, schema: schema::of(name), table: root.table(name), mistakes }
    }

    /// The dotted path of a key.
    pub fn path(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    /// Adds a mistake of a key.
    pub fn wrong(&mut self, origin: &Origin, key: &str, problem: impl Into<String>, mend: impl Into<String>) {
        let path = self.path(key);
        self.mistakes.push(Mistake::new(origin, path, problem, mend));
    }

    /// Where a key stands; where its section would, if it is not there.
    pub fn origin(&self, key: &str) -> Origin {
        self.table.and_then(|table| table.get(key)).map_or(Origin::Default, |node| node.origin.clone())
    }

    /// The value of a key, as its schema wants it.
    pub fn get<T: DeserializeOwned>(&mut self, key: &str) -> Option<Located<T>> {
        let node = self.table?.get(key)?;
        let read = value::read(schema::property(self.schema, key), node)
            .and_then(|json| serde_json::from_value(json).map_err(|error| error.to_string()));
        match read {
            Ok(value) => Some(Located { value, origin: node.origin.clone() }),
            Err(problem) => {
                let mend = self.kept_elsewhere(key, node).unwrap_or_default();
                self.wrong(&node.origin, key, problem, mend);
                None
            }
        }
    }

    /// What to do where a key's value is kept elsewhere, as only those of secrets and of plugins can be.
    fn kept_elsewhere(&self, key: &str, node: &Node) -> Option<String> {
        let Value::Table(table) = &node.value else { return None };
        let is_place = table.get("env").or(table.get("file")).is_some();
        let is_wrong = is_place && !is_secret(schema::property(self.schema, key));
        let name = self.path(key).replace('.', "__").replace('-', "_").to_uppercase();
        is_wrong.then(|| format!("to keep it out of the file, set SUKKAL_{name} in the environment"))
    }

    /// A list of texts, each with its place.
    pub fn texts(&mut self, key: &str) -> Option<Vec<Located<String>>> {
        self.get::<Json>(key)?;
        self.table?.get(key)?.texts()
    }

    /// Whole seconds.
    pub fn seconds(&mut self, key: &str) -> Option<Duration> {
        self.get(key).map(|seconds| Duration::from_secs(seconds.value))
    }

    /// Tells each item of a list that is wrong by itself, where it stands. How many there were.
    fn wrong_items<T: DeserializeOwned>(&mut self, key: &str, list: &Json, object: &Map<String, Json>) -> usize {
        let origins: Vec<Origin> = self
            .table
            .and_then(|table| table.get(key))
            .and_then(Node::texts)
            .map_or_else(Vec::new, |texts| texts.into_iter().map(|text| text.origin).collect());
        let mut wrong = 0;
        for (item, origin) in list.as_array().into_iter().flatten().zip(origins) {
            let mut alone = object.clone();
            alone.insert(key.to_owned(), Json::from(vec![item.clone()]));
            if let Err(error) = serde_json::from_value::<T>(Json::Object(alone)) {
                self.wrong(&origin, key, error.to_string(), "");
                wrong += 1;
            }
        }
        wrong
    }

    /// All keys but sub-sections, over the defaults. Unknown keys are another's business.
    pub fn all<T: Default + Serialize + DeserializeOwned>(&mut self) -> T {
        let Ok(Json::Object(mut object)) = serde_json::to_value(T::default()) else { return T::default() };
        for key in schema::keys(self.schema) {
            if schema::is_table(schema::property(self.schema, key)) {
                continue;
            }
            let Some(value) = self.get::<Json>(key) else { continue };
            let mut changed = object.clone();
            changed.insert(key.to_owned(), value.value.clone());
            // Each by itself: what is wrong with one says nothing of the others.
            match serde_json::from_value::<T>(Json::Object(changed.clone())) {
                Ok(_) => object = changed,
                Err(error) => {
                    let items = self.wrong_items::<T>(key, &value.value, &object);
                    if items == 0 {
                        self.wrong(&value.origin, key, error.to_string(), "");
                    }
                }
            }
        }
        serde_json::from_value(Json::Object(object)).unwrap_or_default()
    }
}
