//! Subscriptions as JSON.

use sukkal_core::{Error, ErrorKind, Subscribing, SubscriptionPage};
use sukkal_plugin_sdk::{Request, Response};

use super::{failure, json};
use crate::transport::paging::links;
use crate::transport::shared::subscription;

/// A page.
pub fn page(request: &Request, page: &SubscriptionPage) -> Response {
    json(200, 128 + 256 * page.subscriptions.len(), |json| {
        json.raw(r#"{"subscriptions":"#).list(&page.subscriptions, |json, view| {
            subscription(json, request.queue(), view);
        });
        links(json, request.path(), &page.paging);
        json.raw("}")
    })
}

/// What came of subscribing. Who has not confirmed yet is answered as if it were new.
pub fn made(id: &str, how: Subscribing) -> Response {
    const EXISTS: &str =
        "Such subscription already exists.Subscriptions are unique by project + queue + subscriber URI.";
    match how {
        Subscribing::Made | Subscribing::Unconfirmed => {
            json(201, 64, |json| json.raw(r#"{"subscription_id":"#).value(id).raw("}"))
        }
        Subscribing::Confirmed => failure(&Error::new(ErrorKind::Conflict, EXISTS)),
    }
}
