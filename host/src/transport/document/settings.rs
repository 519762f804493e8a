//! What of a document depends on the host's settings.

use serde_json::{Map, Value, json};
use sukkal_core::{Api, ClientIds, Limits};

/// The settings that a document tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Terms {
    /// The limits in force.
    pub limits: Limits,
    /// The switches in force.
    pub api: Api,
    /// Whether anybody asks who sends a request.
    pub asks_identity: bool,
}

/// Beside a schema's keywords: which of them are which settings of `[limits]`.
const LIMITS: &str = "x-limits";
/// On what only administrators are served.
const ADMIN: &str = "x-admin";

/// Makes a document that is made for the defaults one for these settings.
pub fn apply(document: &mut Map<String, Value>, terms: &Terms) {
    if let Ok(Value::Object(limits)) = serde_json::to_value(&terms.limits) {
        document.values_mut().for_each(|value| fill(value, &limits));
    }
    if !terms.api.admin_mode {
        leave_out_admin(document);
    }
    if terms.api.client_id_uuid_safe == ClientIds::Off {
        free_client_ids(document, &terms.limits);
    }
    if terms.asks_identity {
        ask_identity(document);
    }
}

/// Sets the keywords that are settings.
fn fill(value: &mut Value, limits: &Map<String, Value>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::Object(named)) = members.get(LIMITS).cloned() {
                let set = |setting: &Value| limits.get(setting.as_str()?).cloned();
                members.extend(named.iter().filter_map(|(keyword, setting)| Some((keyword.clone(), set(setting)?))));
            }
            members.values_mut().for_each(|value| fill(value, limits));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| fill(value, limits)),
        _ => {}
    }
}

/// Without admin mode there are no such paths, and no such operations of the websocket.
fn leave_out_admin(document: &mut Map<String, Value>) {
    let served = |_: &String, value: &mut Value| value.get(ADMIN) != Some(&Value::Bool(true));
    for place in ["/paths", "/operations", "/components/messages"] {
        if let Some(members) = members(document, place) {
            members.retain(served);
        }
    }
    let left: Vec<String> =
        members(document, "/components/messages").into_iter().flat_map(|all| all.keys().cloned()).collect();
    if let Some(messages) = members(document, "/channels/socket/messages") {
        messages.retain(|name, _| left.contains(name));
    }
}

fn free_client_ids(document: &mut Map<String, Value>, limits: &Limits) {
    if let Some(schemas) = members(document, "/components/schemas").filter(|schemas| schemas.contains_key("ClientId")) {
        let (least, most) = (limits.min_length_client_id, limits.max_length_client_id);
        schemas.insert("ClientId".to_owned(), json!({ "type": "string", "minLength": least, "maxLength": most }));
    }
}

/// Somebody must say who sends a request, and the project comes with that.
fn ask_identity(document: &mut Map<String, Value>) {
    if let Some(Value::Array(ways)) = document.get_mut("security") {
        ways.retain(|way| way.as_object().is_some_and(|way| !way.is_empty()));
    }
    if let Some(project) = members(document, "/components/parameters/ProjectId") {
        project.insert("required".to_owned(), Value::Bool(false));
    }
}

/// The object at a place of which each part is a plain key.
fn members<'a>(document: &'a mut Map<String, Value>, place: &str) -> Option<&'a mut Map<String, Value>> {
    place.split('/').skip(1).try_fold(document, |object, key| object.get_mut(key)?.as_object_mut())
}
