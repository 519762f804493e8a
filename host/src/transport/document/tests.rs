use std::collections::BTreeSet;

use super::*;

const BOTH: [Document; 2] = [Document::OpenApi, Document::AsyncApi];

/// The default settings, with all that there is to serve.
fn everything() -> Terms {
    let mut terms = Terms::default();
    terms.api.admin_mode = true;
    terms
}

/// Calls for each object at any depth.
fn each_object(value: &Value, see: &mut impl FnMut(&Map<String, Value>)) {
    match value {
        Value::Object(members) => {
            see(members);
            members.values().for_each(|value| each_object(value, see));
        }
        Value::Array(items) => items.iter().for_each(|value| each_object(value, see)),
        _ => {}
    }
}

fn leaves(value: &Value) -> usize {
    match value {
        Value::Object(members) => members.values().map(leaves).sum(),
        Value::Array(items) => items.iter().map(leaves).sum(),
        _ => 1,
    }
}

#[test]
fn no_two_parts_say_one_thing() {
    for (document, parts) in BOTH.into_iter().zip([OPENAPI_PARTS, ASYNCAPI_PARTS]) {
        let parts: Vec<Value> = parts.iter().map(|part| serde_json::from_str(part).unwrap()).collect();
        let whole = Value::Object(document.put_together());
        assert_eq!(leaves(&whole), parts.iter().map(leaves).sum::<usize>(), "{document:?}");
    }
}

#[test]
fn the_files_are_the_documents_of_the_default_settings() {
    for document in BOTH {
        assert_eq!(document.value(&everything()), Value::Object(document.put_together()), "{document:?}");
    }
}

#[test]
fn limits_are_the_settings_own() {
    let mut settings = BTreeSet::new();
    for document in BOTH {
        each_object(&Value::Object(document.put_together()), &mut |members| {
            let named = members.get("x-limits").and_then(Value::as_object).into_iter().flat_map(Map::values);
            settings.extend(named.map(|name| name.as_str().unwrap().to_owned()));
        });
    }
    let limits = serde_json::to_value(everything().limits).unwrap();
    assert!(settings.len() > 10, "{settings:?}");
    assert!(settings.iter().all(|name| limits.get(name).is_some()), "{settings:?}");
    let mut terms = everything();
    terms.limits.max_message_ttl = 77;
    terms.limits.default_claim_ttl = 66;
    let openapi = Document::OpenApi.value(&terms);
    let schema = |name: &str, field: &str, key: &str| {
        openapi.pointer(&format!("/components/schemas/{name}/properties/{field}/{key}")).cloned()
    };
    assert_eq!(schema("NewMessage", "ttl", "maximum"), Some(77.into()));
    assert_eq!(schema("ClaimTerms", "ttl", "default"), Some(66.into()));
    assert_eq!(schema("NewMessage", "ttl", "minimum"), Some(60.into()));
}

#[test]
fn every_reference_leads_somewhere() {
    for terms in [Terms::default(), everything()] {
        for document in BOTH {
            let whole = document.value(&terms);
            each_object(&whole, &mut |members| {
                let Some(reference) = members.get("$ref").and_then(Value::as_str) else { return };
                let place = reference.strip_prefix('#').unwrap();
                assert!(whole.pointer(place).is_some(), "{document:?}: {reference}");
            });
        }
    }
}

#[test]
fn what_is_for_administrators_is_told_in_admin_mode_alone() {
    let told = |document: Document, place: &str| {
        let told = |terms: &Terms| document.value(terms).pointer(place).is_some();
        (told(&everything()), told(&Terms::default()))
    };
    assert_eq!(told(Document::OpenApi, "/paths/~1v2~1health"), (true, false));
    assert_eq!(told(Document::OpenApi, "/paths/~1v2~1ping"), (true, true));
    assert_eq!(told(Document::AsyncApi, "/operations/check_node_health"), (true, false));
    assert_eq!(told(Document::AsyncApi, "/channels/socket/messages/check_node_health_answer"), (true, false));
    assert_eq!(told(Document::AsyncApi, "/channels/socket/messages/ping_node_answer"), (true, true));
}

#[test]
fn switches_are_told() {
    let plain = Document::OpenApi.value(&Terms::default());
    assert_eq!(plain["security"][0], serde_json::json!({}));
    let mut terms = Terms { asks_identity: true, ..Terms::default() };
    terms.api.client_id_uuid_safe = sukkal_core::ClientIds::Off;
    let asking = Document::OpenApi.value(&terms);
    assert_eq!(asking["security"].as_array().map(Vec::len), Some(2));
    assert_eq!(asking["components"]["parameters"]["ProjectId"]["required"], false);
    assert_eq!(asking["components"]["schemas"]["ClientId"]["maxLength"], 36);
}

#[test]
fn a_document_is_made_anew_when_its_settings_change() {
    let mut terms = everything();
    terms.limits.max_wait = 7;
    let first = Document::AsyncApi.text(&terms);
    assert_eq!(first, Document::AsyncApi.text(&terms));
    terms.limits.max_wait = 8;
    assert_ne!(first, Document::AsyncApi.text(&terms));
}
