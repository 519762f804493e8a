//! What each kind of error is to a client: status, title and text (spec: REST §1).

use sukkal_core::{Error, ErrorKind};
use sukkal_plugin_sdk::{Headers, Refused};

/// The status and the title of a kind.
pub fn status_and_title(kind: &ErrorKind) -> (u16, &'static str) {
    match kind {
        ErrorKind::Malformed => (400, "Invalid API request"),
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
        ErrorKind::BadPoolName => (400, "Invalid pool identification"),
        ErrorKind::BadFlavorName => (400, "Invalid flavor identification"),
        ErrorKind::BadValue => (400, "Invalid API request"),
        ErrorKind::BadBody => (400, "Invalid request body"),
        ErrorKind::BadParameter => (400, "Invalid parameter"),
        ErrorKind::NotFound => (404, "Not found"),
        ErrorKind::Conflict => (409, "Resource conflict"),
        ErrorKind::SubscriptionNotUpdated => (400, "Unable to update subscription"),
        ErrorKind::SubscriptionNotConfirmed => (400, "Unable to confirm subscription"),
        ErrorKind::UnableToDelete | ErrorKind::NotDeleted(Refused::NotClaimed | Refused::ClaimGone) => {
            (400, "Unable to delete")
        }
        ErrorKind::NotDeleted(Refused::Claimed | Refused::OtherClaim) => (403, "Unable to delete"),
        ErrorKind::PoolNotCreated => (400, "Unable to create pool"),
        ErrorKind::FlavorNotCreated => (400, "Unable to create"),
        ErrorKind::FlavorNotUpdated => (400, "updatefail"),
        ErrorKind::PoolInUse => (403, "Unable to delete"),
        ErrorKind::Unauthorized => (401, "Unauthorized"),
        ErrorKind::Forbidden => (403, "Not authorized"),
        ErrorKind::Unavailable | ErrorKind::TimedOut => (503, "Service temporarily unavailable"),
        ErrorKind::Internal => (500, "Internal server error"),
    }
}

/// What a client reads; empty where the title says it all.
pub fn description(error: &Error) -> String {
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

/// Says when it makes sense to try again, where that is known: in whole seconds, rounded up.
pub fn retry_after(headers: &mut Headers, error: &Error) {
    if let Some(after) = error.retry_after {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        headers.add("retry-after", &seconds.to_string());
    }
}
