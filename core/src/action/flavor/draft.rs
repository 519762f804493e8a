//! What administrators say of flavors, checked (spec: REST §8).

use serde_json::Value;

use crate::answer::Object;
use crate::error::{Error, ErrorKind, Result};

/// The names of a flavor's pools; none where nothing is said of them.
///
/// # Errors
/// `BadBody`: it is no list of texts. `FlavorNotCreated`: it is empty.
pub(super) fn pool_list(object: &Object) -> Result<Option<Vec<String>>> {
    let Some(value) = object.get("pool_list") else { return Ok(None) };
    let names = value.as_array().and_then(|items| items.iter().map(|item| item.as_str().map(str::to_owned)).collect());
    let names: Vec<String> =
        names.ok_or_else(|| Error::body("The \"pool_list\" must be a list of the names of pools."))?;
    match names.is_empty() {
        true => Err(Error::new(ErrorKind::FlavorNotCreated, "Bad Request")),
        false => Ok(Some(names)),
    }
}

/// Whether capabilities, which are read and ignored, have the form that they must.
pub(super) fn check_capabilities(object: &Object) -> Result<()> {
    match object.get("capabilities") {
        None | Some(Value::Object(_) | Value::Array(_)) => Ok(()),
        Some(_) => Err(Error::body("The value of the \"capabilities\" field must be a dict.")),
    }
}
