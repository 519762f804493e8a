//! MessagePack ↔ JSON text. Both ways go over the input once or twice, without a tree and without
//! recursion, so that neither depth nor announced lengths cost more than the input's own bytes.

use std::fmt;
use std::io::Write;

use rmp::Marker;
use rmp::decode::{RmpRead, read_marker};
use sukkal_core::json::{Fault, Scanner, Token, is_plain, unescape};

/// Why a MessagePack object has no JSON form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoJson {
    /// It ends too early, or begins with what is no object's first byte.
    Broken,
    /// More than one object.
    More,
    /// Bytes (`bin`).
    Bytes,
    /// An extension type.
    Extension,
    /// A map's key that is no string.
    Key,
    /// A string that is no UTF-8.
    Text,
    /// NaN or an infinity.
    Number,
    /// An integer beyond 2^63−1.
    WideInteger,
}

impl fmt::Display for NoJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NoJson::Broken => "It is no whole MessagePack object.",
            NoJson::More => "A frame holds one object.",
            NoJson::Bytes => "Binary data have no JSON form; send a string.",
            NoJson::Extension => "Extension types have no JSON form.",
            NoJson::Key => "Keys of maps must be strings.",
            NoJson::Text => "A string is no UTF-8.",
            NoJson::Number => "NaN and infinities have no JSON form.",
            NoJson::WideInteger => "It contains an integer that is too large.",
        })
    }
}

/// A map or array that has not ended.
struct Open {
    is_map: bool,
    /// Keys and values, or elements, that are still to come.
    left: u64,
    begun: bool,
}

impl Open {
    fn expects_key(&self) -> bool {
        self.is_map && self.left.is_multiple_of(2)
    }
}

/// The JSON text of one MessagePack object. A byte becomes six at the most (a NUL in a string, a `false` in an array),
/// so what bounds a frame bounds its text too.
///
/// # Errors
/// See [`NoJson`].
pub fn to_json(mut input: &[u8]) -> Result<String, NoJson> {
    let mut json = Vec::with_capacity(input.len() + input.len() / 4 + 16);
    let mut open: Vec<Open> = Vec::new();
    loop {
        separate(&mut json, &mut open);
        let is_key = open.last().is_some_and(Open::expects_key);
        let opened = read_one(&mut input, &mut json, is_key)?;
        if let Some(top) = open.last_mut() {
            top.left -= 1;
        }
        open.extend(opened);
        while let Some(ended) = open.pop_if(|top| top.left == 0) {
            json.push(if ended.is_map { b'}' } else { b']' });
        }
        if open.is_empty() {
            break;
        }
    }
    match input.is_empty() {
        true => String::from_utf8(json).map_err(|_| NoJson::Text),
        false => Err(NoJson::More),
    }
}

/// What stands before the next key, value or element.
fn separate(json: &mut Vec<u8>, open: &mut [Open]) {
    let Some(top) = open.last_mut() else { return };
    match (std::mem::replace(&mut top.begun, true), top.is_map && !top.expects_key()) {
        (false, _) => {}
        (true, true) => json.push(b':'),
        (true, false) => json.push(b','),
    }
}

/// Reads one marker with what belongs to it, up to the elements of a map or array.
fn read_one(input: &mut &[u8], json: &mut Vec<u8>, is_key: bool) -> Result<Option<Open>, NoJson> {
    let marker = read_marker(input).map_err(|_| NoJson::Broken)?;
    let is_text = matches!(marker, Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32);
    if is_key && !is_text {
        return Err(NoJson::Key);
    }
    match marker {
        Marker::Null => json.extend_from_slice(b"null"),
        Marker::True => json.extend_from_slice(b"true"),
        Marker::False => json.extend_from_slice(b"false"),
        Marker::F32 => float(json, number(input.read_data_f32())?.into())?,
        Marker::F64 => float(json, number(input.read_data_f64())?)?,
        Marker::FixMap(length) => return Ok(Some(begin(json, true, length.into()))),
        Marker::Map16 => return Ok(Some(begin(json, true, number(input.read_data_u16())?.into()))),
        Marker::Map32 => return Ok(Some(begin(json, true, number(input.read_data_u32())?))),
        Marker::FixArray(length) => return Ok(Some(begin(json, false, length.into()))),
        Marker::Array16 => return Ok(Some(begin(json, false, number(input.read_data_u16())?.into()))),
        Marker::Array32 => return Ok(Some(begin(json, false, number(input.read_data_u32())?))),
        Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => return Err(NoJson::Bytes),
        Marker::FixExt1
        | Marker::FixExt2
        | Marker::FixExt4
        | Marker::FixExt8
        | Marker::FixExt16
        | Marker::Ext8
        | Marker::Ext16
        | Marker::Ext32 => return Err(NoJson::Extension),
        Marker::Reserved => return Err(NoJson::Broken),
        _ if is_text => string(input, json, marker)?,
        _ => int(input, json, marker)?,
    }
    Ok(None)
}

