//! What of a request comes back with its answer.

use bytes::Bytes;

use super::envelope::{Envelope, Part, Value};
use crate::transport::json::Json;

/// Pieces of the request's text, as sent; none where there was none.
#[derive(Clone, Debug, Default)]
pub struct Echo {
    action: Option<Bytes>,
    headers: Option<Bytes>,
    body: Option<Bytes>,
}

/// What a client proves itself by does not come back.
const SECRETS: [&str; 2] = ["x-auth-token", "url-signature"];
const HIDDEN: &str = "***";

impl Echo {
    /// Of a request that was taken apart; of authenticate the action alone comes back.
    pub fn of(text: &Bytes, envelope: &Envelope<'_>) -> Echo {
        let slice = |value: Value<'_>| text.slice_ref(value.raw().as_bytes());
        let action = envelope.action.map(slice);
        if envelope.action.is_some_and(|action| action.raw() == r#""authenticate""#) {
            return Echo { action, ..Echo::default() };
        }
        let headers = envelope.headers.as_ref().map(|headers| match hidden(headers) {
            Some(changed) => changed.into(),
            None => slice(headers.value),
        });
        Echo { action, headers, body: envelope.body.as_ref().map(|body| slice(body.value)) }
    }

    /// The whole answer: what was asked, the status, and the body, which is JSON or empty.
    pub fn answer(&self, status: u16, retry_after: Option<&str>, body: &[u8]) -> Vec<u8> {
        let piece =
            |piece: &Option<Bytes>, none: &'static str| piece.clone().unwrap_or(Bytes::from_static(none.as_bytes()));
        let (action, sent, headers) =
            (piece(&self.action, "null"), piece(&self.body, "{}"), piece(&self.headers, "{}"));
        let mut json = Json::with_capacity(128 + action.len() + sent.len() + headers.len() + body.len());
        json.raw(r#"{"request":{"action":"#).raw(&action).raw(r#","body":"#).raw(&sent);
        json.raw(r#","headers":"#).raw(&headers).raw(r#","api":"v2"},"headers":{"status":"#).number(status.into());
        if let Some(seconds) = retry_after {
            json.raw(r#","Retry-After":"#).value(seconds);
        }
        json.raw(r#"},"body":"#).raw(if body.is_empty() { b"{}" } else { body }).raw("}");
        json.finish()
    }
}

/// The headers without what must not come back, if there is any of it.
fn hidden(headers: &Part<'_>) -> Option<Vec<u8>> {
    let is_secret = |name: &str| SECRETS.iter().any(|secret| name.eq_ignore_ascii_case(secret));
    if !headers.members.iter().any(|(name, _)| is_secret(name)) {
        return None;
    }
    let mut json = Json::default();
    json.raw("{");
    for (index, (name, value)) in headers.members.iter().enumerate() {
        json.raw(if index == 0 { "" } else { "," }).value(name).raw(":");
        match is_secret(name) {
            true => json.value(HIDDEN),
            false => json.raw(value.raw()),
        };
    }
    json.raw("}");
    Some(json.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::ws::envelope;

    fn answered(text: &'static str, status: u16, body: &str) -> String {
        let text = Bytes::from_static(text.as_bytes());
        let read = envelope::read(std::str::from_utf8(&text).unwrap()).unwrap().unwrap();
        String::from_utf8(Echo::of(&text, &read).answer(status, None, body.as_bytes())).unwrap()
    }

    #[test]
    fn a_request_comes_back_as_sent() {
        assert_eq!(
            answered(r#"{"headers":{"A" : 1.0},"body":{"b": [ ]},"action":"x"}"#, 200, "[]"),
            r#"{"request":{"action":"x","body":{"b": [ ]},"headers":{"A" : 1.0},"api":"v2"},"headers":{"status":200},"body":[]}"#
        );
        assert_eq!(
            String::from_utf8(Echo::default().answer(400, Some("5"), b"")).unwrap(),
            r#"{"request":{"action":null,"body":{},"headers":{},"api":"v2"},"headers":{"status":400,"Retry-After":"5"},"body":{}}"#
        );
    }

    #[test]
    fn what_a_client_proves_itself_by_does_not_come_back() {
        let text = r#"{"action":"x","headers":{"X-Auth-Tok\u0065n":"s3cret","url-signature":"s3cret","A":"b","X-AUTH-TOKEN":["s3cret"]}}"#;
        let answer = answered(text, 200, "");
        assert!(!answer.contains("s3cret"), "{answer}");
        assert!(answer.contains(r#""A":"b""#), "{answer}");
        let text = r#"{"action":"authenticate","headers":{"X-Auth-Token":"s3cret"},"body":{"a":1}}"#;
        assert!(
            answered(text, 200, "")
                .starts_with(r#"{"request":{"action":"authenticate","body":{},"headers":{},"api":"v2"}"#)
        );
    }
}
