//! What a retry policy may hold (spec: notifications, Retry policy).

use serde_json::Value;

use super::is_empty;

const INTS: [&str; 5] =
    ["retries_with_no_delay", "minimum_delay_retries", "minimum_delay", "maximum_delay", "maximum_delay_retries"];
const DEFAULT_MINIMUM: u64 = 5;
const DEFAULT_MAXIMUM: u64 = 30;
/// The least difference of the two delays, in seconds.
const LEAST_SPAN: u64 = 10;

/// The first fault of a policy. Empty values skip each check.
pub(crate) fn fault(policy: &Value) -> Option<String> {
    if is_empty(policy) {
        return None;
    }
    let Some(policy) = policy.as_object() else {
        return Some("retry_policy must be a dict.".to_owned());
    };
    let present = |key: &str| policy.get(key).filter(|value| !is_empty(value));
    if let Some(function) = present("retry_backoff_function") {
        match function.as_str() {
            Some("linear" | "arithmetic" | "geometric" | "exponential") => {}
            Some(_) => return Some("invalid retry_backoff_function.".to_owned()),
            None => return Some("retry_backoff_function must be a string.".to_owned()),
        }
    }
    if present("ignore_subscription_override").is_some_and(|value| !value.is_boolean()) {
        return Some("ignore_subscription_override must be a boolean.".to_owned());
    }
    if let Some(key) = INTS.into_iter().find(|key| present(key).is_some_and(|value| whole(value).is_none())) {
        return Some(format!("Retry policy: {key} must be a integer."));
    }
    let delay = |key: &str, default| policy.get(key).and_then(whole).unwrap_or(default);
    delays_fault(delay("minimum_delay", DEFAULT_MINIMUM), delay("maximum_delay", DEFAULT_MAXIMUM))
}

fn delays_fault(minimum: u64, maximum: u64) -> Option<String> {
    match maximum.checked_sub(minimum) {
        None => Some("minimum_delay must less than maximum_delay.".to_owned()),
        Some(span) if span < LEAST_SPAN => Some("invalid minimum_delay and maximum_delay.".to_owned()),
        Some(_) => None,
    }
}

/// An integer that is not negative.
fn whole(value: &Value) -> Option<u64> {
    value.as_i64().and_then(|value| u64::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_whole_and_not_negative() {
        for (policy, text) in [
            (r#"{"minimum_delay":-1}"#, "Retry policy: minimum_delay must be a integer."),
            (r#"{"maximum_delay_retries":true}"#, "Retry policy: maximum_delay_retries must be a integer."),
            (r#"{"retries_with_no_delay":1.0}"#, "Retry policy: retries_with_no_delay must be a integer."),
            (r#"{"ignore_subscription_override":"x"}"#, "ignore_subscription_override must be a boolean."),
            (r#"{"minimum_delay":21}"#, "invalid minimum_delay and maximum_delay."),
        ] {
            let value = crate::json::document(policy.as_bytes()).unwrap_or_default();
            assert_eq!(fault(&value).as_deref(), Some(text), "{policy}");
        }
        for policy in [r#"{"minimum_delay":0,"maximum_delay":null}"#, "{}", r#"{"minimum_delay":20}"#] {
            let value = crate::json::document(policy.as_bytes()).unwrap_or_default();
            assert_eq!(fault(&value), None, "{policy}");
        }
    }
}
