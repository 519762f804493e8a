//! JSON written by hand into one buffer: bodies of messages are spliced in as they were posted.

use std::fmt::Display;
use std::io::Write as _;

use serde::Serialize;
use sukkal_plugin_sdk::Response;

/// A growing JSON text. Keys are the caller's own words and need no escapes.
#[derive(Default)]
pub struct Json(Vec<u8>);

impl Json {
    /// An empty text with room for so many bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Json(Vec::with_capacity(capacity))
    }

    /// Adds text as it is.
    pub fn raw(&mut self, text: impl AsRef<[u8]>) -> &mut Self {
        self.0.extend_from_slice(text.as_ref());
        self
    }

    /// Adds what shows itself as text that needs no escapes: ids, names that passed admission.
    pub fn shown(&mut self, text: impl Display) -> &mut Self {
        // Writing to a Vec does not fail.
        let _ = write!(self.0, "{text}");
        self
    }

    /// Adds a number, a string, or any other value.
    pub fn value(&mut self, value: &(impl Serialize + ?Sized)) -> &mut Self {
        // Fails for maps whose keys are no strings; there are none here.
        if serde_json::to_writer(&mut self.0, value).is_err() {
            self.0.extend_from_slice(b"null");
        }
        self
    }

    /// Adds a whole number.
    pub fn number(&mut self, number: u64) -> &mut Self {
        self.value(&number)
    }

    /// Adds items, with commas between.
    pub fn list<T>(&mut self, items: impl IntoIterator<Item = T>, mut add: impl FnMut(&mut Self, T)) -> &mut Self {
        self.0.push(b'[');
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.0.push(b',');
            }
            add(self, item);
        }
        self.0.push(b']');
        self
    }

    /// The finished text.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// An answer whose body is what is written, in about so many bytes.
pub fn json(status: u16, capacity: usize, write: impl FnOnce(&mut Json) -> &mut Json) -> Response {
    let mut json = Json::with_capacity(capacity);
    write(&mut json);
    Response::json(status, json.finish())
}
