//! Settings as they may be shown, where nobody says which are secrets.

use serde_json::Value as Json;

/// What stands in a secret's place.
const MASK: &str = "***";

/// Whether a setting of this name holds a secret.
pub fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let parts = ["password", "passwd", "passphrase", "secret", "token", "credential"];
    key.ends_with("key") || key.ends_with("keys") || parts.iter().any(|part| key.contains(part))
}

/// A setting's value without secrets: those of such a name, and passwords in URIs.
pub fn masked(key: &str, value: Json) -> Json {
    match value {
        Json::String(text) if text.is_empty() => Json::String(text),
        Json::String(_) | Json::Number(_) if is_secret(key) => Json::from(MASK),
        Json::String(text) => Json::from(masked_uri(&text)),
        Json::Array(items) => items.into_iter().map(|item| masked(key, item)).collect(),
        // A reference to where a secret is kept is none.
        Json::Object(object) if is_reference(&object) => Json::Object(object),
        Json::Object(object) => {
            let under = |inner: &str| if is_secret(key) { key.to_owned() } else { inner.to_owned() };
            object.into_iter().map(|(inner, value)| (inner.clone(), masked(&under(&inner), value))).collect()
        }
        other => other,
    }
}

/// A setting's value without the passwords in its URIs.
pub fn uris(value: Json) -> Json {
    match value {
        Json::String(text) => Json::from(masked_uri(&text)),
        Json::Array(items) => items.into_iter().map(uris).collect(),
        Json::Object(object) => object.into_iter().map(|(key, value)| (key, uris(value))).collect(),
        other => other,
    }
}

/// `{ env = "NAME" }` or `{ file = "path" }`.
fn is_reference(object: &serde_json::Map<String, Json>) -> bool {
    object.len() == 1 && object.iter().all(|(key, value)| matches!(key.as_str(), "env" | "file") && value.is_string())
}

/// A URI without its password, which may stand before the host or in a parameter.
fn masked_uri(text: &str) -> String {
    let text = without_userinfo(text);
    let (start, query) = text.split_once('?').map_or((text.as_str(), None), |(start, query)| (start, Some(query)));
    let Some(query) = query else { return text };
    let pair = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if is_secret(name) => format!("{name}={MASK}"),
        _ => pair.to_owned(),
    };
    let pairs: Vec<String> = query.split('&').map(pair).collect();
    format!("{start}?{}", pairs.join("&"))
}

/// Passwords may hold any sign; so all up to the last `@` is taken for one.
fn without_userinfo(text: &str) -> String {
    let parts = text.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?)));
    let Some((scheme, (userinfo, rest))) = parts else { return text.to_owned() };
    match userinfo.split_once(':') {
        Some((user, _)) => format!("{scheme}://{user}:{MASK}@{rest}"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_masked_by_name_and_in_uris() {
        for (key, value, shown) in [
            ("password", json!("hunter2"), json!("***")),
            ("secret_key", json!("x"), json!("***")),
            ("api_tokens", json!(["x", "y"]), json!(["***", "***"])),
            ("tokens", json!({ "a": "x" }), json!({ "a": "***" })),
            ("pin_secret", json!(1234), json!("***")),
            ("password", json!(""), json!("")),
            ("password", json!({ "env": "REDIS" }), json!({ "env": "REDIS" })),
            ("nodes", json!({ "a": { "password": "x", "n": 1 } }), json!({ "a": { "password": "***", "n": 1 } })),
            ("catalog", json!("postgres://me:p@ss/w?rd@h/db"), json!("postgres://me:***@h/db")),
            ("catalog", json!("postgres://me:pw@h:1/db?x=1"), json!("postgres://me:***@h:1/db?x=1")),
            ("pool", json!("redis://:p@:w@h"), json!("redis://:***@h")),
            ("pool", json!("redis://h?password=x&db=1"), json!("redis://h?password=***&db=1")),
            ("pool", json!("sqlite:pool.db?readers=2"), json!("sqlite:pool.db?readers=2")),
        ] {
            assert_eq!(masked(key, value), shown, "{key}");
        }
    }
}
