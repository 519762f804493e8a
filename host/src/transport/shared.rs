//! What both transports write alike.

use sukkal_core::{MessageView, QueueStats, SubscriptionView, utc};
use sukkal_plugin_sdk::MessageId;

use super::json::Json;

/// About how many bytes messages need.
pub fn room(views: &[MessageView]) -> usize {
    32 + views.iter().map(|view| view.body.len() + 256).sum::<usize>()
}

/// Messages that were taken out.
pub fn popped<'a>(json: &'a mut Json, views: &[MessageView]) -> &'a mut Json {
    json.raw(r#"{"messages":"#).list(views, popped_one).raw("}")
}

/// It has no place any more, and so no href.
fn popped_one(json: &mut Json, view: &MessageView) {
    json.raw(r#"{"id":""#).shown(view.id).raw(r#"","ttl":"#).number(view.ttl);
    json.raw(r#","age":"#).number(view.age).raw(r#","body":"#).raw(&view.body);
    json.raw(r#","claim_id":null,"claim_count":"#).number(u64::from(view.claims));
    checksum(json, view);
    json.raw("}");
}

/// What a message shows at its end, of what its reader or the service's switches ask for.
pub fn extras(json: &mut Json, view: &MessageView) {
    if view.show_claims {
        json.raw(r#","claim_count":"#).number(u64::from(view.claims));
    }
    if let Some(origin) = &view.origin {
        json.raw(r#","origin":"#).value(origin);
    }
    checksum(json, view);
}

fn checksum(json: &mut Json, view: &MessageView) {
    if let Some(checksum) = &view.checksum {
        json.raw(r#","checksum":"#).value(checksum);
    }
}

/// A queue's counts; `named` writes the key and value by which a message is found.
pub fn counts<'a>(
    json: &'a mut Json,
    stats: Option<&QueueStats>,
    named: impl Fn(&mut Json, MessageId),
) -> &'a mut Json {
    let (free, claimed) = stats.map_or((0, 0), |stats| (stats.stats.free, stats.stats.claimed));
    json.raw(r#"{"messages":{"claimed":"#).number(claimed);
    json.raw(r#","free":"#).number(free).raw(r#","total":"#).number(free + claimed);
    for (key, spot) in stats.iter().flat_map(|stats| [("oldest", stats.stats.oldest), ("newest", stats.stats.newest)]) {
        let (Some(stats), Some(spot)) = (stats, spot) else { continue };
        if free + claimed == 0 {
            continue;
        }
        json.raw(",").value(key).raw(":{");
        named(json, stats.id(spot.place));
        json.raw(r#","age":"#).number(stats.age(spot.posted));
        json.raw(r#","created":""#).raw(utc(spot.posted)).raw(r#"Z"}"#);
    }
    json.raw("}}")
}

/// A subscription; `source` is the name of its queue or topic.
pub fn subscription<'a>(json: &'a mut Json, source: &str, view: &SubscriptionView) -> &'a mut Json {
    let SubscriptionView { id, subscriber, ttl, age, options, confirmed } = view;
    json.raw(r#"{"id":"#).value(id).raw(r#","source":"#).value(source);
    json.raw(r#","subscriber":"#).value(subscriber).raw(r#","ttl":"#).number(*ttl).raw(r#","age":"#).number(*age);
    json.raw(r#","options":"#).value(options).raw(r#","confirmed":"#).value(confirmed).raw("}")
}
