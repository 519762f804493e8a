//! `queue_share`: signs a URL by which others may use some of a queue's paths (spec: auth and
//! policy, Pre-signed URLs). The queue need not exist.

use std::time::Duration;

use serde_json::Value;
use sukkal_plugin_sdk::{Request, Timestamp};

use crate::action::no_body;
use crate::answer::{Answer, Object};
use crate::engine::Context;
use crate::error::{Error, Result};
use crate::metadata::is_empty;
use crate::signed_url::{Grant, UrlSigner};
use crate::stop::Stop;
use crate::{instant, json};

/// What can be shared of a queue.
const PATHS: [&str; 3] = ["messages", "claims", "subscriptions"];
const KEYS: [&str; 3] = ["paths", "methods", "expires"];
/// How long a URL is good where nothing is said.
const DEFAULT_LIFE: Duration = Duration::from_secs(86_400);

pub(crate) fn run(context: &Context<'_>, request: &Request) -> Result<Answer, Stop> {
    let body = request.has_body().then(|| request.body()).filter(|body| !body.is_empty()).ok_or_else(no_body)?;
    let document = json::object(body)?;
    let now = context.service.now();
    let (signer, grant) = decode(&document, context.url_signer(), request.queue(), request.project(), now)?;
    Ok(Answer::Shared(signer.sign(grant)))
}

/// Reads and checks in the order of the spec, in which the key comes in the middle.
fn decode<'a>(
    document: &Object,
    signer: Option<&'a UrlSigner>,
    queue: &str,
    project: &str,
    now: Timestamp,
) -> Result<(&'a UrlSigner, Grant)> {
    let unknown: Vec<Value> =
        document.keys().filter(|key| !KEYS.contains(&key.as_str())).map(|key| key.as_str().into()).collect();
    if !unknown.is_empty() {
        return Err(Error::value(format!("Unknown keys: {}", set(&unknown))));
    }
    let paths = paths(document.get("paths"))?;
    let signer = signer.ok_or_else(|| Error::value("The `key` can't be None"))?;
    let methods = methods(document.get("methods"))?;
    let expires = expires(document.get("expires"), now)?;
    let paths = paths.into_iter().map(|path| format!("/v2/queues/{queue}/{path}")).collect();
    Ok((signer, Grant::new(paths, methods, project, expires)))
}

/// The paths to be shared, each once. None are given: the messages.
fn paths(value: Option<&Value>) -> Result<Vec<&'static str>> {
    let Some(value) = value.filter(|value| !is_empty(value)) else { return Ok(vec![PATHS[0]]) };
    let asked = value.as_array().ok_or_else(|| Error::value("`paths` must be a non-empty list"))?;
    let invalid: Vec<Value> = asked.iter().filter(|path| !PATHS.iter().any(|known| *path == known)).cloned().collect();
    if !invalid.is_empty() {
        return Err(Error::value(format!("Invalid paths: {}", set(&invalid))));
    }
    Ok(PATHS.into_iter().filter(|path| asked.iter().any(|asked| asked == path)).collect())
}

/// The methods to be allowed: any texts, but for the one character that takes part in how grants are
/// written down before they are signed.
fn methods(value: Option<&Value>) -> Result<Vec<String>> {
    let Some(value) = value.filter(|value| !is_empty(value)) else { return Ok(vec!["GET".to_owned()]) };
    let texts: Option<Vec<&str>> = value.as_array().and_then(|list| list.iter().map(Value::as_str).collect());
    let texts = texts.ok_or_else(|| Error::value("`methods` should be a list"))?;
    if texts.iter().any(|text| text.contains('\\')) {
        return Err(Error::value("`methods` must not contain a backslash"));
    }
    Ok(texts.into_iter().map(str::to_owned).collect())
}

/// When the URL is to end.
fn expires(value: Option<&Value>, now: Timestamp) -> Result<Timestamp> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(now.after(DEFAULT_LIFE)) };
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if let Some(integer) = whole(value) {
        let text =
            format!("`expires` should be date format, for example 2016-01-01T00:00:00, not integer value: {integer}");
        return Err(Error::value(text));
    }
    let end = instant::parse(&text).ok_or_else(|| Error::value(format!("Unable to parse date string '{text}'")))?;
    if end <= now {
        return Err(Error::value("`expires` is lower than the current time"));
    }
    Ok(end)
}

/// The integer that a client gave for a date: a number, or a text that is one.
fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|float| float as i64)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Values as the original prints a set of them: texts in single quotes.
fn set(values: &[Value]) -> String {
    let shown = values.iter().map(|value| match value.as_str() {
        Some(text) => format!("'{text}'"),
        None => value.to_string(),
    });
    format!("{{{}}}", shown.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-01T00:00:00, the clock of the vectors.
    const NOW: Timestamp = Timestamp(1_767_225_600_000);

    fn refusal(body: &str, key: &str) -> Option<String> {
        let document = json::object(body.as_bytes()).unwrap_or_default();
        decode(&document, UrlSigner::new(key).as_ref(), "q", "p1", NOW).err().map(|error| error.message)
    }

    #[test]
    fn the_vectors_hold() {
        let vectors = json::object(include_str!("../../../../tests/vectors/signatures.json").as_bytes());
        let vectors = vectors.unwrap_or_default();
        let refused = vectors["refused"].as_array().map(Vec::as_slice).unwrap_or_default();
        for case in refused {
            let (body, key) = match case["name"].as_str().unwrap_or_default() {
                "no key" => ("{}", ""),
                // Sukkal takes an empty list for none.
                "paths empty" => continue,
                "paths not a list" => (r#"{"paths":"messages"}"#, "k"),
                "methods not a list" => (r#"{"methods":"GET"}"#, "k"),
                "integer expiry" => (r#"{"expires":1893456000}"#, "k"),
                "integer expiry as text" => (r#"{"expires":"1893456000"}"#, "k"),
                "float expiry" => (r#"{"expires":1.5}"#, "k"),
                "not a date" => (r#"{"expires":"foo"}"#, "k"),
                "past" => (r#"{"expires":"2025-12-31T23:59:59"}"#, "k"),
                "now" => (r#"{"expires":"2026-01-01T00:00:00"}"#, "k"),
                other => panic!("a case of the vectors is not tried: {other}"),
            };
            assert_eq!(refusal(body, key).as_deref(), case["error"].as_str(), "{body}");
        }
        assert_eq!(refused.len(), 10);
    }

    #[test]
    fn refusals_come_in_the_order_of_the_spec() {
        let all = r#"{"k":1,"paths":["p"],"methods":5,"expires":"foo"}"#;
        assert_eq!(refusal(all, "").as_deref(), Some("Unknown keys: {'k'}"));
        let body = all.replace(r#""k":1,"#, "");
        assert_eq!(refusal(&body, "").as_deref(), Some("Invalid paths: {'p'}"));
        let body = body.replace(r#"["p"]"#, r#"["claims"]"#);
        assert_eq!(refusal(&body, "").as_deref(), Some("The `key` can't be None"));
        assert_eq!(refusal(&body, "k").as_deref(), Some("`methods` should be a list"));
        let body = body.replace("5", "[]");
        assert_eq!(refusal(&body, "k").as_deref(), Some("Unable to parse date string 'foo'"));
        assert_eq!(refusal(r#"{"paths":[],"methods":null,"expires":null}"#, "k"), None);
        assert_eq!(
            refusal(r#"{"methods":["GET\\nvictim"]}"#, "k").as_deref(),
            Some("`methods` must not contain a backslash")
        );
    }
}
