//! What administrators say of pools, checked (spec: REST §8).

use serde_json::Value;
use sukkal_plugin_sdk::Request;

use crate::action::body::too_large;
use crate::answer::Object;
use crate::error::{Error, Result};
use crate::json::{self, Fault, Numbers};
use crate::limits::Limits;

/// The longest URI, and the longest name of a flavor that a pool states, in characters. Fixed.
const LONGEST: usize = 255;

/// What a body says of a pool; what it leaves out is absent.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Draft {
    pub(super) uri: Option<String>,
    pub(super) weight: Option<u32>,
    /// The inner is none for the empty text: it belongs to none.
    pub(super) flavor: Option<Option<String>>,
    pub(super) options: Option<Object>,
}

/// The fields that a pool has.
pub(super) const FIELDS: [&str; 4] = ["uri", "weight", "flavor", "options"];

/// Reads a body that must be an object. Pools and flavors have words of their own for what is none.
pub(in crate::action) fn object(request: &Request, limits: &Limits) -> Result<Object> {
    let body = request.body();
    if u64::try_from(body.len()).is_ok_and(|length| length > limits.max_queue_metadata) {
        return Err(too_large(limits.max_queue_metadata));
    }
    let unparsed = || Error::body("JSON could not be parsed.");
    let text = json::text(body).map_err(|_| unparsed())?;
    match json::value(text, Numbers::Double) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Error::body("The body must be a JSON object.")),
        Err(Fault::Syntax) => Err(unparsed()),
        Err(fault) => Err(fault.into()),
    }
}

/// Refuses fields of other names.
pub(in crate::action) fn no_others(object: &Object, known: &[&str]) -> Result<()> {
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(Error::body(format!("The field \"{key}\" is not known; known are: {}.", known.join(", ")))),
    }
}

/// Reads the fields that are there; others are passed over.
pub(super) fn read(object: &Object) -> Result<Draft> {
    Ok(Draft {
        weight: object.get("weight").map(weight).transpose()?,
        uri: object.get("uri").map(uri).transpose()?,
        flavor: object.get("flavor").map(flavor).transpose()?,
        options: object.get("options").map(options).transpose()?,
    })
}

fn weight(value: &Value) -> Result<u32> {
    let number = value.as_i64().ok_or_else(|| json::not_an_int("weight"))?;
    let text = || Error::body(format!("The weight must be at least 0 and no greater than {}.", u32::MAX));
    u32::try_from(number).map_err(|_| text())
}

fn uri(value: &Value) -> Result<String> {
    match text("uri", value)? {
        "" => Err(Error::body("The uri must not be empty.")),
        uri => Ok(uri.to_owned()),
    }
}

fn flavor(value: &Value) -> Result<Option<String>> {
    Ok(Some(text("flavor", value)?).filter(|flavor| !flavor.is_empty()).map(str::to_owned))
}

fn text<'a>(name: &str, value: &'a Value) -> Result<&'a str> {
    let text = value.as_str();
    let text = text.ok_or_else(|| Error::body(format!("The value of the \"{name}\" field must be a str.")))?;
    if text.chars().count() > LONGEST {
        return Err(Error::body(format!("The {name} may not be more than {LONGEST} characters long.")));
    }
    Ok(text)
}

fn options(value: &Value) -> Result<Object> {
    let object = value.as_object().cloned();
    object.ok_or_else(|| Error::body("The value of the \"options\" field must be a dict."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(text: &str) -> Result<Draft, String> {
        read(&json::object(text.as_bytes()).unwrap_or_default()).map_err(|error| error.message)
    }

    #[test]
    fn fields_have_types_and_bounds() {
        for text in [
            r#"{"weight":"5"}"#,
            r#"{"weight":-1}"#,
            r#"{"weight":1.0}"#,
            r#"{"weight":true}"#,
            r#"{"weight":null}"#,
            r#"{"weight":4294967296}"#,
            r#"{"uri":""}"#,
            r#"{"uri":5}"#,
            r#"{"flavor":null}"#,
            r#"{"options":[]}"#,
            &format!(r#"{{"uri":"{}"}}"#, "x".repeat(256)),
            &format!(r#"{{"flavor":"{}"}}"#, "x".repeat(256)),
        ] {
            assert!(draft(text).is_err(), "{text}");
        }
        let all = draft(r#"{"weight":4294967295,"uri":"memory:","flavor":"","options":{"a":1},"x":1}"#).unwrap();
        assert_eq!((all.weight, all.uri.as_deref(), all.flavor), (Some(u32::MAX), Some("memory:"), Some(None)));
        assert_eq!(all.options.map(|options| options.len()), Some(1));
        assert_eq!(draft("{}"), Ok(Draft::default()));
    }
}
