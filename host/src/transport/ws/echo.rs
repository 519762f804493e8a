//! What of a request comes back with its answer.

use bytes::Bytes;
use rmp::encode::{write_str, write_uint};
use sukkal_core::json::Fault;
use tokio_tungstenite::tungstenite::protocol::Message;

use super::envelope::{Envelope, Part, Value};
use super::frame::{self, Form, Sent};
use super::msgpack::{append_json, from_json, written};
use super::pieces::{self, Pieces};
use crate::transport::json::Json;

/// Pieces of the request, as sent; none where there was none.
#[derive(Clone, Debug)]
pub struct Echo {
    form: Form,
    pieces: Pieces,
}

/// What a client proves itself by does not come back.
const SECRETS: [&str; 2] = ["x-auth-token", "url-signature"];
const HIDDEN: &str = "***";

impl Echo {
    /// Of a request of which nothing is known but its form.
    pub fn none(form: Form) -> Echo {
        Echo { form, pieces: Pieces::default() }
    }

    /// Of a request that was taken apart; of authenticate the action alone comes back.
    pub fn of(sent: &Sent, envelope: &Envelope<'_>) -> Echo {
        let slice = |value: Value<'_>| sent.text.slice_ref(value.raw().as_bytes());
        let mut pieces = match sent.form {
            Form::Text => Pieces {
                action: envelope.action.map(slice),
                headers: envelope.headers.as_ref().map(|headers| slice(headers.value)),
                body: envelope.body.as_ref().map(|body| slice(body.value)),
            },
            Form::Binary => pieces::packed(&sent.payload),
        };
        if envelope.action.is_some_and(|action| action.raw() == r#""authenticate""#) {
            pieces = Pieces { action: pieces.action, ..Pieces::default() };
        } else if let Some(changed) = envelope.headers.as_ref().and_then(hidden) {
            pieces.headers = match sent.form {
                Form::Text => Some(changed.into()),
                Form::Binary => from_json(&changed).ok().map(Bytes::from),
            };
        }
        Echo { form: sent.form, pieces }
    }

    /// How many bytes a member of the body has, as it came.
    pub fn size_of(&self, name: &str, body: &Part<'_>) -> Option<usize> {
        match self.form {
            Form::Text => body.get(name).map(|value| value.raw().len()),
            Form::Binary => self.pieces.body.as_deref().and_then(|body| pieces::size_of(body, name)),
        }
    }

    /// The whole answer: what was asked, the status, and the body, which is JSON or empty.
    pub fn answer(&self, status: u16, retry_after: Option<&str>, body: &[u8]) -> Message {
        let body: &[u8] = if body.is_empty() { b"{}" } else { body };
        let answer = match self.form {
            Form::Text => Some(self.json(status, retry_after, body)),
            Form::Binary => self.packed(status, retry_after, body).ok(),
        };
        frame::message(self.form, answer)
    }

