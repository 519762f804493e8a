//! Settings as they may be shown, where nobody says which are secrets.

use std::ops::Range;

use serde_json::Value as Json;

use crate::percent;

/// What stands in a secret's place.
pub(super) const MASK: &str = "***";

/// Whether a setting of this name holds a secret.
pub fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let parts = ["password", "passwd", "passphrase", "pwd", "secret", "token", "credential"];
    let ends = ["key", "keys", "pass"];
    key == "auth" || ends.iter().any(|end| key.ends_with(end)) || parts.iter().any(|part| key.contains(part))
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
pub fn masked_uri(text: &str) -> String {
    let text = without_userinfo(text);
    let Some((start, query)) = text.split_once('?') else { return text };
    // Both part pairs for one driver or another.
    let pairs = query.split_inclusive(['&', ';']).map(|pair| {
        let end = pair.len() - usize::from(pair.ends_with(['&', ';']));
        masked_pair(&pair[..end]) + &pair[end..]
    });
    format!("{start}?{}", pairs.collect::<String>())
}

/// `name=value`, or with `***` for its secrets.
pub(super) fn masked_pair(pair: &str) -> String {
    let Some((parameter, value)) = pair.split_once('=') else { return pair.to_owned() };
    if is_secret(&percent::decode(parameter, true)) {
        return format!("{parameter}={MASK}");
    }
    // A value can hold pairs of its own: MongoDB's authMechanismProperties=SERVICE_NAME:a,AWS_SESSION_TOKEN:b.
    let decoded = percent::decode(value, true);
    let mut start = 0;
    for property in decoded.split(',') {
        if let Some((name, _)) = property.split_once(':').filter(|(name, _)| is_secret(name)) {
            return format!("{parameter}={}{name}:{MASK}", &decoded[..start]);
        }
        start += property.len() + 1;
    }
    pair.to_owned()
}

fn without_userinfo(text: &str) -> String {
    match password(text) {
        Some(password) => format!("{}{MASK}{}", &text[..password.start], &text[password.end..]),
        None => text.to_owned(),
    }
}

/// Where the password stands before the host. It may hold any sign; so all up to the last `@` is taken for one. Where the
/// slashes were forgotten, too.
pub(super) fn password(text: &str) -> Option<Range<usize>> {
    let (scheme, rest) = text.split_once(':')?;
    let is_scheme = |sign: char| sign.is_ascii_alphanumeric() || "+-.".contains(sign);
    let (after, slashes) = (rest.trim_start_matches('/'), rest.starts_with('/'));
    let start = text.len() - after.len();
    let (userinfo, _) = after.rsplit_once('@').filter(|_| scheme.chars().all(is_scheme))?;
    let end = start + userinfo.len();
    match userinfo.find(':') {
        Some(colon) => Some(start + colon + 1..end),
        // What looks like a scheme is a user, if that was forgotten as well.
        None if !slashes => Some(start..end),
        None => None,
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
            ("pool", json!("me:hunter2@h/d"), json!("me:***@h/d")),
            ("pool", json!("sqlite:pool.db?readers=2"), json!("sqlite:pool.db?readers=2")),
            ("pool", json!("sqlite:/a/b@c.db"), json!("sqlite:/a/b@c.db")),
            ("pool", json!("redis:me:pw@h"), json!("redis:me:***@h")),
            ("pool", json!("redis+unix:///run/r.sock?db=1&pass=x"), json!("redis+unix:///run/r.sock?db=1&pass=***")),
            ("pool", json!("redis://h?p%61ssword=x;db=1"), json!("redis://h?p%61ssword=***;db=1")),
            ("pool", json!("mysql://h/db?ssl-mode=required&pwd=x"), json!("mysql://h/db?ssl-mode=required&pwd=***")),
            (
                "pool",
                json!("mongodb://h/?authMechanism=X&authSource=y"),
                json!("mongodb://h/?authMechanism=X&authSource=y"),
            ),
            (
                "pool",
                json!("mongodb://h/?authMechanismProperties=SERVICE_NAME:a,AWS_SESSION_TOKEN:x,y:z&tls=true"),
                json!("mongodb://h/?authMechanismProperties=SERVICE_NAME:a,AWS_SESSION_TOKEN:***&tls=true"),
            ),
            (
                "pool",
                json!("mongodb://h/?authMechanismProperties=AWS_SESSION_TOKEN%3Ax"),
                json!("mongodb://h/?authMechanismProperties=AWS_SESSION_TOKEN:***"),
            ),
        ] {
            assert_eq!(masked(key, value), shown, "{key}");
        }
    }
}
