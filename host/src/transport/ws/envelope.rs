//! The text of a request, taken apart in one pass: nothing is copied but names with escapes.

use std::borrow::Cow;
use std::collections::HashSet;

use sukkal_core::json::{Fault, Scanner, Token, unescape};

/// A request as its client words it. Of a doubled key the last value counts.
#[derive(Debug, Default, PartialEq)]
pub struct Envelope<'a> {
    /// What is asked for.
    pub action: Option<Value<'a>>,
    /// The headers.
    pub headers: Option<Part<'a>>,
    /// The body.
    pub body: Option<Part<'a>>,
}

/// Headers or body.
#[derive(Debug, PartialEq)]
pub struct Part<'a> {
    /// As sent.
    pub value: Value<'a>,
    /// Its members, each name once; none where it is no object.
    pub members: Vec<(Cow<'a, str>, Value<'a>)>,
}

/// One JSON value, as it stands in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value<'a>(&'a str);

/// The types of JSON; of numbers those that are whole by their form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Object,
    Array,
    String,
    Int,
    Float,
    Boolean,
    Null,
}

/// Takes a text apart. `None`: it is JSON, and no object.
///
/// # Errors
/// It is no JSON, or holds an integer beyond 64 bits.
pub fn read(text: &str) -> Result<Option<Envelope<'_>>, Fault> {
    let mut scanner = Scanner::new(text);
    // Message bodies may hold any float; what is none is checked by the action, field by field.
    scanner.allow_any_float(true);
    // Core judges the body by itself, as it does over REST.
    scanner.allow_any_depth();
    let mut envelope = None;
    if scanner.next()? == Token::ObjectStart {
        let envelope = envelope.insert(Envelope::default());
        while let Token::Key(key) = scanner.next()? {
            match &*unescape(key)? {
                "action" => envelope.action = Some(value(&mut scanner, text)?),
                "headers" => envelope.headers = Some(part(&mut scanner, text)?),
                "body" => envelope.body = Some(part(&mut scanner, text)?),
                _ => {
                    scanner.skip_value()?;
                }
            }
        }
    }
    scanner.leave_to(0)?;
    scanner.finish()?;
    Ok(envelope)
}

fn value<'a>(scanner: &mut Scanner<'a>, text: &'a str) -> Result<Value<'a>, Fault> {
    scanner.skip_value().map(|range| Value(&text[range]))
}

fn part<'a>(scanner: &mut Scanner<'a>, text: &'a str) -> Result<Part<'a>, Fault> {
    let depth = scanner.depth();
    let first = scanner.next()?;
    let start = scanner.token_start();
    let mut members = Vec::new();
    if first == Token::ObjectStart {
        while let Token::Key(key) = scanner.next()? {
            members.push((unescape(key)?, value(scanner, text)?));
        }
        keep_the_last(&mut members);
    }
    scanner.leave_to(depth)?;
    Ok(Part { value: Value(&text[start..scanner.position()]), members })
}

/// Of members with one name, only the last.
fn keep_the_last<T>(members: &mut Vec<(Cow<'_, str>, T)>) {
    // As many as a client sends are compared one by one; none is doubled.
    const FEW: usize = 16;
    let is_doubled = |index: usize| members[..index].iter().any(|(name, _)| *name == members[index].0);
    if members.len() <= FEW && !(1..members.len()).any(is_doubled) {
        return;
    }
    let mut seen = HashSet::with_capacity(members.len());
    members.reverse();
    members.retain(|(name, _)| seen.insert(name.clone()));
    members.reverse();
}

impl<'a> Part<'a> {
    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<Value<'a>> {
        self.members.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }
}

