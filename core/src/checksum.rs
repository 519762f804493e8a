//! Checksums of message bodies (spec: REST §4): the MD5 of the body as Python would write it.

use std::fmt::Write as _;

use md5::{Digest, Md5};
use serde_json::Value;

use crate::json::{self, Numbers};

/// `MD5:hex` of a body. None for null, and for a body nested more deeply than values can be, of
/// which the original knows no checksum either.
pub(crate) fn of(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let value = json::value(text, Numbers::Any).ok().filter(|value| !value.is_null())?;
    let mut python = String::with_capacity(body.len() + body.len() / 8);
    write_value(&mut python, &value);
    let mut checksum = String::from("MD5:");
    for byte in Md5::digest(python.as_bytes()) {
        // Writing to a string cannot fail.
        let _ = write!(checksum, "{byte:02x}");
    }
    Some(checksum)
}

/// Recursive: the depth of values is bounded where they are read.
fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => write_number(out, number.as_str()),
        Value::String(text) => write_string(out, text),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                write_value(out, item);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (index, (key, value)) in members.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                write_string(out, key);
                out.push_str(": ");
                write_value(out, value);
            }
            out.push('}');
        }
    }
}

fn write_number(out: &mut String, digits: &str) {
    if let Ok(int) = digits.parse::<i64>() {
        let _ = write!(out, "{int}");
        return;
    }
    match digits.parse::<f64>() {
        Ok(number) if number.is_finite() => write_float(out, number),
        _ => out.push_str(if digits.starts_with('-') { "-Infinity" } else { "Infinity" }),
    }
}

/// The fewest digits that mean the number; in powers of ten below 10^-4 and from 10^16 on.
fn write_float(out: &mut String, number: f64) {
    let shortest = format!("{number:e}");
    let exponent =
        shortest.split_once('e').and_then(|(digits, exponent)| Some((digits, exponent.parse::<i32>().ok()?)));
    let _ = match exponent {
        Some((digits, exponent)) if !(-4..16).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            write!(out, "{digits}e{sign}{:02}", exponent.abs())
        }
        _ => write!(out, "{number:?}"),
    };
}

fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_hold() {
        let vectors = json::object(include_str!("../../tests/vectors/checksum.json").as_bytes()).unwrap_or_default();
        let cases = vectors["cases"].as_array().map(Vec::as_slice).unwrap_or_default();
        assert!(cases.len() >= 30);
        for case in cases {
            let body = case["body_as_posted"].as_str().unwrap_or_default();
            let expected = case["checksum"].as_str().filter(|text| !text.is_empty());
            assert_eq!(of(body.as_bytes()).as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn floats_are_written_as_python_does() {
        for (number, text) in [
            (1e16, "1e+16"),
            (1e15, "1000000000000000.0"),
            (123_456_789_012_345_680.0, "1.2345678901234568e+17"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (5e-324, "5e-324"),
            (-2.5, "-2.5"),
            (0.0, "0.0"),
        ] {
            let mut out = String::new();
            write_float(&mut out, number);
            assert_eq!(out, text);
        }
    }

    #[test]
    fn depth_does_no_harm() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert_eq!(of(deep.as_bytes()), None);
    }
}
