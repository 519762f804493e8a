//! What the reserved keys may hold.

use serde_json::Value;

use super::*;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::MIN_TTL;
use crate::name::is_queue_name;

/// Checks the metadata of the queue of a name, key by key in the order of the spec. Null and absent
/// skip each check. `kind` is that of every refusal: `BadValue` on PUT, `BadBody` on PATCH.
///
/// # Errors
/// Of that kind. That a dead letter queue exists is the directory's to see to.
pub(crate) fn check(queue: &str, object: &Object, limits: &Limits, kind: ErrorKind) -> Result<()> {
    fault(queue, object, limits).map_or(Ok(()), |message| Err(Error::new(kind, message)))
}

/// The first fault.
fn fault(queue: &str, object: &Object, limits: &Limits) -> Option<String> {
    let max_ttl = limits.max_message_ttl;
    let max_size = limits.max_messages_post_size;
    let max_delay = limits.max_message_delay;
    let range = |key, range, text: String| int_fault(object, key, range, text);
    range(
        DEFAULT_TTL,
        MIN_TTL..=max_ttl,
        format!("{DEFAULT_TTL} can not exceed {max_ttl} seconds, and must be at least {MIN_TTL} seconds long."),
    )
    .or_else(|| {
        let text = format!("{MAX_POST_SIZE} can not exceed {max_size},  and must be at least greater than 0.");
        range(MAX_POST_SIZE, 1..=max_size, text)
    })
    .or_else(|| range(MAX_CLAIM_COUNT, 0..=i64::MAX.unsigned_abs(), not_an_int(MAX_CLAIM_COUNT)))
    .or_else(|| range(DEAD_LETTER_TTL, MIN_TTL..=max_ttl, message_ttl_text(limits)))
    .or_else(|| {
        let text = format!("The TTL can not exceed {max_delay} seconds, and must be at least 0 seconds long.");
        range(DEFAULT_DELAY, 0..=max_delay, text)
    })
    .or_else(|| match present(object, ENCRYPT) {
        None | Some(Value::Bool(_)) => None,
        Some(_) => Some(format!("{ENCRYPT} must be boolean.")),
    })
    .or_else(|| match present(object, FLAVOR) {
        None | Some(Value::String(_)) => None,
        Some(_) => Some(format!("{FLAVOR} must be the name of a flavor.")),
    })
    .or_else(|| present(object, RETRY_POLICY).and_then(retry_policy::fault))
    .or_else(|| present(object, DEAD_LETTER_QUEUE).and_then(|value| dead_letter_queue_fault(queue, value)))
}

/// The refusal of a message's ttl (spec: REST §4).
pub(crate) fn message_ttl_text(limits: &Limits) -> String {
    let max = limits.max_message_ttl;
    format!("The TTL for a message may not exceed {max} seconds, and must be at least {MIN_TTL} seconds long.")
}

fn present<'a>(object: &'a Object, key: &str) -> Option<&'a Value> {
    object.get(key).filter(|value| !value.is_null())
}

fn not_an_int(key: &str) -> String {
    format!("{key} must be integer.")
}

fn int_fault(object: &Object, key: &str, range: std::ops::RangeInclusive<u64>, out_of_range: String) -> Option<String> {
    let Some(value) = present(object, key)?.as_i64() else {
        return Some(not_an_int(key));
    };
    let within = u64::try_from(value).is_ok_and(|value| range.contains(&value));
    (!within).then_some(out_of_range)
}

fn dead_letter_queue_fault(queue: &str, value: &Value) -> Option<String> {
    let name = match value.as_str() {
        Some("") => return None,
        Some(name) => name,
        None => return Some(format!("{DEAD_LETTER_QUEUE} must be the name of a queue.")),
    };
    if !is_queue_name(name) {
        return Some(format!("{DEAD_LETTER_QUEUE} must be the name of a queue."));
    }
    (name == queue).then(|| format!("{DEAD_LETTER_QUEUE} must be another queue than {queue} itself."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(text: &str) -> Result<(), String> {
        let object = crate::json::object(text.as_bytes()).map_err(|error| error.message)?;
        check("q", &object, &Limits::default(), ErrorKind::BadValue).map_err(|error| error.message)
    }

    /// The metadata checks among the vectors: each is the PUT of a body.
    #[test]
    fn the_vectors_hold() {
        let vectors = crate::json::object(include_str!("../../../tests/vectors/requests.json").as_bytes());
        let vectors = vectors.unwrap_or_default();
        let mut seen = 0;
        for case in vectors["cases"].as_array().map(Vec::as_slice).unwrap_or_default() {
            let Some(body) = case["request"]["body"].as_str().filter(|body| body.starts_with("{\"_")) else { continue };
            if case["request"]["method"] != "PUT" {
                continue;
            }
            let expected = case.get("sukkal").unwrap_or(&case["original"]);
            let description = expected["description"].as_str().map(str::to_owned);
            assert_eq!(verdict(body).err(), description, "{body}");
            seen += 1;
        }
        assert!(seen > 30, "{seen}");
    }

    #[test]
    fn a_flavor_is_a_name() {
        for name in ["\"gold\"", "\"\"", "null"] {
            assert_eq!(verdict(&format!("{{\"_flavor\":{name}}}")), Ok(()), "{name}");
        }
        for name in ["1", "false", "{}"] {
            assert!(verdict(&format!("{{\"_flavor\":{name}}}")).is_err(), "{name}");
        }
    }

    #[test]
    fn a_dead_letter_queue_is_another_queue() {
        for name in ["\"d\"", "\"\"", "null"] {
            assert_eq!(verdict(&format!("{{\"_dead_letter_queue\":{name}}}")), Ok(()), "{name}");
        }
        for name in ["\"q\"", "\"a b\"", "1", "true", "[]"] {
            assert!(verdict(&format!("{{\"_dead_letter_queue\":{name}}}")).is_err(), "{name}");
        }
    }
}
