//! Keys that nobody reads, and what was probably meant by them.

use serde_json::Value as Json;

use super::mistake::{Mistake, Origin, nearest};
use super::raw::{Node, Table, Value};
use super::schema;

/// Finds every key that is not known.
pub fn find(root: &Table, mistakes: &mut Vec<Mistake>) {
    let sections: Vec<_> = schema::sections().collect();
    let known = schema::keys(schema::file());
    for (key, node) in &root.0 {
        match &node.value {
            Value::Table(table) if sections.contains(&key.as_str()) => section(key, table, mistakes),
            _ if sections.contains(&key.as_str()) => {
                mistakes.push(Mistake::new(&node.origin, key, "is a section and holds keys", format!("write [{key}]")));
            }
            _ if known.contains(&key.as_str()) => {}
            _ => mistakes.push(unknown("", key, node, &known)),
        }
    }
}

fn section(name: &str, table: &Table, mistakes: &mut Vec<Mistake>) {
    // Their keys are names; what is inside is checked by the plugin's schema.
    if matches!(name, "filters" | "plugins") {
        let plain = table.0.iter().filter(|(_, node)| !matches!(node.value, Value::Table(_)));
        for (key, node) in plain {
            let mend = format!("write [{name}.NAME], or [{name}.{key}] with keys of its own");
            mistakes.push(Mistake::new(&node.origin, format!("{name}.{key}"), "must be a section", mend));
        }
        return;
    }
    within(name, schema::of(name), table, mistakes);
}

fn within(path: &str, schema: &'static Json, table: &Table, mistakes: &mut Vec<Mistake>) {
    let known = schema::keys(schema);
    for (key, node) in &table.0 {
        if !known.contains(&key.as_str()) {
            mistakes.push(unknown(path, key, node, &known));
            continue;
        }
        let inner = schema::property(schema, key);
        if let (Value::Table(table), Json::Object(_)) = (&node.value, &inner["properties"]) {
            within(&format!("{path}.{key}"), inner, table, mistakes);
        }
    }
}

fn unknown(section: &str, key: &str, node: &Node, known: &[&str]) -> Mistake {
    let path = if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
    if let Some(variable) = with_two_underscores(key, node) {
        return Mistake::new(&node.origin, path, "is not known", format!("did you mean {variable}?"));
    }
    let mend = match (nearest(key, known.iter().copied()), elsewhere(section, key)) {
        (_, Some(section)) => format!("it belongs into {section}"),
        (Some(name), None) => format!("did you mean `{name}`?"),
        (None, None) => format!("known here: {}", known.join(", ")),
    };
    Mistake::new(&node.origin, path, "is not known", mend)
}

/// Section and key are parted by two underscores; one is a likely mistake.
fn with_two_underscores(key: &str, node: &Node) -> Option<String> {
    let Origin::Env(_) = node.origin else { return None };
    let parts = schema::sections().find_map(|section| Some((section, key.strip_prefix(section)?.strip_prefix('_')?)));
    parts.map(|(section, key)| format!("SUKKAL_{section}__{key}").to_uppercase())
}

/// The section that has a key of exactly this name.
fn elsewhere(section: &str, key: &str) -> Option<String> {
    let mut sections = schema::sections().chain([""]).filter(|name| *name != section);
    match sections.find(|name| schema::keys(schema::of(name)).contains(&key)) {
        Some("") => Some("the top of the file, above all sections".to_owned()),
        Some(name) => Some(format!("[{name}]")),
        None if schema::keys(schema::filter()).contains(&key) => Some("[filters.NAME]".to_owned()),
        None => None,
    }
}
