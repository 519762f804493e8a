//! JSON as the API reads it: checked to the last byte in one pass, without recursion (spec: REST §1).
//!
//! [`Scanner`] is that pass. The hot path, a post, works on its tokens and keeps message bodies as
//! slices of the request; all else is small and becomes a [`Value`] by [`value`]. serde_json's own
//! reader is not used on what clients send: it ends at 127 levels, lets integers of any size and
//! single surrogates' escapes through into raw values, and gives a meaning to some keys. Transports
//! whose requests are JSON themselves read them with the same [`Scanner`].

mod scanner;
mod tree;

use serde_json::Value;

use crate::answer::Object;
use crate::error::{Error, Result};

pub use scanner::{Fault, Scanner, Token, is_plain, unescape};
pub(crate) use tree::{Numbers, value};

/// Checks that a body is text in UTF-8.
pub(crate) fn text(body: &[u8]) -> Result<&str> {
    std::str::from_utf8(body).map_err(|_| Fault::Syntax.into())
}

/// Reads a body that is a document, that is an object or an array.
///
/// # Errors
/// `BadBody` for all else.
pub(crate) fn document(body: &[u8]) -> Result<Value> {
    match value(text(body)?, Numbers::Double)? {
        document @ (Value::Object(_) | Value::Array(_)) => Ok(document),
        _ => Err(Fault::Syntax.into()),
    }
}

/// Reads a body that is an object. Also for what core itself wrote, as records of the catalog:
/// what [`document`] took in is read back unchanged.
///
/// # Errors
/// `BadBody` for all else.
pub(crate) fn object(body: &[u8]) -> Result<Object> {
    match document(body)? {
        Value::Object(object) => Ok(object),
        _ => Err(wrong_document()),
    }
}

/// An integer field of an object; `None` where it is absent or null.
///
/// # Errors
/// `BadBody` for another type.
pub(crate) fn int_field(object: &Object, name: &str) -> Result<Option<i64>> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_i64().map(Some).ok_or_else(|| not_an_int(name)),
    }
}

/// The refusal of a document of another type.
pub(crate) fn wrong_document() -> Error {
    Error::body("Document type not supported.")
}

/// The refusal of a field that must be an integer.
pub(crate) fn not_an_int(name: &str) -> Error {
    Error::body(format!("The value of the \"{name}\" field must be a int."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_objects_and_arrays_are_documents() {
        assert!(document(b" {\"a\":[1]} ").is_ok());
        assert!(document(b"[]").is_ok());
        for other in ["", "  ", "5", "\"x\"", "null", "true", "{} {}", "\u{feff}{}"] {
            let message = document(other.as_bytes()).map_err(|error| error.message);
            assert_eq!(message, Err("Request body could not be parsed.".to_owned()), "{other}");
        }
        assert!(document(b"\xff{}").is_err());
    }

    #[test]
    fn floats_and_booleans_are_no_ints() {
        let object = object(br#"{"a":1,"b":1.0,"c":true,"d":null,"e":"1"}"#).unwrap_or_default();
        assert_eq!(int_field(&object, "a"), Ok(Some(1)));
        assert_eq!(int_field(&object, "d"), Ok(None));
        assert_eq!(int_field(&object, "x"), Ok(None));
        for name in ["b", "c", "e"] {
            assert_eq!(int_field(&object, name), Err(not_an_int(name)));
        }
    }
}
