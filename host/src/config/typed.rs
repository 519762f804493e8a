//! Sections whose keys are the fields of one of core's types: what the type has is what is known.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

use super::raw::Node;
use super::section::Section;

/// The keys of a type's section.
pub fn keys<T: Default + Serialize>() -> Vec<String> {
    object::<T>().keys().cloned().collect()
}

fn object<T: Default + Serialize>() -> Map<String, Json> {
    match serde_json::to_value(T::default()) {
        Ok(Json::Object(object)) => object,
        _ => Map::new(),
    }
}

/// Reads a section, key by key over the defaults. Unknown keys are another's business.
pub fn read<T: Default + Serialize + DeserializeOwned>(section: &mut Section<'_>) -> T {
    let mut object = object::<T>();
    let entries = section.table.map(|table| table.0.as_slice()).unwrap_or_default();
    for (key, node) in entries {
        let Some(default) = object.get(key).cloned() else { continue };
        match value(&default, node).and_then(|value| fits::<T>(&object, key, value)) {
            Ok(value) => {
                object.insert(key.clone(), value);
            }
            Err(problem) => section.wrong(&node.origin, key, problem, ""),
        }
    }
    serde_json::from_value(Json::Object(object)).unwrap_or_default()
}

/// A value of the same kind as the default.
fn value(default: &Json, node: &Node) -> Result<Json, String> {
    match default {
        Json::Bool(_) => node.flag().map(Json::from).ok_or_else(|| "must be true or false".to_owned()),
        Json::Number(_) => {
            let number = node.integer().and_then(|number| u64::try_from(number).ok());
            number.map(Json::from).ok_or_else(|| "must be a whole number, 0 or more".to_owned())
        }
        _ => node.text().map(Json::from).ok_or_else(|| "must be a text".to_owned()),
    }
}

fn fits<T: DeserializeOwned>(object: &Map<String, Json>, key: &str, value: Json) -> Result<Json, String> {
    let mut changed = object.clone();
    changed.insert(key.to_owned(), value.clone());
    match serde_json::from_value::<T>(Json::Object(changed)) {
        Ok(_) => Ok(value),
        Err(error) => Err(format!("is not valid: {error}")),
    }
}