impl<'a> Value<'a> {
    /// As it stands in the text.
    pub fn raw(self) -> &'a str {
        self.0
    }

    /// Its type.
    pub fn kind(self) -> Kind {
        match self.0.as_bytes().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Boolean,
            Some(b'n') | None => Kind::Null,
            _ if self.0.contains(['.', 'e', 'E']) => Kind::Float,
            _ => Kind::Int,
        }
    }

    /// The characters of a string; of any other value its text.
    pub fn text(self) -> Cow<'a, str> {
        match self.kind() {
            Kind::String => unescape(self.0).unwrap_or(Cow::Borrowed(self.0)),
            _ => Cow::Borrowed(self.0),
        }
    }

    /// The elements of an array; of any other value none.
    pub fn elements(self) -> Vec<Value<'a>> {
        let mut elements = Vec::new();
        let mut scanner = Scanner::new(self.0);
        scanner.allow_any_float(true);
        if scanner.next() != Ok(Token::ArrayStart) {
            return elements;
        }
        while let Ok(token) = scanner.next() {
            let start = scanner.token_start();
            if token == Token::End || scanner.leave_to(1).is_err() {
                break;
            }
            elements.push(Value(&self.0[start..scanner.position()]));
        }
        elements
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_comes_apart_into_action_headers_and_body() {
        let text = r#" {"x":[1,{}], "action" : "a", "headers":{"H\u0031":"v"}, "body": {"l":[1, "b,"],"f":1e999} } "#;
        let envelope = read(text).unwrap().unwrap();
        assert_eq!(envelope.action.map(Value::text).as_deref(), Some("a"));
        let headers = envelope.headers.unwrap();
        assert_eq!((headers.value.raw(), headers.get("H1")), (r#"{"H\u0031":"v"}"#, Some(Value("\"v\""))));
        let body = envelope.body.unwrap();
        assert_eq!(body.value.raw(), r#"{"l":[1, "b,"],"f":1e999}"#);
        let list = body.get("l").unwrap();
        assert_eq!(list.elements().iter().map(|element| element.text()).collect::<Vec<_>>(), ["1", "b,"]);
        assert_eq!([list.kind(), body.get("f").unwrap().kind()], [Kind::Array, Kind::Float]);
    }

    #[test]
    fn elements_are_whole_values() {
        for (array, elements) in [
            ("[]", &[][..]),
            ("[ [1,[2]] , {\"a\":[3]},null,\"]\" ]", &["[1,[2]]", "{\"a\":[3]}", "null", "\"]\""][..]),
            ("{\"a\":1}", &[][..]),
        ] {
            assert_eq!(Value(array).elements().iter().map(|element| element.raw()).collect::<Vec<_>>(), elements);
        }
    }

    #[test]
    fn the_last_of_doubled_keys_counts() {
        let envelope = read(r#"{"action":"a","body":5,"\u0061ction":"b","body":{"q":1,"q":2}}"#).unwrap().unwrap();
        assert_eq!(envelope.action.map(Value::raw), Some("\"b\""));
        let body = envelope.body.unwrap();
        assert_eq!((body.get("q"), body.members.len()), (Some(Value("2")), 1));
        let many: Vec<_> = (0..100).map(|number| format!(r#""{}":{number}"#, number % 30)).collect();
        let text = format!(r#"{{"headers":{{{}}}}}"#, many.join(","));
        let members = read(&text).unwrap().unwrap().headers.unwrap().members;
        assert_eq!(
            members.iter().map(|(_, value)| value.raw()).collect::<Vec<_>>(),
            (70..100).map(|number| number.to_string()).collect::<Vec<_>>()
        );
    }

    #[test]
    fn what_is_no_object_is_told_from_what_is_no_json() {
        for text in ["[]", "1", "\"x\"", "null", "[{\"action\":1}]", "true"] {
            assert_eq!(read(text), Ok(None), "{text}");
        }
        for text in ["", " ", "{", "{}x", "[}", "{\"body\":{]}", "{\"action\":nul}"] {
            assert_eq!(read(text), Err(Fault::Syntax), "{text}");
        }
        assert_eq!(read("{\"x\":9223372036854775808}"), Err(Fault::WideInteger));
    }

    #[test]
    fn no_depth_exhausts_the_stack() {
        let deep = format!("{{\"body\":{{\"a\":{}1{}}}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(read(&deep).is_ok());
    }
}
