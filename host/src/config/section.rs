//! Typed access to one section: what is not of its type becomes a mistake, and counts as absent.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::mistake::{Mistake, Origin};
use super::raw::{Node, Table, Value};

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
    /// Its name; empty for what stands above all sections.
    pub name: &'a str,
    /// What was typed; nothing, if the section is not there.
    pub table: Option<&'a Table>,
    /// Where what is wrong is collected.
    pub mistakes: &'a mut Vec<Mistake>,
}

impl Section<'_> {
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

    fn read<T>(&mut self, key: &str, wanted: &str, read: impl Fn(&Node) -> Option<T>) -> Option<Located<T>> {
        let node = self.table?.get(key)?;
        let origin = node.origin.clone();
        match read(node) {
            Some(value) => Some(Located { value, origin }),
            None => {
                self.wrong(&origin, key, format!("must be {wanted}"), "");
                None
            }
        }
    }

    /// A text.
    pub fn text(&mut self, key: &str) -> Option<Located<String>> {
        self.read(key, "a text, for instance \"a\"", |node| node.text().map(str::to_owned))
    }

    /// A list of texts.
    pub fn texts(&mut self, key: &str) -> Option<Vec<Located<String>>> {
        self.read(key, "a list of texts, for instance [\"a\", \"b\"]", Node::texts).map(|list| list.value)
    }

    /// A whole number within a range.
    pub fn integer(&mut self, key: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let wanted = format!("a whole number from {} to {}", range.start(), range.end());
        let within = |node: &Node| {
            node.integer().and_then(|number| u64::try_from(number).ok()).filter(|number| range.contains(number))
        };
        self.read(key, &wanted, within).map(|number| number.value)
    }

    /// A switch.
    pub fn flag(&mut self, key: &str) -> Option<bool> {
        self.read(key, "true or false", Node::flag).map(|flag| flag.value)
    }

    /// Whole seconds within a range.
    pub fn seconds(&mut self, key: &str, range: RangeInclusive<u64>) -> Option<Duration> {
        self.integer(key, range).map(Duration::from_secs)
    }

    /// A text that has a meaning; `wanted` names those that do.
    pub fn parsed<T>(&mut self, key: &str, wanted: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.read(key, wanted, |node| node.text().and_then(&parse)).map(|parsed| parsed.value)
    }
}
