//! The schema of the configuration file for editors: the host's own settings, and those of the
//! plugins that are there.

use serde_json::{Map, Value as Json, json};

use super::{PluginSection, schema};

/// The schema with the settings of plugins in their sections.
pub fn schema(plugins: &[PluginSection]) -> Json {
    let mut whole = schema::file().clone();
    for plugin in plugins {
        let mut own = plugin.schema.clone();
        let prefix = format!("{}.{}.", plugin.section, plugin.name);
        if let Some(Json::Object(definitions)) = own.as_object_mut().and_then(|own| own.remove("$defs")) {
            for (name, mut definition) in definitions {
                adapt(&mut definition, &prefix);
                whole["$defs"][format!("{prefix}{name}")] = definition;
            }
        }
        adapt(&mut own, &prefix);
        if let Some(own) = own.as_object_mut() {
            own.remove("$schema");
        }
        if plugin.section == "filters" {
            beside(schema::filter(), &mut own);
        }
        whole["properties"][plugin.section]["properties"][&plugin.name] = own;
    }
    whole
}

/// A filter's own settings stand beside those that the host reads.
fn beside(host: &Json, own: &mut Json) {
    let Some(host) = host["properties"].as_object() else { return };
    let Some(own) = own.as_object_mut() else { return };
    let properties = own.entry("properties").or_insert_with(|| Json::Object(Map::new()));
    if let Some(properties) = properties.as_object_mut() {
        properties.extend(host.iter().map(|(key, property)| (key.clone(), property.clone())));
    }
}

/// Makes a plugin's schema fit into the file's: its definitions are found under names of their own,
/// nothing is null, and each text may also be a secret that is kept elsewhere.
fn adapt(schema: &mut Json, prefix: &str) {
    schema::tidy(schema);
    refer(schema, prefix);
}

fn refer(schema: &mut Json, prefix: &str) {
    match schema {
        Json::Object(object) => {
            object.values_mut().for_each(|value| refer(value, prefix));
            if let Some(Json::String(path)) = object.get_mut("$ref")
                && let Some(name) = path.strip_prefix("#/$defs/")
            {
                *path = format!("#/$defs/{prefix}{name}");
            }
            if let Some(Json::Object(properties)) = object.get_mut("properties") {
                properties.values_mut().for_each(or_kept_elsewhere);
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|item| refer(item, prefix)),
        _ => {}
    }
}

fn or_kept_elsewhere(property: &mut Json) {
    if property["type"] != "string" {
        return;
    }
    let Some(object) = property.as_object_mut() else { return };
    let described = ["description", "default"].map(|key| Some((key.to_owned(), object.remove(key)?)));
    let kept = |key: &str| json!({ "type": "object", "properties": { key: { "type": "string" } }, "required": [key], "additionalProperties": false });
    let mut either = Map::from_iter(described.into_iter().flatten());
    either.insert("anyOf".to_owned(), json!([property, kept("env"), kept("file")]));
    *property = Json::Object(either);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_takes_what_the_host_takes_and_nothing_else() {
        let own = json!({
            "type": "object", "additionalProperties": false,
            "properties": {
                "password": { "type": "string", "description": "Secret." },
                "rate": { "anyOf": [{ "$ref": "#/$defs/Rate" }, { "type": "null" }] },
            },
            "$defs": { "Rate": { "type": "object", "properties": { "n": { "type": "integer" } } } },
        });
        let section = |section, name: &str| PluginSection { section, name: name.to_owned(), schema: own.clone() };
        let schema = schema(&[section("filters", "seal"), section("plugins", "redis")]);
        let validator = jsonschema::validator_for(&schema).unwrap();
        for (file, fits) in [
            ("catalog = 'sqlite:x'\n[rest]\nidle_timeout = 5", true),
            ("[filters.seal]\npassword = 'x'\ntimeout = 3\nrate = { n = 1 }", true),
            ("[filters.seal]\npassword = { env = 'X' }", true),
            ("[plugins.redis]\npassword = { file = 'x' }\nrate = { n = 1 }", true),
            ("[filters.unknown]\nwhatever = 1\ntimeout = 3", true),
            ("[log]\nplugins = { seal = 'debug' }", true),
            ("cataloge = 'sqlite:x'", false),
            ("[rest]\nidle_timeout = 0", false),
            ("[filters.seal]\npasword = 'x'", false),
            ("[filters.seal]\nrate = { n = 'x' }", false),
            ("[filters.seal]\non_error = 'maybe'", false),
            ("[plugins.redis]\ntimeout = 3", false),
            ("[log]\nplugins = { seal = 'loud' }", false),
        ] {
            let file: toml::Value = toml::from_str(file).unwrap();
            assert_eq!(validator.is_valid(&serde_json::to_value(&file).unwrap()), fits, "{file}");
        }
    }
}
