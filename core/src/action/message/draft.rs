//! The body of a post, read in one pass (spec: REST §4).

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::json::{self, Fault, Scanner, Token, unescape};

/// A message as a client words it: its fields have the right types; their values are not checked.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Draft {
    /// Seconds.
    pub(super) ttl: Option<i64>,
    /// Seconds.
    pub(super) delay: Option<i64>,
    /// One JSON value, as it was sent: a slice of the request's body.
    pub(super) body: Bytes,
}

/// What has the wrong shape is refused only when the whole text is known to be JSON, so the pass
/// goes on beyond it: hence two results in one another.
type Shaped<T> = Result<Result<T>, Fault>;

/// Reads the messages of a post, in their order.
///
/// # Errors
/// `BadBody`, and `BadValue` where there is no `messages` at all.
pub(super) fn read(body: &Bytes) -> Result<Vec<Draft>> {
    let mut scanner = Scanner::new(json::text(body)?);
    let mut messages = Err(Error::value("No messages were found in the request body."));
    match scanner.next()? {
        Token::ObjectStart => {
            while let Token::Key(key) = scanner.next()? {
                if unescape(key)? == "messages" {
                    messages = read_messages(&mut scanner, body)?;
                } else {
                    scanner.skip_value()?;
                }
            }
        }
        Token::ArrayStart => scanner.leave_to(0)?,
        _ => return Err(Fault::Syntax.into()),
    }
    scanner.finish()?;
    messages
}

fn read_messages(scanner: &mut Scanner<'_>, body: &Bytes) -> Shaped<Vec<Draft>> {
    let depth = scanner.depth();
    if scanner.next()? != Token::ArrayStart {
        scanner.leave_to(depth)?;
        return Ok(Err(json::wrong_document()));
    }
    let mut drafts = Ok(Vec::new());
    loop {
        let draft = match scanner.next()? {
            Token::End => return Ok(drafts),
            Token::ObjectStart => read_message(scanner, body)?,
            _ => {
                scanner.leave_to(depth + 1)?;
                Err(json::wrong_document())
            }
        };
        if let Ok(all) = &mut drafts {
            match draft {
                Ok(draft) => all.push(draft),
                Err(error) => drafts = Err(error),
            }
        }
    }
}

/// A field that must be an integer.
enum Int {
    Absent,
    Is(i64),
    IsNone,
}

fn read_message(scanner: &mut Scanner<'_>, whole: &Bytes) -> Shaped<Draft> {
    let (mut ttl, mut delay, mut body) = (Int::Absent, Int::Absent, None);
    while let Token::Key(key) = scanner.next()? {
        match &*unescape(key)? {
            "ttl" => ttl = read_int(scanner)?,
            "delay" => delay = read_int(scanner)?,
            "body" => {
                scanner.allow_any_float(true);
                body = Some(scanner.skip_value()?);
                scanner.allow_any_float(false);
            }
            _ => {
                scanner.skip_value()?;
            }
        }
    }
    Ok(int("ttl", ttl).and_then(|ttl| {
        let body = body.ok_or_else(|| Error::body("Missing \"body\" field."))?;
        Ok(Draft { ttl, delay: int("delay", delay)?, body: whole.slice(body) })
    }))
}

fn read_int(scanner: &mut Scanner<'_>) -> Result<Int, Fault> {
    let depth = scanner.depth();
    let token = scanner.next()?;
    scanner.leave_to(depth)?;
    match token {
        Token::Int(digits) => digits.parse().map(Int::Is).map_err(|_| Fault::WideInteger),
        _ => Ok(Int::IsNone),
    }
}

fn int(name: &str, field: Int) -> Result<Option<i64>> {
    match field {
        Int::Absent => Ok(None),
        Int::Is(value) => Ok(Some(value)),
        Int::IsNone => Err(json::not_an_int(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Vec<Draft>> {
        read(&Bytes::copy_from_slice(text.as_bytes()))
    }

    fn bodies(text: &str) -> Vec<String> {
        let drafts = read_text(text).unwrap_or_default();
        drafts.iter().map(|draft| String::from_utf8_lossy(&draft.body).into_owned()).collect()
    }

    #[test]
    fn bodies_are_kept_as_sent() {
        let text = r#" {"x":[1,{}],"messages":[{"body": {"b" :1,"a":2, "b":3} ,"ttl":300},{"body":1E2},
            {"delay":5,"body":-9223372036854775808},{"body":0.10},{"body":1e999},{"body":"a\u0000b"},{"body":null}]}"#;
        let kept =
            [r#"{"b" :1,"a":2, "b":3}"#, "1E2", "-9223372036854775808", "0.10", "1e999", r#""a\u0000b""#, "null"];
        assert_eq!(bodies(text), kept);
        let drafts = read_text(text).unwrap_or_default();
        assert_eq!((drafts[0].ttl, drafts[0].delay), (Some(300), None));
        assert_eq!((drafts[2].ttl, drafts[2].delay), (None, Some(5)));
    }

    #[test]
    fn bodies_are_not_copied() {
        let whole = Bytes::from_static(b"{\"messages\":[{\"body\":[1,2,3]}]}");
        let drafts = read(&whole).unwrap_or_default();
        assert_eq!(drafts[0].body.as_ptr(), whole[21..].as_ptr());
    }

    #[test]
    fn the_last_of_doubled_keys_counts() {
        assert_eq!(bodies(r#"{"messages":5,"m\u0065ssages":[{"body":1,"ttl":"x","ttl":60,"body":2}]}"#), ["2"]);
        assert!(read_text(r#"{"messages":[{"body":1}],"messages":5}"#).is_err());
    }

    #[test]
    fn nesting_has_a_bound() {
        let messages = |depth: usize| {
            let deep = "[".repeat(depth) + &"]".repeat(depth);
            (format!("{{\"messages\":[{{\"body\":{deep}}}]}}"), deep)
        };
        let (text, deep) = messages(500);
        assert_eq!(bodies(&text), [deep]);
        assert!(read_text(&messages(100_000).0).is_err());
    }

    #[test]
    fn shapes_are_judged_once_the_text_is_known_to_be_json() {
        for (text, refusal) in [
            ("{\"messages\":[5],", "Request body could not be parsed."),
            ("{\"messages\":[5]}x", "Request body could not be parsed."),
            ("{\"messages\":5,\"n\":9223372036854775808}", "JSON contains integer that is too large."),
            ("{\"messages\":[{\"body\":18446744073709551616}]}", "JSON contains integer that is too large."),
            ("{\"messages\":[{\"body\":1}],\"x\":1e999}", "Request body could not be parsed."),
            ("{\"messages\":[{\"body\":1},[5],{\"ttl\":\"x\"}]}", "Document type not supported."),
            ("{\"messages\":[{\"ttl\":[1],\"delay\":{}}]}", "The value of the \"ttl\" field must be a int."),
            ("{\"messages\":[{\"body\":1,\"delay\":null}]}", "The value of the \"delay\" field must be a int."),
            ("[\"messages\"]", "No messages were found in the request body."),
        ] {
            assert_eq!(read_text(text).map_err(|error| error.message), Err(refusal.to_owned()), "{text}");
        }
    }
}
