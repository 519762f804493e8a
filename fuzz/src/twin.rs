//! The same request as text and as MessagePack, which must come to the same.

use std::collections::HashMap;

use rmpv::Value as Packed;
use serde_json::Value;

use crate::steps;

/// The longest input that is tried in both encodings. Limits are counted in bytes, of which one has more than the other:
/// none is near.
const LONGEST: usize = 8 * 1024;

/// What is shared by all projects, or is about the bytes of a text: not the same twice.
const APART: [&str; 3] = ["_max_messages_post_size", "pool_", "flavor_"];

/// Whether all requests of an input can be asked in MessagePack too, by a project that knows only those.
pub fn is_possible(input: &[u8]) -> bool {
    let steps = steps::of(input);
    let requests = steps.iter().filter(|step| steps::pause(step).is_none());
    input.len() <= LONGEST && requests.into_iter().all(|step| is_one(step))
}

fn is_one(step: &[u8]) -> bool {
    let Ok(request) = serde_json::from_slice::<Value>(step) else { return false };
    // Names of serde's own mean something to it.
    let is_plain = !String::from_utf8_lossy(step).contains("serde_json");
    // With its escapes undone.
    let text = request.to_string();
    is_plain && !APART.iter().any(|word| text.contains(word)) && packed(&request).is_some() && is_of_the_run(&request)
}

/// Whether no header names another project, or a key by which the request's bytes are remembered.
fn is_of_the_run(request: &Value) -> bool {
    let Some(headers) = request.get("headers").and_then(Value::as_object) else { return true };
    headers.iter().all(|(name, value)| match name.to_ascii_lowercase().as_str() {
        "x-project-id" | "x-tenant-id" => value.as_str().is_none_or(|project| project == steps::PROJECT),
        "idempotency-key" => false,
        _ => true,
    })
}

/// A request's text in MessagePack; none where that has no form for it.
pub fn of(text: &[u8]) -> Option<Vec<u8>> {
    let object = packed(&serde_json::from_slice(text).ok()?)?;
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, &object).ok()?;
    Some(bytes)
}

/// A JSON value in MessagePack; none where it has no form: an integer beyond 64 bits, a float beyond a
/// double's range.
pub fn packed(value: &Value) -> Option<Packed> {
    Some(match value {
        Value::Null => Packed::Nil,
        Value::Bool(flag) => (*flag).into(),
        Value::String(text) => text.as_str().into(),
        Value::Array(elements) => Packed::Array(elements.iter().map(packed).collect::<Option<_>>()?),
        Value::Object(members) => {
            let member = |(key, value): (&String, &Value)| Some((key.as_str().into(), packed(value)?));
            Packed::Map(members.iter().map(member).collect::<Option<_>>()?)
        }
        Value::Number(number) if number.to_string().contains(['.', 'e', 'E']) => {
            Packed::F64(number.as_f64().filter(|float| float.is_finite())?)
        }
        Value::Number(number) => number.as_i64()?.into(),
    })
}

/// The JSON value of MessagePack, of doubled keys the last; none where it has none.
pub fn unpacked(value: &Packed) -> Option<Value> {
    Some(match value {
        Packed::Nil => Value::Null,
        Packed::Boolean(flag) => (*flag).into(),
        Packed::Integer(int) => int.as_i64()?.into(),
        Packed::F32(float) => Value::Number(serde_json::Number::from_f64((*float).into())?),
        Packed::F64(float) => Value::Number(serde_json::Number::from_f64(*float)?),
        Packed::String(text) => text.as_str()?.into(),
        Packed::Array(elements) => Value::Array(elements.iter().map(unpacked).collect::<Option<_>>()?),
        Packed::Map(members) => {
            let mut last = HashMap::new();
            for (key, value) in members {
                // What has no form of its own does no harm where it does not count.
                last.insert(key.as_str()?.to_owned(), unpacked(value));
            }
            Value::Object(last.into_iter().map(|(key, value)| Some((key, value?))).collect::<Option<_>>()?)
        }
        Packed::Binary(_) | Packed::Ext(..) => return None,
    })
}
