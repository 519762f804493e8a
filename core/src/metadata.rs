//! A queue's metadata: what the reserved keys mean, what they may hold (spec: REST §3).

mod check;
mod retry_policy;

use serde_json::{Number, Value};

use crate::answer::Object;
use crate::limits::Limits;
use crate::name::Kind;

pub(crate) use check::{check, message_ttl_text};
pub(crate) use retry_policy::fault as retry_policy_fault;

/// A queue's metadata, with what the service itself reads of them.
///
/// Read leniently: a value that [`check`] would refuse counts as absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    /// As stored.
    pub object: Object,
    /// Largest body of a post, in bytes.
    pub max_post_size: Option<u64>,
    /// Life of a message that names none, in seconds.
    pub default_ttl: Option<u64>,
    /// Delay of a message that names none, in seconds; zero is a value like others.
    pub default_delay: Option<u64>,
    /// The queue that is named for dead letters, whether or not any message becomes one.
    pub dead_letter_queue: Option<String>,
    /// When and where messages become dead letters.
    pub dead_letter: Option<DeadLetterMeta>,
    /// Whether messages are encrypted at rest.
    pub encrypt: bool,
    /// The flavor that chose the queue's pool.
    pub flavor: Option<String>,
}

/// When and where messages become dead letters (spec: semantics, Dead letters).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterMeta {
    /// The dead letter queue's name, in the same project.
    pub queue: String,
    /// How many claims a message may have; at least 1.
    pub max_claims: u32,
    /// The life of a dead letter, in seconds; none: what is left of its own.
    pub ttl: Option<u64>,
}

impl Metadata {
    /// Reads stored metadata. Topics have no claims, and so no dead letters.
    pub fn of(kind: Kind, object: Object) -> Metadata {
        let number = |key: &str| object.get(key).and_then(Value::as_u64);
        let positive = |key: &str| number(key).filter(|value| *value > 0);
        let text = |key: &str| object.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let dead_letter_queue = text(DEAD_LETTER_QUEUE).filter(|_| kind == Kind::Queue).map(str::to_owned);
        let dead_letter = dead_letter_queue.clone().zip(positive(MAX_CLAIM_COUNT)).map(|(queue, max_claims)| {
            let max_claims = u32::try_from(max_claims).unwrap_or(u32::MAX);
            DeadLetterMeta { queue, max_claims, ttl: positive(DEAD_LETTER_TTL) }
        });
        Metadata {
            max_post_size: positive(MAX_POST_SIZE),
            default_ttl: positive(DEFAULT_TTL),
            default_delay: number(DEFAULT_DELAY),
            dead_letter_queue,
            dead_letter,
            encrypt: object.get(ENCRYPT) == Some(&Value::Bool(true)),
            flavor: text(FLAVOR).map(str::to_owned),
            object,
        }
    }
}

const MAX_POST_SIZE: &str = "_max_messages_post_size";
const DEFAULT_TTL: &str = "_default_message_ttl";
const DEFAULT_DELAY: &str = "_default_message_delay";
const DEAD_LETTER_QUEUE: &str = "_dead_letter_queue";
const DEAD_LETTER_TTL: &str = "_dead_letter_queue_messages_ttl";
const MAX_CLAIM_COUNT: &str = "_max_claim_count";
const ENCRYPT: &str = "_enable_encrypt_messages";
const FLAVOR: &str = "_flavor";
const RETRY_POLICY: &str = "_retry_policy";

/// Whether a key is shown with a default where it is not stored.
pub(crate) fn is_reserved(kind: Kind, key: &str) -> bool {
    match key {
        MAX_POST_SIZE | DEFAULT_TTL | DEFAULT_DELAY => true,
        DEAD_LETTER_QUEUE | DEAD_LETTER_TTL | MAX_CLAIM_COUNT | ENCRYPT => kind == Kind::Queue,
        _ => false,
    }
}

/// Metadata with the reserved keys filled in where they are absent or empty.
///
/// A delay of zero is kept: where the service's default is another, it is not the same as none.
pub fn with_reserved(kind: Kind, object: &Object, limits: &Limits) -> Object {
    let number = |value: u64| Value::Number(Number::from(value));
    let defaults = [
        (MAX_POST_SIZE, number(limits.max_messages_post_size)),
        (DEFAULT_TTL, number(limits.default_message_ttl)),
        (DEFAULT_DELAY, number(limits.default_message_delay)),
        (DEAD_LETTER_QUEUE, Value::Null),
        (DEAD_LETTER_TTL, Value::Null),
        (MAX_CLAIM_COUNT, Value::Null),
        (ENCRYPT, Value::Bool(false)),
    ];
    let mut filled = object.clone();
    for (key, default) in defaults.into_iter().filter(|(key, _)| is_reserved(kind, key)) {
        let kept = match filled.get(key) {
            None => false,
            Some(Value::Number(_)) if key == DEFAULT_DELAY => true,
            Some(value) => !is_empty(value),
        };
        if !kept {
            filled.insert(key.to_owned(), default);
        }
    }
    filled
}

/// Whether a value stands for none.
pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> Object {
        crate::json::object(text.as_bytes()).unwrap_or_default()
    }

    #[test]
    fn either_dead_letter_key_alone_does_nothing() {
        for text in [
            r#"{"_dead_letter_queue":"d"}"#,
            r#"{"_max_claim_count":3}"#,
            r#"{"_dead_letter_queue":"d","_max_claim_count":0}"#,
            r#"{"_dead_letter_queue":null,"_max_claim_count":3}"#,
        ] {
            assert_eq!(Metadata::of(Kind::Queue, object(text)).dead_letter, None, "{text}");
        }
        let both = Metadata::of(Kind::Queue, object(r#"{"_dead_letter_queue":"d","_max_claim_count":3}"#));
        assert_eq!(both.dead_letter, Some(DeadLetterMeta { queue: "d".to_owned(), max_claims: 3, ttl: None }));
    }

    #[test]
    fn a_delay_of_zero_is_a_delay() {
        let metadata = Metadata::of(Kind::Queue, object(r#"{"_default_message_delay":0,"_default_message_ttl":null}"#));
        assert_eq!((metadata.default_delay, metadata.default_ttl), (Some(0), None));
        let limits = Limits { default_message_delay: 5, ..Limits::default() };
        assert_eq!(with_reserved(Kind::Queue, &metadata.object, &limits)[DEFAULT_DELAY], 0);
        assert_eq!(with_reserved(Kind::Queue, &Object::new(), &limits)[DEFAULT_DELAY], 5);
    }

    #[test]
    fn reserved_keys_are_filled_in_and_others_kept() {
        let stored = object(r#"{"a":1,"_default_message_ttl":0,"_dead_letter_queue":"","_max_claim_count":7}"#);
        let shown = Value::Object(with_reserved(Kind::Queue, &stored, &Limits::default())).to_string();
        assert_eq!(
            shown,
            concat!(
                r#"{"a":1,"_default_message_ttl":3600,"_dead_letter_queue":null,"_max_claim_count":7,"#,
                r#""_max_messages_post_size":262144,"_default_message_delay":0,"#,
                r#""_dead_letter_queue_messages_ttl":null,"_enable_encrypt_messages":false}"#
            )
        );
    }
}
