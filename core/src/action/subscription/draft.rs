//! What clients say of subscriptions, checked (spec: REST §6).

use serde_json::Value;
use sukkal_plugin_sdk::Timestamp;

use crate::answer::Object;
use crate::error::{Error, Result};
use crate::json;
use crate::limits::MIN_TTL;
use crate::metadata::retry_policy_fault;
use crate::subscriber::Notifications;

/// What a client says of a subscription; what it leaves out, or null, is absent.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Draft {
    pub(super) subscriber: Option<String>,
    pub(super) ttl: Option<u64>,
    pub(super) options: Option<Object>,
}

/// 9999-12-31T23:59:59.999: no subscription may end later.
const LAST: i64 = 253_402_300_799_999;

/// Reads a body that must be an object.
pub(super) fn object(body: &[u8]) -> Result<Object> {
    match json::document(body)? {
        Value::Object(object) => Ok(object),
        _ => Err(Error::value("Subscriptions must be a dict.")),
    }
}

/// Checks subscriber, options and ttl, in this order.
///
/// # Errors
/// `BadValue`.
pub(super) fn read(object: &Object, rules: &Notifications, now: Timestamp) -> Result<Draft> {
    let given = |key: &str| object.get(key).filter(|value| !value.is_null());
    Ok(Draft {
        subscriber: given("subscriber").map(|value| rules.subscriber(value)).transpose()?,
        options: given("options").map(options).transpose()?,
        ttl: given("ttl").map(|value| ttl(value, now)).transpose()?,
    })
}

fn options(value: &Value) -> Result<Object> {
    let options = value.as_object().ok_or_else(|| Error::value("Options must be a dict."))?;
    match options.get("_retry_policy").and_then(retry_policy_fault) {
        Some(fault) => Err(Error::value(fault)),
        None => Ok(options.clone()),
    }
}

fn ttl(value: &Value, now: Timestamp) -> Result<u64> {
    let ttl = value.as_i64().ok_or_else(|| Error::value("TTL must be an integer."))?;
    let ttl = u64::try_from(ttl)
        .ok()
        .filter(|ttl| *ttl >= MIN_TTL)
        .ok_or_else(|| Error::value(format!("The TTL for a subscription must be at least {MIN_TTL} seconds long.")))?;
    let end = i64::try_from(ttl).ok().and_then(|ttl| ttl.checked_mul(1000)?.checked_add(now.0));
    match end {
        Some(end) if end < LAST => Ok(ttl),
        _ => Err(Error::value(
            "The TTL seconds for a subscription plus current time must be less than 9999-12-31 23:59:59.999999.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(text: &str) -> Result<Draft, String> {
        let read = || read(&object(text.as_bytes())?, &Notifications::default(), Timestamp(1_767_225_600_000));
        read().map_err(|error| error.message)
    }

    #[test]
    fn null_counts_as_absent() {
        assert_eq!(draft(r#"{"subscriber":null,"ttl":null,"options":null,"x":1}"#), Ok(Draft::default()));
        let all = draft(r#"{"options":{"b":1,"a":0.10},"ttl":60,"subscriber":"http://a"}"#).unwrap();
        assert_eq!((all.subscriber.as_deref(), all.ttl), (Some("http://a"), Some(60)));
        assert_eq!(all.options.map(Value::from).unwrap().to_string(), r#"{"b":1,"a":0.10}"#);
    }

    #[test]
    fn the_first_fault_is_told() {
        for (text, told) in [
            ("[]", "Subscriptions must be a dict."),
            (r#"{"subscriber":"ftp://a","options":1,"ttl":1}"#, "The subscriber type of subscription must be"),
            (r#"{"subscriber":"http://a","options":1,"ttl":1}"#, "Options must be a dict."),
            (r#"{"subscriber":"http://a","options":{"_retry_policy":1},"ttl":1}"#, "retry_policy must be a dict."),
            (r#"{"ttl":59}"#, "The TTL for a subscription must be at least 60 seconds long."),
            (r#"{"ttl":251635075200}"#, "The TTL seconds for a subscription plus current time"),
            (r#"{"ttl":9223372036854775807}"#, "The TTL seconds for a subscription plus current time"),
        ] {
            assert!(draft(text).is_err_and(|fault| fault.starts_with(told)), "{text}");
        }
        assert!(draft(r#"{"ttl":251635075199}"#).is_ok());
    }
}
