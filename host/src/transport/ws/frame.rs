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

/// What a frame says.
pub struct Sent {
    /// How it was written.
    pub form: Form,
    /// As it came.
    pub payload: Bytes,
    /// As JSON.
    pub text: Bytes,
}

impl Sent {
    /// Reads a frame.
    ///
    /// # Errors
    /// It is MessagePack that has no JSON form; why, for its client.
    pub fn read(form: Form, payload: Bytes) -> Result<Sent, String> {
        let text = match form {
            Form::Text => payload.clone(),
            Form::Binary => msgpack::to_json(&payload).map_err(|reason| reason.to_string())?.into(),
        };
        Ok(Sent { form, payload, text })
    }

    /// How many bytes it takes in memory.
    pub fn size(&self) -> usize {
        match self.form {
            Form::Text => self.text.len(),
            Form::Binary => self.payload.len() + self.text.len(),
        }
    }
}

/// The frame of an answer; none is one that a filter has made unreadable.
pub fn message(form: Form, answer: Option<Vec<u8>>) -> Message {
    match form {
        Form::Text => {
            let text = answer.and_then(|json| Utf8Bytes::try_from(Bytes::from(json)).ok());
            Message::Text(text.unwrap_or(Utf8Bytes::from_static(BROKEN)))
        }
        Form::Binary => {
            let packed = answer.or_else(|| msgpack::from_json(BROKEN).ok());
            Message::Binary(packed.unwrap_or_default().into())
        }
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
        assert_eq!(message(Form::Text, Some(vec![0xff])), Message::Text(BROKEN.into()));
        let Message::Binary(packed) = message(Form::Binary, None) else { panic!("a binary frame") };
        assert_eq!(msgpack::to_json(&packed).as_deref(), Ok(BROKEN));
    }
}
