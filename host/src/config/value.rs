//! A typed value → JSON, as the schema of its setting wants it.

use serde_json::{Number, Value as Json};

use super::raw::{Node, Value};
use super::schema::{allowed, is_table};
use super::secret::is_secret;

/// Reads a value.
///
/// # Errors
/// What it must be, in words that follow the setting's name.
pub fn read(schema: &'static Json, node: &Node) -> Result<Json, String> {
    if is_secret(schema) {
        return node.secret().map(|secret| Json::from(secret.reveal()));
    }
    let value = match schema["type"].as_str() {
        Some("boolean") => node.flag().map(Json::from),
        Some("integer") => return integer(schema, node),
        Some("array") => return texts(schema, node),
        _ => node.text().filter(|text| is_allowed(schema, text)).map(Json::from),
    };
    value.ok_or_else(|| format!("must be {}", wanted(schema)))
}

fn texts(schema: &'static Json, node: &Node) -> Result<Json, String> {
    if let Some(texts) = node.texts() {
        return Ok(texts.into_iter().map(|text| text.value).collect());
    }
    let Value::List(items) = &node.value else { return Err(format!("must be {}", wanted(schema))) };
    let others: Vec<String> =
        items.iter().filter(|item| item.text().is_none()).map(|item| plain(item).to_string()).collect();
    Err(format!("must be {}; these are none: {}", wanted(schema), others.join(", ")))
}

fn integer(schema: &'static Json, node: &Node) -> Result<Json, String> {
    let number = node.integer().ok_or_else(|| format!("must be {}", wanted(schema)))?;
    let within = u64::try_from(number).is_ok_and(|number| {
        schema["minimum"].as_u64().is_none_or(|least| number >= least)
            && schema["maximum"].as_u64().is_none_or(|most| number <= most)
    });
    match within {
        true => Ok(Json::from(number)),
        false => Err(format!("is {number}, and must be {}", wanted(schema))),
    }
}

fn is_allowed(schema: &'static Json, text: &str) -> bool {
    let allowed = allowed(schema);
    allowed.is_empty() || allowed.contains(&text)
}

/// What a setting takes.
fn wanted(schema: &'static Json) -> String {
    match schema["type"].as_str() {
        Some("boolean") => return "true or false".to_owned(),
        Some("integer") => {
            return match (&schema["minimum"], &schema["maximum"]) {
                (least, Json::Number(most)) => format!("a whole number from {least} to {most}"),
                _ => "a whole number, 0 or more".to_owned(),
            };
        }
        Some("array") => {
            let example = example(schema).unwrap_or_else(|| "[\"a\", \"b\"]".to_owned());
            return format!("a list of texts, for instance {example}");
        }
        _ if is_table(schema) => return "a table".to_owned(),
        _ => {}
    }
    let allowed: Vec<String> = allowed(schema).iter().map(|text| format!("{text:?}")).collect();
    match allowed.as_slice() {
        [] => example(schema).map_or_else(|| "a text".to_owned(), |example| format!("a text, for instance {example}")),
        [first, second] => format!("{first} or {second}"),
        all => format!("one of {}", all.join(", ")),
    }
}

/// The default as an example, where it shows something.
fn example(schema: &'static Json) -> Option<String> {
    let default = &schema["default"];
    let is_empty = default.as_str() == Some("") || default.as_array().is_some_and(Vec::is_empty);
    (!default.is_null() && !is_empty).then(|| default.to_string())
}

/// A value as it was typed, where no schema is known.
pub fn plain(node: &Node) -> Json {
    match &node.value {
        Value::Text(text) => Json::from(text.as_str()),
        Value::Integer(number) => Json::from(*number),
        Value::Float(number) => Number::from_f64(*number).map_or(Json::Null, Json::Number),
        Value::Bool(flag) => Json::from(*flag),
        Value::Env(text) => from_env(text),
        Value::List(items) => items.iter().map(plain).collect(),
        Value::Table(table) => table.0.iter().map(|(key, node)| (key.clone(), plain(node))).collect(),
    }
}

/// What a text of the environment stands for: any JSON but a text needs no quotes.
fn from_env(text: &str) -> Json {
    match serde_json::from_str(text) {
        Ok(Json::String(_)) | Err(_) => Json::from(text),
        Ok(json) => json,
    }
}
