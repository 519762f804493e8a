//! Which actions there are on the websocket, and what their frames must hold (spec: websocket,
//! check 4 and the table of actions).

use sukkal_plugin_sdk::Action;

use super::envelope::{Envelope, Kind, Part};

/// The action of a name, if it is one of the websocket's.
pub fn action(name: &str) -> Option<Action> {
    Action::from_name(name).filter(|action| needed(*action).is_some())
}

/// Whether a frame has all that its action needs, each of its type. What is named nowhere is free.
pub fn holds(action: Action, envelope: &Envelope<'_>) -> bool {
    let needed = needed(action).unwrap_or_default();
    let body = match &envelope.body {
        None => needed.is_empty(),
        Some(body) => body.value.kind() == Kind::Object && has_all(body, needed) && are_typed(body, kind_of_field),
    };
    body && envelope
        .headers
        .as_ref()
        .is_some_and(|headers| has_all(headers, needed_headers(action)) && are_typed(headers, kind_of_header))
}

fn has_all(part: &Part<'_>, names: &[&str]) -> bool {
    names.iter().all(|name| part.get(name).is_some())
}

fn are_typed(part: &Part<'_>, kind_of: fn(&str) -> Option<Kind>) -> bool {
    part.members.iter().all(|(name, value)| kind_of(name).is_none_or(|kind| value.kind() == kind))
}

pub(super) fn needed_headers(action: Action) -> &'static [&'static str] {
    match action {
        Action::Authenticate => &["X-Auth-Token", "X-Project-ID"],
        _ => &["Client-ID", "X-Project-ID"],
    }
}

fn kind_of_header(name: &str) -> Option<Kind> {
    let is_text = matches!(name, "Client-ID" | "X-Project-ID" | "X-Auth-Token" | "User-Agent" | "Date" | "Accept")
        || name.eq_ignore_ascii_case("Idempotency-Key");
    is_text.then_some(Kind::String)
}

/// The fields that an action's body must have; `None`: it is no action of the websocket.
pub(super) fn needed(action: Action) -> Option<&'static [&'static str]> {
    Some(match action {
        Action::Authenticate
        | Action::Home
        | Action::Ping
        | Action::Health
        | Action::QueueList
        | Action::PoolList
        | Action::FlavorList => &[],
        Action::QueueCreate
        | Action::QueueGet
        | Action::QueueDelete
        | Action::QueueStats
        | Action::QueuePurge
        | Action::MessageList
        | Action::MessageDeleteMany
        | Action::ClaimCreate
        | Action::SubscriptionList
        | Action::SubscriptionCreate => &["queue_name"],
        Action::MessagePost => &["queue_name", "messages"],
        Action::MessageGet | Action::MessageDelete => &["queue_name", "message_id"],
        Action::MessageGetMany => &["queue_name", "message_ids"],
        Action::ClaimGet | Action::ClaimUpdate | Action::ClaimDelete => &["queue_name", "claim_id"],
        Action::SubscriptionGet | Action::SubscriptionDelete => &["queue_name", "subscription_id"],
        Action::PoolCreate | Action::PoolGet | Action::PoolUpdate | Action::PoolDelete => &["pool_name"],
        Action::FlavorCreate | Action::FlavorGet | Action::FlavorUpdate | Action::FlavorDelete => &["flavor_name"],
        _ => return None,
    })
}

pub(super) fn kind_of_field(name: &str) -> Option<Kind> {
    Some(match name {
        "queue_name" | "marker" | "message_id" | "claim_id" | "subscription_id" | "subscriber" | "pool_name"
        | "flavor_name" => Kind::String,
        "limit" | "ttl" | "grace" | "pop" | "wait" => Kind::Int,
        "detailed" | "echo" | "include_claimed" | "include_delayed" | "claim_count" | "origin" | "force" => {
            Kind::Boolean
        }
        "messages" | "message_ids" | "claim_ids" | "resource_types" => Kind::Array,
        "metadata" | "options" => Kind::Object,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::ws::envelope;

    fn fits(text: &str) -> bool {
        let envelope = envelope::read(text).unwrap().unwrap();
        let action = action(&envelope.action.unwrap().text()).unwrap();
        holds(action, &envelope)
    }

    fn request(action: &str, body: &str) -> String {
        format!(r#"{{"action":"{action}","headers":{{"Client-ID":"c","X-Project-ID":"p"}},"body":{body}}}"#)
    }

    #[test]
    fn needed_fields_are_there_and_known_ones_of_their_type() {
        for (action, body) in [
            ("queue_list", r#"{"x":[]}"#),
            ("queue_create", r#"{"queue_name":"q","metadata":{}}"#),
            ("message_post", r#"{"queue_name":"q","messages":[]}"#),
            ("message_delete_many", r#"{"queue_name":"q","pop":-1}"#),
        ] {
            assert!(fits(&request(action, body)), "{action} {body}");
        }
        for (action, body) in [
            ("queue_list", "[]"),
            ("queue_list", "null"),
            ("queue_list", r#"{"limit":1.0}"#),
            ("queue_list", r#"{"limit":true}"#),
            ("queue_list", r#"{"detailed":"true"}"#),
            ("queue_create", "{}"),
            ("queue_create", r#"{"queue_name":null}"#),
            ("queue_create", r#"{"queue_name":"q","metadata":[]}"#),
            ("message_post", r#"{"queue_name":"q"}"#),
            ("claim_update", r#"{"queue_name":"q","claim_id":"c","grace":"x"}"#),
        ] {
            assert!(!fits(&request(action, body)), "{action} {body}");
        }
    }

    #[test]
    fn client_and_project_are_named_by_every_request_but_authenticate() {
        assert!(fits(r#"{"action":"authenticate","headers":{"X-Auth-Token":"t","X-Project-ID":"p"}}"#));
        for headers in [
            "{}",
            "[]",
            "null",
            r#"{"Client-ID":"c"}"#,
            r#"{"X-Project-ID":"p"}"#,
            r#"{"Client-ID":1,"X-Project-ID":"p"}"#,
        ] {
            assert!(!fits(&format!(r#"{{"action":"queue_list","headers":{headers}}}"#)), "{headers}");
        }
        assert!(!fits(r#"{"action":"queue_list"}"#));
    }

    #[test]
    fn what_only_rest_has_is_no_action_here() {
        assert_eq!(action("queue_get_stats"), Some(Action::QueueStats));
        for name in ["", "nope", "unknown", "queue_update", "queue_share", "get_versions", "topic_list", "other"] {
            assert_eq!(action(name), None, "{name}");
        }
    }
}
