//! The AsyncAPI document names every action of the websocket, with the fields that its frames must
//! hold, and no other.

use std::collections::BTreeSet;

use serde_json::Value;
use sukkal_plugin_sdk::Action;

use super::envelope::Kind;
use super::schema;
use crate::transport::document::{Document, Terms};

fn described() -> Value {
    let mut terms = Terms::default();
    terms.api.admin_mode = true;
    Document::AsyncApi.value(&terms)
}

/// A schema, or what it refers to.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}

fn texts(list: &Value) -> BTreeSet<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn kind(name: &str) -> Kind {
    match name {
        "object" => Kind::Object,
        "array" => Kind::Array,
        "string" => Kind::String,
        "integer" => Kind::Int,
        "boolean" => Kind::Boolean,
        other => panic!("no field is of type {other}"),
    }
}

#[test]
fn every_action_is_described_and_no_other() {
    let document = described();
    let told: BTreeSet<_> = document["operations"].as_object().unwrap().keys().map(String::as_str).collect();
    let names = Action::ALL.iter().map(|action| action.name());
    let mut known: BTreeSet<_> = names.filter(|name| schema::action(name).is_some()).collect();
    // Not an action: what is answered where there is none.
    known.insert("malformed");
    assert_eq!(told, known);
}

#[test]
fn frames_are_described_as_they_must_be() {
    let document = described();
    for (name, operation) in document["operations"].as_object().unwrap() {
        let Some(action) = schema::action(name) else { continue };
        assert_eq!(operation["messages"][0]["$ref"], format!("#/channels/socket/messages/{name}"));
        let payload = resolved(&document, &document["components"]["messages"][name]["payload"]);
        assert_eq!(payload["properties"]["action"]["const"], name.as_str());
        let needed = schema::needed(action).unwrap_or_default();
        let body = resolved(&document, &payload["properties"]["body"]);
        assert_eq!(texts(&body["required"]), needed.iter().copied().collect(), "{name}");
        assert_eq!(texts(&payload["required"]).contains("body"), !needed.is_empty(), "{name}");
        for (field, described) in body["properties"].as_object().into_iter().flatten() {
            let told = resolved(&document, described)["type"].as_str().map(kind);
            assert_eq!(told, schema::kind_of_field(field), "{field} of {name}");
        }
        let headers = resolved(&document, &payload["properties"]["headers"]);
        let needed: BTreeSet<_> = schema::needed_headers(action).iter().copied().collect();
        assert_eq!(texts(&headers["required"]), needed, "{name}");
    }
}
