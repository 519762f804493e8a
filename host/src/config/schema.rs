//! What may be set: a JSON Schema, made from the doc comments, defaults and ranges of [`Config`].

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::Value as Json;

use super::Config;

static SCHEMA: LazyLock<Json> = LazyLock::new(|| {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<Config>().to_value();
    tidy(&mut schema);
    schema
});

/// The schema of the whole file.
pub fn file() -> &'static Json {
    &SCHEMA
}

/// The schema of a section; of the whole file, where it has no name.
pub fn of(section: &str) -> &'static Json {
    if section.is_empty() { file() } else { property(file(), section) }
}

/// The keys that every filter's section has, beside the filter's own.
pub fn keys_of_every_filter() -> Vec<&'static str> {
    keys(filter())
}

/// The schema of any filter's section.
pub fn filter() -> &'static Json {
    &of("filters")["additionalProperties"]
}

/// The schema of a key; null where it is not known.
pub fn property(section: &'static Json, key: &str) -> &'static Json {
    let own = &section["properties"][key];
    if own.is_null() { &section["additionalProperties"] } else { own }
}

/// The keys of a section, its sub-sections among them.
pub fn keys(section: &'static Json) -> Vec<&'static str> {
    section["properties"].as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect()
}

/// The sections.
pub fn sections() -> impl Iterator<Item = &'static str> {
    keys(file()).into_iter().filter(|key| is_table(of(key)))
}

/// Whether a value is a table.
pub fn is_table(schema: &Json) -> bool {
    schema["type"] == "object"
}

/// The texts that a value may be; none: any.
pub fn allowed(schema: &'static Json) -> Vec<&'static str> {
    let listed = schema["enum"].as_array().into_iter().flatten();
    let described = schema["oneOf"].as_array().into_iter().flatten().map(|choice| &choice["const"]);
    listed.chain(described).filter_map(Json::as_str).collect()
}

/// TOML knows no null: what may be absent is left out. Lines of doc comments end where they do for
/// the width of the source alone.
pub fn tidy(schema: &mut Json) {
    match schema {
        Json::Object(object) => {
            object.retain(|key, value| key != "default" || !value.is_null());
            if let Some(Json::Array(types)) = object.get_mut("type") {
                types.retain(|name| name != "null");
                if let [name] = types.as_slice() {
                    let name = name.clone();
                    object.insert("type".to_owned(), name);
                }
            }
            if let Some(Json::String(text)) = object.get_mut("description") {
                *text = text.split("\n\n").map(|part| part.replace('\n', " ")).collect::<Vec<_>>().join("\n\n");
            }
            object.values_mut().for_each(tidy);
        }
        Json::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::secret::is_secret;

    fn each(path: &str, schema: &'static Json, visit: &mut impl FnMut(&str, &'static Json)) {
        for (key, property) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}{key}");
            visit(&path, property);
            each(&format!("{path}."), property, visit);
            each(&format!("{path}.NAME."), &property["additionalProperties"], visit);
        }
    }

    #[test]
    fn every_setting_says_what_it_is_and_which_values_it_takes() {
        let mut seen = 0;
        each("", file(), &mut |path, setting| {
            seen += 1;
            assert!(setting["description"].is_string(), "{path} is not described");
            match setting["type"].as_str() {
                Some("integer") => {
                    assert!(setting["minimum"].is_number() && setting["maximum"].is_number(), "{path} has no range");
                    assert!(setting["default"].is_number(), "{path} has no default");
                }
                Some("boolean") => assert!(setting["default"].is_boolean(), "{path} has no default"),
                Some("string" | "array" | "object") => {}
                None if is_secret(setting) => {}
                None => assert!(!allowed(setting).is_empty(), "{path} has no type"),
                Some(other) => panic!("{path} is of the type {other}, which nobody reads"),
            }
        });
        assert!(seen > 30, "only {seen}");
    }
}
