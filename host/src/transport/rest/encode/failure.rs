//! Errors as REST words them (spec: REST §1).

use sukkal_core::{Error, ErrorKind};
use sukkal_plugin_sdk::{Headers, Response};

use crate::transport::failure::{description, retry_after, status_and_title};
use crate::transport::json::Json;

/// A refusal or failure in the form of the API's errors.
pub fn failure(error: &Error) -> Response {
    let (status, title) = status_and_title(&error.kind);
    let mut json = Json::with_capacity(128 + error.message.len());
    json.raw(r#"{"title":"#).value(title);
    let description = description(error);
    if !description.is_empty() {
        json.raw(r#","description":"#).value(&description);
    }
    json.raw("}");
    let mut response = Response::json(status, json.finish());
    error_headers(response.headers_mut(), error);
    response
}

fn error_headers(headers: &mut Headers, error: &Error) {
    headers.add("vary", "Accept");
    if let ErrorKind::WrongMethod(methods) = error.kind {
        headers.add("allow", &methods.join(", "));
    }
    retry_after(headers, error);
}