fn begin(json: &mut Vec<u8>, is_map: bool, length: u32) -> Open {
    json.push(if is_map { b'{' } else { b'[' });
    Open { is_map, left: u64::from(length) * if is_map { 2 } else { 1 }, begun: false }
}

fn string(input: &mut &[u8], json: &mut Vec<u8>, marker: Marker) -> Result<(), NoJson> {
    let length = match marker {
        Marker::FixStr(length) => length.into(),
        Marker::Str8 => number(input.read_data_u8())?.into(),
        Marker::Str16 => number(input.read_data_u16())?.into(),
        _ => number(input.read_data_u32())?,
    };
    let length = usize::try_from(length).map_err(|_| NoJson::Broken)?;
    let (bytes, rest) = input.split_at_checked(length).ok_or(NoJson::Broken)?;
    *input = rest;
    let text = std::str::from_utf8(bytes).map_err(|_| NoJson::Text)?;
    if !is_plain(text) {
        return serde_json::to_writer(json, text).map_err(|_| NoJson::Text);
    }
    // As most texts are, and long ones.
    json.push(b'"');
    json.extend_from_slice(bytes);
    json.push(b'"');
    Ok(())
}

fn int(input: &mut &[u8], json: &mut Vec<u8>, marker: Marker) -> Result<(), NoJson> {
    let value = match marker {
        Marker::FixPos(value) => value.into(),
        Marker::FixNeg(value) => value.into(),
        Marker::U8 => number(input.read_data_u8())?.into(),
        Marker::U16 => number(input.read_data_u16())?.into(),
        Marker::U32 => number(input.read_data_u32())?.into(),
        Marker::U64 => i64::try_from(number(input.read_data_u64())?).map_err(|_| NoJson::WideInteger)?,
        Marker::I8 => number(input.read_data_i8())?.into(),
        Marker::I16 => number(input.read_data_i16())?.into(),
        Marker::I32 => number(input.read_data_i32())?.into(),
        _ => number(input.read_data_i64())?,
    };
    write!(json, "{value}").map_err(|_| NoJson::Broken)
}

fn float(json: &mut Vec<u8>, value: f64) -> Result<(), NoJson> {
    if !value.is_finite() {
        return Err(NoJson::Number);
    }
    // The shortest digits that give the same number; a whole one keeps its `.0`.
    serde_json::to_writer(json, &value).map_err(|_| NoJson::Number)
}

fn number<T, E>(read: Result<T, E>) -> Result<T, NoJson> {
    read.map_err(|_| NoJson::Broken)
}

/// The MessagePack object of a JSON text. A float beyond a double's range becomes an infinity.
///
/// # Errors
/// The text is no JSON.
pub fn from_json(text: &str) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::with_capacity(text.len());
    append_json(&mut out, text).map(|()| out)
}

/// The same, behind what was written before.
///
/// # Errors
/// The text is no JSON; then what was written of it is of no use.
pub fn append_json(out: &mut Vec<u8>, text: &str) -> Result<(), Fault> {
    let mut lengths = lengths(text)?.into_iter();
    let mut scanner = scanner(text);
    loop {
        match scanner.next()? {
            Token::ObjectStart => written(rmp::encode::write_map_len(out, lengths.next().unwrap_or_default()))?,
            Token::ArrayStart => written(rmp::encode::write_array_len(out, lengths.next().unwrap_or_default()))?,
            Token::Key(quoted) | Token::String(quoted) => {
                written(rmp::encode::write_str(out, &unescape(quoted)?))?;
            }
            Token::Int(digits) => {
                let value = digits.parse().map_err(|_| Fault::WideInteger)?;
                written(rmp::encode::write_sint(out, value))?;
            }
            Token::Float(digits) => {
                let value = digits.parse().map_err(|_| Fault::Syntax)?;
                written(rmp::encode::write_f64(out, value))?;
            }
            Token::True => written(rmp::encode::write_bool(out, true))?,
            Token::False => written(rmp::encode::write_bool(out, false))?,
            Token::Null => written(rmp::encode::write_nil(out))?,
            Token::End => {}
        }
        if scanner.depth() == 0 {
            return scanner.finish();
        }
    }
}

