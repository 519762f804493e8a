//! Values that must not be shown: typed, or kept elsewhere and named.

use std::borrow::Cow;
use std::env::VarError;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value as Json;

use super::raw::{Node, Table, Value};

/// A secret. Nothing prints it, and what is written of it is a mask.
#[derive(Clone, Deserialize, PartialEq)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// A secret of this text.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }

    /// The text itself, for whoever needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
}

/// A text, or the name of where it is kept; `writeOnly` is how a schema says that a value is not
/// shown.
impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let kept_in = |key: &str| {
            json_schema!({
                "type": "object",
                "properties": { key: { "type": "string" } },
                "required": [key],
                "additionalProperties": false
            })
        };
        json_schema!({
            "writeOnly": true,
            "oneOf": [{ "type": "string", "minLength": 1 }, kept_in("env"), kept_in("file")]
        })
    }
}

/// Whether the value of a setting is a secret.
pub fn is_secret(schema: &Json) -> bool {
    schema["writeOnly"] == true
}

/// What a table that names a place stands for: `{ env = "NAME" }` or `{ file = "path" }`. `None`: it
/// is a table of another kind.
///
/// # Errors
/// What is wrong with the place, as the end of a sentence.
pub fn kept_in(table: &Table) -> Option<Result<Secret, String>> {
    let [(key, node)] = table.0.as_slice() else { return None };
    let source = node.text()?;
    match key.as_str() {
        "env" => Some(std::env::var(source).map(Secret).map_err(|error| match error {
            VarError::NotPresent => format!("names the environment variable {source}, which is not set"),
            VarError::NotUnicode(_) => format!("names the environment variable {source}, which is no UTF-8"),
        })),
        "file" => Some(match std::fs::read_to_string(source) {
            Ok(text) => Ok(Secret::new(text.trim_end_matches(['\r', '\n']))),
            Err(error) => Err(format!("names the file {source}, which cannot be read: {error}")),
        }),
        _ => None,
    }
}

impl Node {
    /// As a secret: a text, or where one is kept.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence.
    pub fn secret(&self) -> Result<Secret, String> {
        match &self.value {
            Value::Text(text) | Value::Env(text) if text.is_empty() => Some(Err("must not be empty".to_owned())),
            Value::Text(text) | Value::Env(text) => Some(Ok(Secret::new(text))),
            Value::Table(table) => kept_in(table),
            _ => None,
        }
        .unwrap_or_else(|| Err("must be a text, { env = \"NAME\" } or { file = \"path\" }".to_owned()))
    }
}
