//! Errors: which status, title and text each kind has (spec: REST §1).

use sukkal_core::{Error, ErrorKind};
use sukkal_plugin_sdk::{Headers, Response};

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
    if let Some(after) = error.retry_after {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        headers.add("retry-after", &seconds.to_string());
    }
}

fn status_and_title(kind: &ErrorKind) -> (u16, &'static str) {
    match kind {
        ErrorKind::UnknownPath | ErrorKind::BadSignature => (404, "404 Not Found"),
        ErrorKind::WrongMethod(_) => (405, "405 Method Not Allowed"),
        ErrorKind::FormBody => (400, "Invalid Content-Type"),
        ErrorKind::NotAcceptable => (406, "406 Not Acceptable"),
        ErrorKind::UnsupportedMedia => (415, "415 Unsupported Media Type"),
        ErrorKind::MissingClientId => (400, "Missing header value"),
        ErrorKind::BadClientId => (400, "Wrong UUID value"),
        ErrorKind::EmptyProject => (400, "Empty project header not allowed"),
        ErrorKind::MissingProject => (400, "Project-Id Missing"),
        ErrorKind::BadQueueName => (400, "Invalid queue identification"),
        ErrorKind::BadTopicName => (400, "Invalid topic identification"),
        ErrorKind::BadValue => (400, "Invalid API request"),
        ErrorKind::BadBody => (400, "Invalid request body"),
        ErrorKind::BadParameter => (400, "Invalid parameter"),
        ErrorKind::NotFound => (404, "Not found"),
        ErrorKind::Conflict => (409, "Resource conflict"),
        ErrorKind::UnableToDelete => (400, "Unable to delete"),
        ErrorKind::DeleteForbidden => (403, "Unable to delete"),
        ErrorKind::Unauthorized => (401, "Unauthorized"),
        ErrorKind::Forbidden => (403, "Not authorized"),
        ErrorKind::Unavailable | ErrorKind::TimedOut => (503, "Service temporarily unavailable"),
        ErrorKind::Internal => (500, "Internal server error"),
    }
}

fn description(error: &Error) -> String {
    match error.kind {
        ErrorKind::NotAcceptable if error.message.is_empty() => {
            "Endpoint only serves `application/json`; specify client-side media type support with the \"Accept\" header."
                .to_owned()
        }
        ErrorKind::Unavailable | ErrorKind::TimedOut => {
            format!("{}. Please try again in a few seconds.", error.message.trim_end_matches('.'))
        }
        _ => error.message.clone(),
    }
}
