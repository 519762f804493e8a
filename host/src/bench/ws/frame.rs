//! Requests as frames, written without a tree.

use rmp::encode::{write_array_len, write_bool, write_map_len, write_str, write_uint};

use crate::bench::target::Form;

/// A request about a queue, as far as it is written.
pub struct Frame {
    form: Form,
    bytes: Vec<u8>,
}

/// The headers of every request, ready to be written.
pub fn headers(form: Form, headers: &[(String, String)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    match form {
        Form::Json => {
            let members = headers.iter().map(|(name, value)| format!("{}:{}", quoted(name), quoted(value)));
            bytes.extend_from_slice(format!("{{{}}}", members.collect::<Vec<_>>().join(",")).as_bytes());
        }
        Form::Msgpack => {
            // Writing to a Vec does not fail.
            let _ = write_map_len(&mut bytes, u32::try_from(headers.len()).unwrap_or(u32::MAX));
            for (name, value) in headers {
                let _ = write_str(&mut bytes, name);
                let _ = write_str(&mut bytes, value);
            }
        }
    }
    bytes
}

/// The request by which a connection proves who it is; its token is among the headers.
pub fn authenticate(form: Form, headers: &[u8]) -> Vec<u8> {
    let mut frame = Frame { form, bytes: Vec::new() };
    frame.head("authenticate", headers, false);
    match form {
        Form::Json => frame.text("}"),
        Form::Msgpack => {}
    }
    frame.bytes
}

impl Frame {
    /// A request for this action, with so many fields beside the queue's name.
    pub fn new(form: Form, action: &str, headers: &[u8], queue: &str, n_fields: u32) -> Frame {
        let mut frame = Frame { form, bytes: Vec::with_capacity(256) };
        frame.head(action, headers, true);
        match form {
            Form::Json => {
                frame.text(r#"{"queue_name":"#);
                frame.text(&quoted(queue));
            }
            Form::Msgpack => {
                let _ = write_map_len(&mut frame.bytes, n_fields + 1);
                let _ = write_str(&mut frame.bytes, "queue_name");
                let _ = write_str(&mut frame.bytes, queue);
            }
        }
        frame
    }

    /// Up to the value of the body, if there is one.
    fn head(&mut self, action: &str, headers: &[u8], has_body: bool) {
        match self.form {
            Form::Json => {
                self.text(r#"{"action":""#);
                self.text(action);
                self.text(r#"","headers":"#);
                self.bytes.extend_from_slice(headers);
                self.text(if has_body { r#","body":"# } else { "" });
            }
            Form::Msgpack => {
                let _ = write_map_len(&mut self.bytes, if has_body { 3 } else { 2 });
                let _ = write_str(&mut self.bytes, "action");
                let _ = write_str(&mut self.bytes, action);
                let _ = write_str(&mut self.bytes, "headers");
                self.bytes.extend_from_slice(headers);
                if has_body {
                    let _ = write_str(&mut self.bytes, "body");
                }
            }
        }
    }

    /// A field whose value is written already.
    pub fn raw(mut self, name: &str, value: &[u8]) -> Frame {
        self.name(name);
        self.bytes.extend_from_slice(value);
        self
    }

    pub fn number(mut self, name: &str, value: u64) -> Frame {
        self.name(name);
        match self.form {
            Form::Json => self.text(&value.to_string()),
            Form::Msgpack => drop(write_uint(&mut self.bytes, value)),
        }
        self
    }

    pub fn flag(mut self, name: &str, value: bool) -> Frame {
        self.name(name);
        match self.form {
            Form::Json => self.text(if value { "true" } else { "false" }),
            Form::Msgpack => drop(write_bool(&mut self.bytes, value)),
        }
        self
    }

    /// Texts that have commas between them.
    pub fn list(mut self, name: &str, texts: &str) -> Frame {
        self.name(name);
        match self.form {
            Form::Json => {
                let texts: Vec<_> = texts.split(',').map(quoted).collect();
                self.text(&format!("[{}]", texts.join(",")));
            }
            Form::Msgpack => {
                let _ = write_array_len(&mut self.bytes, u32::try_from(texts.split(',').count()).unwrap_or(u32::MAX));
                for text in texts.split(',') {
                    let _ = write_str(&mut self.bytes, text);
                }
            }
        }
        self
    }

    /// The whole request.
    pub fn finish(mut self) -> Vec<u8> {
        if self.form == Form::Json {
            self.text("}}");
        }
        self.bytes
    }

    fn name(&mut self, name: &str) {
        match self.form {
            Form::Json => {
                self.text(",\"");
                self.text(name);
                self.text("\":");
            }
            Form::Msgpack => drop(write_str(&mut self.bytes, name)),
        }
    }

    fn text(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }
}

/// A JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
