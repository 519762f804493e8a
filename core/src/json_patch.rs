//! Changes of metadata, as PATCH sends them (spec: REST §3, PATCH).

use serde_json::Value;

use crate::answer::Object;
use crate::error::{Error, ErrorKind, Result};
use crate::json;
use crate::metadata;
use crate::name::Kind;

/// Operations in the form that the API takes, in order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Patch(Vec<Operation>);

#[derive(Clone, Debug, PartialEq)]
struct Operation {
    change: Change,
    key: String,
}

#[derive(Clone, Debug, PartialEq)]
enum Change {
    Add(Value),
    Replace(Value),
    Remove,
}

impl Patch {
    /// Reads the body of a PATCH.
    ///
    /// # Errors
    /// `BadBody`: it is no array of well-formed operations.
    pub(crate) fn read(body: &[u8]) -> Result<Patch> {
        match json::document(body)? {
            Value::Array(operations) => operations.into_iter().map(operation).collect::<Result<_>>().map(Patch),
            _ => Err(json::wrong_document()),
        }
    }

    /// Makes the changes, one after the other.
    ///
    /// # Errors
    /// `Conflict`: one of them concerns a key that is neither stored nor reserved.
    pub(crate) fn apply(&self, kind: Kind, stored: &Object) -> Result<Object> {
        let mut object = stored.clone();
        for Operation { change, key } in &self.0 {
            let known = object.contains_key(key) || metadata::is_reserved(kind, key);
            match change {
                Change::Add(value) => {
                    object.insert(key.clone(), value.clone());
                }
                Change::Replace(value) if known => {
                    object.insert(key.clone(), value.clone());
                }
                Change::Remove if known => {
                    object.shift_remove(key);
                }
                Change::Replace(_) => return Err(missing("replace", key)),
                Change::Remove => return Err(missing("remove", key)),
            }
        }
        Ok(object)
    }
}

fn missing(change: &str, key: &str) -> Error {
    Error::new(ErrorKind::Conflict, format!("Can't {change} non-existent object {key}."))
}

fn operation(value: Value) -> Result<Operation> {
    const NAMES: &str = "It must be one of the following: add, remove, replace.";
    let Value::Object(mut members) = value else {
        return Err(Error::body("Operations must be JSON objects."));
    };
    let Some(op) = members.get("op").map(as_text) else {
        return Err(Error::body(format!("Unable to find `op` in JSON Schema change. {NAMES}")));
    };
    if !matches!(op.as_str(), "add" | "replace" | "remove") {
        return Err(Error::body(format!("Invalid operation: `{op}`. {NAMES}")));
    }
    let Some(path) = members.get("path") else {
        return Err(Error::body("Unable to find 'path' in JSON Schema change"));
    };
    let key = key(&as_text(path))?;
    let change = match (op.as_str(), members.shift_remove("value")) {
        ("remove", _) => Change::Remove,
        (_, None) => return Err(Error::body(format!("Operation \"{op}\" requires a member named \"value\"."))),
        ("add", Some(value)) => Change::Add(value),
        (_, Some(value)) => Change::Replace(value),
    };
    Ok(Operation { change, key })
}

/// A string's characters, and the JSON of all else, for the refusals.
fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The KEY of `/metadata/KEY`.
fn key(pointer: &str) -> Result<String> {
    let refuse = |what: &str| Err(Error::body(format!("Pointer `{pointer}` {what}")));
    let path = pointer.trim_start_matches('/');
    let parts: Vec<&str> = path.split('/').collect();
    let between = parts.get(1..parts.len() - 1).unwrap_or_default();
    if !pointer.starts_with('/') {
        return refuse("does not start with \"/\".");
    }
    if between.iter().any(|part| part.trim().is_empty()) {
        return refuse("contains adjacent \"/\".");
    }
    if pointer.len() > 1 && pointer.ends_with('/') {
        return refuse("end with \"/\".");
    }
    if pointer.split('~').skip(1).any(|after| !after.starts_with(['0', '1'])) {
        return refuse("contains \"~\" not part of a recognized escape sequence.");
    }
    let decode = |part: &str| part.replace("~1", "/").replace("~0", "~").trim().to_owned();
    match parts.as_slice() {
        [root, key] if decode(root).eq_ignore_ascii_case("metadata") => Ok(decode(key)),
        [_, _] => Err(Error::body("The root of path must be metadata, e.g /metadata/key.")),
        _ => Err(Error::body(format!("Invalid JSON pointer for this resource: '/{path}, e.g /metadata/key'"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    const VECTORS: &str = include_str!("../../tests/vectors/json_patch.json");

    fn outcome(stored: &Object, patch: &str) -> Result<Object> {
        let limits = Limits::default();
        let patched = Patch::read(patch.as_bytes())?.apply(Kind::Queue, stored)?;
        metadata::check("q", &patched, &limits, ErrorKind::BadBody)?;
        Ok(metadata::with_reserved(Kind::Queue, &patched, &limits))
    }

    #[test]
    fn the_vectors_hold() {
        let vectors = json::object(VECTORS.as_bytes()).unwrap_or_default();
        let cases = vectors["cases"].as_array().map(Vec::as_slice).unwrap_or_default();
        assert!(cases.len() > 40);
        for case in cases {
            let expected = case.get("sukkal").unwrap_or(&case["original"]);
            let patch = case["patch"].as_str().unwrap_or_default();
            let stored = case["stored"].as_object().cloned().unwrap_or_default();
            match outcome(&stored, patch) {
                Ok(object) => assert_eq!(Some(&Value::Object(object)), expected.get("body"), "{patch}"),
                Err(error) => {
                    let status = if error.kind == ErrorKind::Conflict { 409 } else { 400 };
                    assert_eq!(
                        (status, error.message.as_str()),
                        (expected["status"].as_u64().unwrap_or(0), expected["description"].as_str().unwrap_or("")),
                        "{patch}"
                    );
                }
            }
        }
    }
}
