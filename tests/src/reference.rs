//! The reference of the settings, as Markdown, from the schema that the host prints.

use std::process::Command;

use serde_json::Value;

use crate::host::alone;
use crate::programs;

/// A table for each section.
///
/// # Panics
/// When the host prints no schema.
pub fn markdown() -> String {
    let mut command = Command::new(programs::sukkal());
    alone(&mut command);
    // The host's own settings alone: those of plugins are told by their own pages.
    let output = command.args(["config", "schema"]).env("SUKKAL_PLUGIN_DIRS", "").output();
    let schema: Value =
        serde_json::from_slice(&output.expect("the host can be started").stdout).expect("the schema is JSON");
    let sections: Vec<_> =
        properties(&schema).into_iter().filter(|(_, property)| property["type"] == "object").collect();
    let mut top = properties(&schema);
    top.retain(|property| !sections.contains(property));
    let mut text = section("Above all sections", &schema["description"], top);
    for (name, property) in sections {
        let (name, table) = match &property["additionalProperties"] {
            inner @ Value::Object(_) => (format!("{name}.NAME"), properties(inner)),
            _ => (name.clone(), properties(property)),
        };
        text.push_str(&section(&format!("`[{name}]`"), &property["description"], table));
    }
    text
}

fn properties(schema: &Value) -> Vec<(&String, &Value)> {
    schema["properties"].as_object().into_iter().flatten().collect()
}

fn section(title: &str, description: &Value, properties: Vec<(&String, &Value)>) -> String {
    let mut text = format!("## {title}\n\n{}\n", text_of(description));
    let rows: Vec<String> = properties.into_iter().flat_map(|(name, property)| rows(name, property)).collect();
    if !rows.is_empty() {
        text.push_str(&format!("\n| key | takes | default | is |\n|---|---|---|---|\n{}", rows.concat()));
    }
    text.push('\n');
    text
}

/// A row for each setting: one, or for a table of known keys one for each of these.
fn rows(name: &str, property: &Value) -> Vec<String> {
    match properties(property).as_slice() {
        [] => vec![row(name, property)],
        inner => inner.iter().map(|(key, property)| row(&format!("{name}.{key}"), property)).collect(),
    }
}

fn row(name: &str, property: &Value) -> String {
    let default = match &property["default"] {
        Value::Null => "–".to_owned(),
        Value::Object(_) => "`{}`".to_owned(),
        default => format!("`{default}`"),
    };
    let choices = property["oneOf"].as_array().into_iter().flatten().filter(|choice| choice["const"].is_string());
    let choices = choices.map(|choice| format!(" `{}`: {}", choice["const"], text_of(&choice["description"])));
    let meaning = format!("{}{}", text_of(&property["description"]), choices.collect::<String>());
    format!("| `{name}` | {} | {default} | {} |\n", takes(property), meaning.replace('|', "\\|"))
}

fn takes(property: &Value) -> String {
    if property["writeOnly"] == true {
        return "a text, `{ env = … }` or `{ file = … }`".to_owned();
    }
    if let Some(choices) = property["oneOf"].as_array() {
        return choices.iter().map(|choice| format!("`{}`", choice["const"])).collect::<Vec<_>>().join(", ");
    }
    match property["type"].as_str() {
        Some("integer") => format!("{} to {}", property["minimum"], property["maximum"]),
        Some("boolean") => "`true`, `false`".to_owned(),
        Some("array") if property["items"]["enum"].is_array() => "a list of actions".to_owned(),
        Some("array") => "a list of texts".to_owned(),
        Some("object") => format!("a table, each: {}", takes(&property["additionalProperties"])),
        _ => "a text".to_owned(),
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().replace('\n', " ")
}
