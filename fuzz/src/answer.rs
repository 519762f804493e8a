//! What must hold of any answer.

use serde_json::value::RawValue;

/// A JSON text of any depth, as it stands.
///
/// # Panics
/// It is none.
pub fn json(text: &[u8]) -> &RawValue {
    serde_json::from_slice(text)
        .unwrap_or_else(|error| panic!("an answer is no JSON ({error}): {}", String::from_utf8_lossy(text)))
}

/// A status that may be.
///
/// # Panics
/// It is none, or one of a failure within the host.
pub fn status(status: u16, answer: &[u8]) {
    assert!((200..600).contains(&status) && status != 500, "{status}: {}", String::from_utf8_lossy(answer));
}