    fn json(&self, status: u16, retry_after: Option<&str>, body: &[u8]) -> Vec<u8> {
        let [action, headers, sent] = self.pieces(b"null", b"{}");
        let mut json = Json::with_capacity(128 + action.len() + sent.len() + headers.len() + body.len());
        json.raw(r#"{"request":{"action":"#).raw(action).raw(r#","body":"#).raw(sent);
        json.raw(r#","headers":"#).raw(headers).raw(r#","api":"v2"},"headers":{"status":"#).number(status.into());
        if let Some(seconds) = retry_after {
            json.raw(r#","Retry-After":"#).value(seconds);
        }
        json.raw(r#"},"body":"#).raw(body).raw("}");
        json.finish()
    }

    /// The same in MessagePack, member by member.
    fn packed(&self, status: u16, retry_after: Option<&str>, body: &[u8]) -> Result<Vec<u8>, Fault> {
        const NIL: &[u8] = b"\xc0";
        const EMPTY: &[u8] = b"\x80";
        let [action, headers, sent] = self.pieces(NIL, EMPTY);
        let mut out = Vec::with_capacity(128 + action.len() + sent.len() + headers.len() + body.len());
        for piece in [&b"\x83\xa7request\x84\xa6action"[..], action, b"\xa4body", sent, b"\xa7headers", headers] {
            out.extend_from_slice(piece);
        }
        out.extend_from_slice(b"\xa3api\xa2v2\xa7headers");
        out.extend_from_slice(if retry_after.is_some() { b"\x82\xa6status" } else { b"\x81\xa6status" });
        written(write_uint(&mut out, status.into()))?;
        if let Some(seconds) = retry_after {
            out.extend_from_slice(b"\xabRetry-After");
            written(write_str(&mut out, seconds))?;
        }
        out.extend_from_slice(b"\xa4body");
        let body = std::str::from_utf8(body).map_err(|_| Fault::Syntax)?;
        append_json(&mut out, body).map(|()| out)
    }

    fn pieces<'a>(&'a self, no_action: &'a [u8], no_part: &'a [u8]) -> [&'a [u8]; 3] {
        let Pieces { action, headers, body } = &self.pieces;
        let or = |piece: &'a Option<Bytes>, none| piece.as_deref().unwrap_or(none);
        [or(action, no_action), or(headers, no_part), or(body, no_part)]
    }
}

/// The headers without what must not come back, if there is any of it.
fn hidden(headers: &Part<'_>) -> Option<String> {
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
    String::from_utf8(json.finish()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::ws::{envelope, msgpack};

    fn answer(form: Form, payload: impl Into<Bytes>, status: u16, retry_after: Option<&str>, body: &str) -> Message {
        let sent = Sent::read(form, payload.into()).unwrap();
        let read = envelope::read(std::str::from_utf8(&sent.text).unwrap()).unwrap().unwrap();
        Echo::of(&sent, &read).answer(status, retry_after, body.as_bytes())
    }

    fn answered(text: &'static str, status: u16, body: &str) -> String {
        let plain = answer(Form::Text, text, status, None, body).into_text().unwrap().to_string();
        assert_eq!(packed_answer(text, status, None, body), msgpack::from_json(&plain).unwrap());
        plain
    }

    fn packed_answer(text: &str, status: u16, retry_after: Option<&str>, body: &str) -> Bytes {
        answer(Form::Binary, from_json(text).unwrap(), status, retry_after, body).into_data()
    }

    #[test]
    fn a_request_comes_back_as_sent() {
        assert_eq!(
            answered(r#"{"headers":{"A" : 1.0},"body":{"b": [ ]},"action":"x"}"#, 200, "[]"),
            r#"{"request":{"action":"x","body":{"b": [ ]},"headers":{"A" : 1.0},"api":"v2"},"headers":{"status":200},"body":[]}"#
        );
        let nothing = r#"{"request":{"action":null,"body":{},"headers":{},"api":"v2"},"headers":{"status":400,"Retry-After":"5"},"body":{}}"#;
        assert_eq!(Echo::none(Form::Text).answer(400, Some("5"), b"").into_text().unwrap(), nothing);
        let packed = Echo::none(Form::Binary).answer(400, Some("5"), b"").into_data();
        assert_eq!(msgpack::to_json(&packed).as_deref(), Ok(nothing));
    }

    #[test]
    fn a_packed_request_comes_back_byte_for_byte() {
        // A short float, a long form of a small number, a long form of a short text.
        let body = b"\x83\xa1f\xca\x3f\x80\x00\x00\xa1n\xd1\x00\x05\xa1s\xda\x00\x01x";
        let request = [&b"\x82\xa6action\xa1a\xa4body"[..], body].concat();
        let Message::Binary(answer) = answer(Form::Binary, request, 200, None, "") else { panic!("a binary frame") };
        assert!(answer.windows(body.len()).any(|window| window == body), "{answer:x?}");
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
