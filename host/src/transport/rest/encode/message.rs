//! Messages and claims as JSON.

use sukkal_core::{ClaimView, MessageView};
use sukkal_plugin_sdk::Response;

use super::json;
use crate::transport::rest::json::Json;

/// An answer of messages alone.
pub fn listed(status: u16, queue: &str, views: &[MessageView]) -> Response {
    json(status, room(views), |json| {
        let add = |json: &mut Json, view: &MessageView| {
            message(json, queue, view);
        };
        json.raw(r#"{"messages":"#).list(views, add).raw("}")
    })
}

/// About how many bytes messages need.
pub fn room(views: &[MessageView]) -> usize {
    32 + views.iter().map(|view| view.body.len() + 256).sum::<usize>()
}

/// A message. No other key than these: clients refuse what they do not know (spec: REST §4).
pub fn message<'a>(json: &'a mut Json, queue: &str, view: &MessageView) -> &'a mut Json {
    let id = view.id.to_string();
    json.raw(r#"{"id":""#).raw(&id).raw(r#"","href":"/v2/queues/"#).raw(queue).raw("/messages/").raw(&id);
    if let Some(claim) = view.claim {
        json.raw("?claim_id=").raw(claim.to_string());
    }
    json.raw(r#"","ttl":"#).number(view.ttl).raw(r#","age":"#).number(view.age).raw(r#","body":"#).raw(&view.body);
    if view.show_claims {
        json.raw(r#","claim_count":"#).number(u64::from(view.claims));
    }
    if let Some(origin) = &view.origin {
        json.raw(r#","origin":"#).value(origin);
    }
    checksum(json, view);
    json.raw("}")
}

/// A message that was taken out: it has no place any more, and so no href.
pub fn popped(json: &mut Json, view: &MessageView) {
    json.raw(r#"{"id":""#).raw(view.id.to_string()).raw(r#"","ttl":"#).number(view.ttl);
    json.raw(r#","age":"#).number(view.age).raw(r#","body":"#).raw(&view.body);
    json.raw(r#","claim_id":null,"claim_count":"#).number(u64::from(view.claims));
    checksum(json, view);
    json.raw("}");
}

fn checksum(json: &mut Json, view: &MessageView) {
    if let Some(checksum) = &view.checksum {
        json.raw(r#","checksum":"#).value(checksum);
    }
}

/// A claim as it is read.
pub fn claim<'a>(json: &'a mut Json, queue: &str, view: &ClaimView) -> &'a mut Json {
    json.raw(r#"{"age":"#).number(view.age).raw(r#","ttl":"#).number(view.ttl);
    json.raw(r#","href":"/v2/queues/"#).raw(queue).raw("/claims/").raw(view.id.to_string()).raw(r#"","messages":"#);
    let add = |json: &mut Json, view: &MessageView| {
        message(json, queue, view);
    };
    json.list(&view.messages, add).raw("}")
}
