//! Frames and the JSON text that they stand for.

use bytes::Bytes;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::Message;

use super::msgpack;

/// How a frame is written. An answer has the form of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// JSON.
    Text,
    /// MessagePack.
    Binary,
}

impl Form {
    /// As the API calls it.
    pub fn name(self) -> &'static str {
        match self {
            Form::Text => "text (JSON)",
            Form::Binary => "binary (MessagePack)",
        }
    }
}

/// The JSON text of a frame.
///
/// # Errors
/// It is MessagePack that has none; why, for its client.
pub fn text(form: Form, payload: Bytes) -> Result<Bytes, String> {
    match form {
        Form::Text => Ok(payload),
        Form::Binary => msgpack::to_json(&payload).map(Bytes::from).map_err(|reason| reason.to_string()),
    }
}

/// The frame of a JSON text.
pub fn message(form: Form, json: Vec<u8>) -> Message {
    let text = match Utf8Bytes::try_from(Bytes::from(json)) {
        Ok(text) => text,
        // Only where a filter made a body that is no text.
        Err(_) => Utf8Bytes::from_static(BROKEN),
    };
    match form {
        Form::Text => Message::Text(text),
        Form::Binary => Message::Binary(match msgpack::from_json(&text) {
            Ok(packed) => packed.into(),
            Err(_) => msgpack::from_json(BROKEN).unwrap_or_default().into(),
        }),
    }
}

/// Stands for an answer that a filter has made unreadable.
const BROKEN: &str = concat!(
    r#"{"request":{"action":null,"body":{},"headers":{},"api":"v2"},"headers":{"status":500},"#,
    r#""body":{"exception":"Unexpected error.","error":"Unexpected error."}}"#
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_a_filter_broke_is_told_as_such() {
        assert_eq!(message(Form::Text, vec![0xff]), Message::Text(BROKEN.into()));
        let Message::Binary(packed) = message(Form::Binary, b"{".to_vec()) else { panic!("a binary frame") };
        assert_eq!(msgpack::to_json(&packed).as_deref(), Ok(BROKEN));
    }
}
