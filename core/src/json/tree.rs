//! JSON texts as values.

use serde_json::{Map, Value};

use super::scanner::{Fault, Scanner, Token, unescape};
use crate::answer::Object;

/// The deepest nesting that becomes a value. Values are dropped, cloned and written recursively, so
/// there must be a bound; the API promises 128.
const MAX_DEPTH: usize = 256;

/// Which floats are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Numbers {
    /// Those within a double's range.
    Double,
    /// All, as in message bodies.
    Any,
}

/// Reads a whole text. Numbers keep their digits, keys their order; of a doubled key the last value
/// counts, at the first one's place.
pub(crate) fn value(text: &str, numbers: Numbers) -> Result<Value, Fault> {
    let mut scanner = Scanner::new(text);
    scanner.allow_any_float(numbers == Numbers::Any);
    let mut open = Vec::new();
    loop {
        let token = scanner.next()?;
        if scanner.depth() > MAX_DEPTH {
            return Err(Fault::Syntax);
        }
        let Some(value) = step(&mut open, token)? else { continue };
        match open.last_mut() {
            None => return scanner.finish().map(|()| value),
            Some(Open::Array(items)) => items.push(value),
            Some(Open::Object(members, key)) => {
                members.insert(std::mem::take(key), value);
            }
        }
    }
}

/// An object or array that has not ended yet; of an object, with the key whose value comes next.
enum Open {
    Array(Vec<Value>),
    Object(Object, String),
}

/// Takes in a token: gives the value that it completes.
fn step(open: &mut Vec<Open>, token: Token<'_>) -> Result<Option<Value>, Fault> {
    match token {
        Token::ObjectStart => open.push(Open::Object(Map::new(), String::new())),
        Token::ArrayStart => open.push(Open::Array(Vec::new())),
        Token::Key(quoted) => {
            if let Some(Open::Object(_, key)) = open.last_mut() {
                *key = unescape(quoted)?.into_owned();
            }
        }
        Token::End => {
            return Ok(open.pop().map(|ended| match ended {
                Open::Array(items) => Value::Array(items),
                Open::Object(members, _) => Value::Object(members),
            }));
        }
        Token::String(quoted) => return Ok(Some(Value::String(unescape(quoted)?.into_owned()))),
        Token::Int(number) | Token::Float(number) => {
            return number.parse().map(|number| Some(Value::Number(number))).map_err(|_| Fault::Syntax);
        }
        Token::True => return Ok(Some(Value::Bool(true))),
        Token::False => return Ok(Some(Value::Bool(false))),
        Token::Null => return Ok(Some(Value::Null)),
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(text: &str) -> Result<String, Fault> {
        value(text, Numbers::Double).map(|value| value.to_string())
    }

    #[test]
    fn values_are_written_as_they_were_read() {
        for text in [
            r#"{"b":1,"a":[0.10,1.0,123456.7890123456789,-9223372036854775808],"":null,"a.b":{"$set":true}}"#,
            r#"{"$serde_json::private::Number":"1"}"#,
            r#"{"$serde_json::private::RawValue":"1"}"#,
            r#"["a\u0000b","é"]"#,
        ] {
            assert_eq!(round(text).as_deref(), Ok(text));
        }
    }

    #[test]
    fn the_last_of_doubled_keys_counts() {
        assert_eq!(round(r#"{"a":1,"b":2,"\u0061":3}"#).as_deref(), Ok(r#"{"a":3,"b":2}"#));
    }

    #[test]
    fn floats_fit_a_double_unless_all_are_taken() {
        assert_eq!(round("[1e999]"), Err(Fault::Syntax));
        assert!(value("[1e999]", Numbers::Any).is_ok());
    }

    #[test]
    fn nesting_has_a_bound() {
        let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert!(round(&nested(128)).is_ok());
        assert!(round(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(round(&nested(MAX_DEPTH + 1)), Err(Fault::Syntax));
        assert_eq!(round(&nested(200_000)), Err(Fault::Syntax));
    }
}
