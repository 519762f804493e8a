//! What a plugin's JSON Schema lets an operator write, in words: the words of TOML, which has tables and
//! lists, and no null.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::terminal::plain;

/// How deep references and tables are followed: a schema may name itself.
const DEEPEST: usize = 8;

/// A schema that others may be named in.
#[derive(Clone, Copy)]
pub struct Shape<'a> {
    of: &'a Value,
    root: &'a Value,
    depth: usize,
}

impl<'a> Shape<'a> {
    /// The shape of all settings.
    pub fn new(root: &'a Value) -> Self {
        Shape { of: root, root, depth: 0 }.resolved()
    }

    fn to(self, of: &'a Value) -> Self {
        Shape { of, depth: self.depth + 1, ..self }.resolved()
    }

    fn resolved(mut self) -> Self {
        while let Some(name) = self.of["$ref"].as_str().filter(|_| self.depth < DEEPEST) {
            let found = name.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            self = Shape { of: found.unwrap_or(&Value::Null), depth: self.depth + 1, ..self };
        }
        self
    }

    /// The shape at a JSON pointer into the settings.
    pub fn at(self, pointer: &str) -> Option<Self> {
        pointer.split('/').skip(1).try_fold(self, |shape, key| shape.within(&key.replace("~1", "/").replace("~0", "~")))
    }

    fn within(self, key: &str) -> Option<Self> {
        if self.depth > DEEPEST {
            return None;
        }
        let property = self.properties().and_then(|properties| properties.get(key));
        let other = || Some(&self.of["additionalProperties"]).filter(|other| other.is_object());
        let item = || Some(&self.of["items"]).filter(|items| items.is_object() && key.parse::<usize>().is_ok());
        let own = property.or_else(other).or_else(item).map(|found| self.to(found));
        own.or_else(|| self.choices().find_map(|choice| choice.within(key)))
    }

