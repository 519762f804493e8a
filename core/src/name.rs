//! Names and ids that clients choose, parsed once (spec: REST §1.8–1.10).

use std::fmt;

use serde::{Deserialize, Serialize};
use sukkal_plugin_sdk::Request;

use crate::limits::{MAX_NAME, MAX_PROJECT};

/// What a name stands for: queues and topics are two name spaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Messages are claimed from it.
    #[default]
    Queue,
    /// A broadcast point, without claims (spec: REST §7).
    Topic,
}

/// Names a queue or a topic of a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Named<'a> {
    /// Which of the two.
    pub kind: Kind,
    /// The name.
    pub name: &'a str,
}

impl Kind {
    /// As it begins a sentence of the API.
    pub fn title(self) -> &'static str {
        match self {
            Kind::Queue => "Queue",
            Kind::Topic => "Topic",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Queue => "queue",
            Kind::Topic => "topic",
        })
    }
}

impl<'a> Named<'a> {
    /// What a request is about.
    pub fn of(request: &'a Request) -> Self {
        Named { kind: if request.is_topic() { Kind::Topic } else { Kind::Queue }, name: request.queue() }
    }

    /// A queue.
    pub fn queue(name: &'a str) -> Self {
        Named { kind: Kind::Queue, name }
    }
}

/// Whether a text is the name of a queue or topic: `[a-zA-Z0-9_.-]`, 1 to 64 characters.
pub fn is_queue_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    !text.is_empty() && text.len() <= MAX_NAME && text.bytes().all(allowed)
}

/// Whether a text is a project id: any characters, 1 to 256.
pub fn is_project(text: &str) -> bool {
    !text.is_empty() && (text.len() <= MAX_PROJECT || text.chars().count() <= MAX_PROJECT)
}

/// The one spelling of a UUID: 32 lower-case hex digits. Taken are any case, dashes anywhere,
/// braces around, `urn:uuid:` in front.
pub fn uuid(text: &str) -> Option<String> {
    let text = text.strip_prefix("urn:uuid:").unwrap_or(text).trim_matches(['{', '}']);
    let mut digits = String::with_capacity(32);
    for byte in text.bytes().filter(|byte| *byte != b'-') {
        if !byte.is_ascii_hexdigit() || digits.len() == 32 {
            return None;
        }
        digits.push(char::from(byte.to_ascii_lowercase()));
    }
    (digits.len() == 32).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_have_one_spelling() {
        let plain = "3381af922b9e11e3b19171861300734c";
        for text in [
            "3381af92-2b9e-11e3-b191-71861300734c",
            "3381AF92-2B9E-11E3-B191-71861300734C",
            "{3381af92-2b9e-11e3-b191-71861300734c}",
            "urn:uuid:3381af92-2b9e-11e3-b191-71861300734c",
            "3-3-8-1af922b9e11e3b19171861300734c",
            plain,
        ] {
            assert_eq!(uuid(text).as_deref(), Some(plain), "{text}");
        }
        for text in ["", "textid", "550893e0-2b6e-11e3-835a-5cf9dd72369", "3381af922b9e11e3b19171861300734cc", "é"] {
            assert_eq!(uuid(text), None, "{text}");
        }
    }

    #[test]
    fn queue_names_are_plain_ascii() {
        assert!(is_queue_name("a-b_c.D9") && is_queue_name(&"x".repeat(64)));
        for text in ["", "a b", "a/b", "a\n", "é", &"x".repeat(65)] {
            assert!(!is_queue_name(text), "{text:?}");
        }
    }
}
