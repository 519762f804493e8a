//! Messages and claims as JSON. `path` is that of their queue or topic.

use sukkal_core::{ClaimView, MessageView};
use sukkal_plugin_sdk::Response;

use super::json;
use crate::transport::json::Json;
use crate::transport::shared::{extras, room};

/// An answer of messages alone.
pub fn listed(status: u16, path: &str, views: &[MessageView]) -> Response {
    json(status, room(views), |json| {
        let add = |json: &mut Json, view: &MessageView| {
            message(json, path, view);
        };
        json.raw(r#"{"messages":"#).list(views, add).raw("}")
    })
}

/// A message. No other key than these: clients refuse what they do not know (spec: REST §4).
pub fn message<'a>(json: &'a mut Json, path: &str, view: &MessageView) -> &'a mut Json {
    json.raw(r#"{"id":""#).shown(view.id).raw(r#"","href":""#).raw(path).raw("/messages/").shown(view.id);
    if let Some(claim) = view.claim {
        json.raw("?claim_id=").shown(claim);
    }
    json.raw(r#"","ttl":"#).number(view.ttl).raw(r#","age":"#).number(view.age).raw(r#","body":"#).raw(&view.body);
    extras(json, view);
    json.raw("}")
}

/// A claim as it is read.
pub fn claim<'a>(json: &'a mut Json, path: &str, view: &ClaimView) -> &'a mut Json {
    json.raw(r#"{"age":"#).number(view.age).raw(r#","ttl":"#).number(view.ttl);
    json.raw(r#","href":""#).raw(path).raw("/claims/").shown(view.id).raw(r#"","messages":"#);
    let add = |json: &mut Json, view: &MessageView| {
        message(json, path, view);
    };
    json.list(&view.messages, add).raw("}")
}
