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
            _ if sections.contains(&key.as_str()) => mistakes.extend(plain_section(key, node)),
            _ if known.contains(&key.as_str()) => {}
            _ => mistakes.push(unknown("", key, node, &known)),
        }
    }
}

/// What is wrong where a section is set to a value.
pub fn plain_section(key: &str, node: &Node) -> Option<Mistake> {
    let is_section = schema::sections().any(|section| section == key);
    is_section.then(|| Mistake::new(&node.origin, key, "is a section and holds keys", format!("write [{key}]")))
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
        (_, Some(mend)) => mend,
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

/// Where a key of exactly this name belongs, or what it is a section of.
fn elsewhere(section: &str, key: &str) -> Option<String> {
    if schema::sections().any(|name| name == key) {
        let keys = schema::keys(schema::of(key)).join(", ");
        let keys = if keys.is_empty() { String::new() } else { format!(", whose keys are: {keys}") };
        return Some(format!("it is a section of its own: write [{key}]{keys}"));
    }
    let has = |name: &&str| *name != section && schema::keys(schema::of(name)).contains(&key);
    let mut places: Vec<String> = schema::sections().filter(has).map(|name| format!("[{name}]")).collect();
    if schema::keys(schema::file()).contains(&key) && !section.is_empty() {
        places.push("the top of the file, above all sections".to_owned());
    }
    if places.is_empty() && schema::keys(schema::filter()).contains(&key) {
        places.push("[filters.NAME]".to_owned());
    }
    (!places.is_empty()).then(|| format!("it belongs into {}", places.join(" or ")))
}