/// How many members or elements each object or array has, in the order of their beginnings:
/// MessagePack says so first.
fn lengths(text: &str) -> Result<Vec<u32>, Fault> {
    let mut scanner = scanner(text);
    let mut lengths: Vec<u32> = Vec::new();
    let mut open: Vec<(usize, bool)> = Vec::new();
    loop {
        let token = scanner.next()?;
        let is_member = match open.last() {
            Some((_, true)) => matches!(token, Token::Key(_)),
            Some((_, false)) => token != Token::End,
            None => false,
        };
        if let Some((index, _)) = open.last().filter(|_| is_member) {
            lengths[*index] += 1;
        }
        match token {
            Token::ObjectStart | Token::ArrayStart => {
                open.push((lengths.len(), token == Token::ObjectStart));
                lengths.push(0);
            }
            Token::End => {
                open.pop();
            }
            _ => {}
        }
        if open.is_empty() {
            return Ok(lengths);
        }
    }
}

fn scanner(text: &str) -> Scanner<'_> {
    let mut scanner = Scanner::new(text);
    scanner.allow_any_float(true);
    scanner.allow_any_depth();
    scanner
}

/// Memory takes everything.
pub fn written<T, E>(outcome: Result<T, E>) -> Result<(), Fault> {
    outcome.map(drop).map_err(|_| Fault::Syntax)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn round(text: &str) -> String {
        to_json(&from_json(text).unwrap()).unwrap()
    }

    #[test]
    fn what_json_says_comes_back() {
        for text in [
            r#"{"a":[1,-1,1.5,1.0,-9223372036854775808,9223372036854775807],"b":{},"c":[],"":null}"#,
            r#"[true,false,"é\"\\\n",[[[]]],{"a":{"b":[{}]}}]"#,
            "5",
            r#""x""#,
        ] {
            assert_eq!(round(text), text);
        }
        let long = format!("[{}0]", "0,".repeat(70_000));
        assert_eq!(round(&long), long);
        let deep = "[".repeat(50_000) + &"]".repeat(50_000);
        assert_eq!(round(&deep), deep);
    }

    #[test]
    fn lengths_are_as_short_as_they_can_be() {
        assert_eq!(from_json(r#"{"a":[1,{"b":2}]}"#), Ok(vec![0x81, 0xa1, b'a', 0x92, 1, 0x81, 0xa1, b'b', 2]));
    }

    #[test]
    fn a_byte_becomes_six_at_the_most() {
        for text in [format!("\"{}\"", "\\u0000".repeat(1000)), format!("[false{}]", ",false".repeat(999))] {
            let packed = from_json(&text).unwrap();
            assert!((5 * packed.len()..=6 * packed.len()).contains(&text.len()), "{} {}", packed.len(), text.len());
        }
    }

    #[test]
    fn what_has_no_json_form_is_refused() {
        for (bytes, reason) in [
            (&[0xc1][..], NoJson::Broken),
            (&[][..], NoJson::Broken),
            (&[0x92, 1][..], NoJson::Broken),
            (&[0xdd, 0xff, 0xff, 0xff, 0xff][..], NoJson::Broken),
            (&[0xdb, 0xff, 0xff, 0xff, 0xff][..], NoJson::Broken),
            (&[1, 1][..], NoJson::More),
            (&[0x91, 0xc4, 1, 0][..], NoJson::Bytes),
            (&[0xd4, 1, 0][..], NoJson::Extension),
            (&[0x81, 1, 1][..], NoJson::Key),
            (&[0x81, 0xc0, 1][..], NoJson::Key),
            (&[0xa1, 0xff][..], NoJson::Text),
            (&[0xca, 0x7f, 0xc0, 0, 0][..], NoJson::Number),
            (&[0xcb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0][..], NoJson::Number),
            (&[0xcf, 0x80, 0, 0, 0, 0, 0, 0, 0][..], NoJson::WideInteger),
        ] {
            assert_eq!(to_json(bytes), Err(reason), "{bytes:x?}");
        }
    }

    proptest! {
        /// Whatever bytes come, they become a text that the JSON scanner takes, or are refused; and
        /// the text becomes MessagePack again that means the same.
        #[test]
        fn any_bytes_are_refused_or_become_json(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(text) = to_json(&bytes) {
                prop_assert!(text.len() <= 6 * bytes.len());
                prop_assert_eq!(round(&text), text);
            }
        }

        /// Bytes that mostly have a form: markers of short things, nested.
        #[test]
        fn likely_bytes_are_refused_or_become_json(
            bytes in proptest::collection::vec(prop_oneof![0x00_u8..0x10, 0x80_u8..0x84, 0x90_u8..0x94, 0xa0_u8..0xa3, 0xc0_u8..0xe2], 1..60)
        ) {
            if let Ok(text) = to_json(&bytes) {
                prop_assert!(text.len() <= 6 * bytes.len());
                prop_assert_eq!(round(&text), text);
            }
        }
    }
}