    /// The keys of a table, in any of the forms that it may have.
    pub fn keys(self) -> Vec<&'a str> {
        let own = self.properties().into_iter().flatten().map(|(key, _)| key.as_str());
        own.chain(self.choices().flat_map(Shape::keys)).collect()
    }

    fn properties(self) -> Option<&'a Map<String, Value>> {
        self.of["properties"].as_object()
    }

    /// What it may be one of, other than nothing.
    fn choices(self) -> impl Iterator<Item = Shape<'a>> {
        let lists = ["oneOf", "anyOf", "allOf"].into_iter().filter_map(move |key| self.of[key].as_array());
        let choices = lists.flatten().map(move |choice| self.to(choice));
        choices.filter(|choice| choice.depth <= DEEPEST && choice.of["type"] != "null")
    }

    /// Each key of a table: its name, what it may be, its default; below it what it is for, and the keys of
    /// its own.
    pub fn page(self, indent: usize) -> String {
        let mut text = String::new();
        for (name, schema) in self.properties().into_iter().flatten() {
            let default = schema.get("default").filter(|default| !default.is_null());
            let default = match default {
                Some(default) => format!(", default {default}"),
                None if self.needs(name) => ", needed".to_owned(),
                None => String::new(),
            };
            let shape = self.to(schema);
            // Writing to a text cannot fail.
            let head = format!("{name} ({}{default})", shape.kind());
            let _ = writeln!(text, "{:indent$}{}", "", plain(&head));
            let about = schema["description"].as_str().or(shape.of["description"].as_str()).unwrap_or_default();
            for line in about.lines() {
                let _ = writeln!(text, "{:indent$}  {}", "", plain(line));
            }
            text.push_str(&shape.below(indent + 4));
        }
        text
    }

    /// The keys of what is a table in one of its forms.
    fn below(self, indent: usize) -> String {
        if self.depth >= DEEPEST {
            return String::new();
        }
        let mut text = self.page(indent);
        if let Some(other) = self.of.get("additionalProperties").filter(|other| other.is_object()) {
            let other = self.to(other);
            let _ = writeln!(text, "{:indent$}NAME ({})", "", plain(&other.kind()));
            text.push_str(&other.below(indent + 4));
        }
        if let Some(items) = self.of.get("items") {
            text.push_str(&self.to(items).below(indent));
        }
        text + &self.choices().map(|choice| choice.below(indent)).collect::<String>()
    }

    fn needs(self, name: &str) -> bool {
        self.of["required"].as_array().is_some_and(|needed| needed.iter().any(|needed| needed == name))
    }

    /// What it may be, in a word or two.
    fn kind(self) -> String {
        let mut choices: Vec<String> = self.choices().map(Shape::kind).collect();
        if !choices.is_empty() {
            choices.dedup();
            return choices.join(" | ");
        }
        if let Some(value) = self.of.get("const") {
            return value.to_string();
        }
        if let Some(values) = self.of["enum"].as_array() {
            return values.iter().map(Value::to_string).collect::<Vec<_>>().join(" | ");
        }
        match &self.of["type"] {
            Value::String(name) => self.of_type(name),
            Value::Array(names) => {
                let names = names.iter().filter_map(Value::as_str).filter(|name| *name != "null");
                names.map(|name| self.of_type(name)).collect::<Vec<_>>().join(" | ")
            }
            _ => "any".to_owned(),
        }
    }

    fn of_type(self, name: &str) -> String {
        match name {
            "object" => "table".to_owned(),
            "array" => match self.of.get("items").filter(|_| self.depth < DEEPEST) {
                Some(items) => format!("list of {}", self.to(items).kind()),
                None => "list".to_owned(),
            },
            "integer" | "number" => match (self.of["minimum"].as_f64(), self.of["maximum"].as_f64()) {
                (Some(least), Some(most)) => format!("{name} from {least} to {most}"),
                (Some(least), None) if least != 0.0 => format!("{name}, {least} or more"),
                (None, Some(most)) => format!("{name}, {most} or less"),
                _ => name.to_owned(),
            },
            other => other.to_owned(),
        }
    }

    /// What may be written, in one line: a table with its keys.
    pub fn words(self) -> String {
        if self.choices().any(|choice| !choice.keys().is_empty()) {
            return self.choices().map(Shape::words).collect::<Vec<_>>().join(", or ");
        }
        let Some(properties) = self.properties().filter(|_| self.depth <= DEEPEST) else { return self.kind() };
        let key = |(name, schema): (&String, &Value)| {
            let needed = if self.needs(name) { ", needed" } else { "" };
            format!("{name} ({}{needed})", self.to(schema).kind())
        };
        format!("a table with {}", properties.iter().map(key).collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({
            "properties": {
                "limit": { "description": "How often.", "anyOf": [{ "$ref": "#/$defs/Limit" }, { "type": "null" }] },
                "named": { "type": "object", "additionalProperties": { "$ref": "#/$defs/Limit" } },
                "offset": { "type": "integer", "maximum": -1 },
                "paths": { "type": "array", "items": { "type": "string" } },
                "readers": { "type": ["integer", "null"], "minimum": 1, "maximum": 64 },
                "synchronous": { "description": "When a\ncommit counts.", "$ref": "#/$defs/S", "default": "full" },
                "tree": { "$ref": "#/$defs/Tree" },
            },
            "$defs": {
                "S": { "oneOf": [{ "const": "full" }, { "const": "normal" }] },
                "Limit": {
                    "type": "object",
                    "properties": {
                        "burst": { "type": ["integer", "null"], "default": null },
                        "per_second": { "type": "integer", "minimum": 0, "description": "In the long run." },
                    },
                    "required": ["per_second"],
                },
                "Tree": { "type": "object", "properties": { "left": { "$ref": "#/$defs/Tree" } } },
            },
        })
    }

    #[test]
    fn settings_are_told_with_what_they_may_be_and_what_is_in_them() {
        let mut schema = schema();
        let properties = schema["properties"].as_object_mut().unwrap();
        properties.remove("tree");
        assert_eq!(
            Shape::new(&schema).page(0),
            "limit (table)\n  How often.\n    burst (integer)\n    per_second (integer, needed)\n      In the long run.\n\
             named (table)\n    NAME (table)\n        burst (integer)\n        per_second (integer, needed)\n          \
             In the long run.\n\
             offset (integer, -1 or less)\n\
             paths (list of string)\n\
             readers (integer from 1 to 64)\n\
             synchronous (\"full\" | \"normal\", default \"full\")\n  When a\n  commit counts.\n"
        );
    }

    #[test]
    fn what_may_be_written_is_told_in_a_line() {
        let schema = schema();
        let words = |pointer: &str| Shape::new(&schema).at(pointer).map(Shape::words);
        let limit = Some("a table with burst (integer), per_second (integer, needed)".to_owned());
        assert_eq!(words("/limit"), limit);
        assert_eq!(words("/named/any"), limit);
        assert_eq!(words("/named/any/burst").as_deref(), Some("integer"));
        assert_eq!(words("/paths/0").as_deref(), Some("string"));
        assert_eq!(words("/synchronous").as_deref(), Some("\"full\" | \"normal\""));
        assert_eq!(words("/nothing"), None);
    }

    #[test]
    fn a_schema_that_names_itself_comes_to_an_end() {
        let (schema, endless) = (schema(), json!({ "$ref": "#" }));
        assert!(Shape::new(&schema).page(0).contains("left (table)"));
        assert_eq!((Shape::new(&endless).words(), Shape::new(&endless).page(0)), ("any".to_owned(), String::new()));
        let choice = json!({ "anyOf": [{ "$ref": "#" }, { "$ref": "#" }] });
        assert!(Shape::new(&choice).keys().is_empty() && Shape::new(&choice).at("/a/b").is_none());
    }
}
