//! The readers and writers of JSON and MessagePack alone, held to those of others: without a host around
//! them they are tried a hundred times as often.

use rmpv::Value as Packed;
use serde_json::Value;
use sukkal::transport::ws::msgpack::{NoJson, from_json, to_json};
use sukkal_core::json::{Fault, Scanner};

use crate::host::Host;
use crate::{Target, twin};

/// An input is taken for MessagePack, and where it is UTF-8 for JSON as well.
pub static ENCODINGS: Target = Target {
    name: "encodings",
    words: &[
        "null",
        "true",
        "false",
        "-0",
        "0.10",
        "1e999",
        "1E-7",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "\\u0000",
        "\\ud83d\\ude00",
        "\\ud800",
        "\\/",
        "\\\"",
        "{\"a\":1,\"a\":2}",
        "[[[[",
        "]]]]",
        "{\"\":",
        "\u{feff}",
        "\u{2028}",
        "é",
        "\t",
        "\u{0}",
        "\u{7f}",
        "\u{10ffff}",
    ],
    send,
};

fn send(_host: &mut Host, input: &[u8]) {
    packed(input);
    if let Ok(text) = std::str::from_utf8(input) {
        json(text);
    }
}

/// How deep the readers of others go.
const DEEPEST: usize = 100;

fn packed(input: &[u8]) {
    let mut rest = input;
    let theirs = rmpv::decode::read_value_with_max_depth(&mut rest, DEEPEST);
    let is_deep = matches!(theirs, Err(rmpv::decode::Error::DepthLimitExceeded));
    let theirs = theirs.ok().filter(|_| rest.is_empty());
    match to_json(input) {
        Ok(text) => {
            assert_eq!(scanned(&text), Ok(()), "{text}");
            assert!(is_deep || theirs.is_some(), "what is no MessagePack is read: {text}");
            let again = from_json(&text).expect("what is read is written again");
            assert_eq!(to_json(&again).as_deref(), Ok(&*text), "and means the same");
        }
        // They take a reserved marker for nil.
        Err(_) if input.contains(&0xc1) => {}
        Err(reason) => assert!(!theirs.as_ref().is_some_and(has_json_form), "{reason:?}: {theirs:?}"),
    }
}

/// Whether all of an object has a form in JSON.
fn has_json_form(object: &Packed) -> bool {
    match object {
        Packed::Nil | Packed::Boolean(_) => true,
        Packed::Integer(int) => int.as_i64().is_some(),
        Packed::F32(float) => float.is_finite(),
        Packed::F64(float) => float.is_finite(),
        Packed::String(text) => text.is_str(),
        Packed::Array(elements) => elements.iter().all(has_json_form),
        Packed::Map(members) => members.iter().all(|(key, value)| key.is_str() && has_json_form(value)),
        Packed::Binary(_) | Packed::Ext(..) => false,
    }
}

fn scanned(text: &str) -> Result<(), Fault> {
    let mut scanner = Scanner::new(text);
    scanner.allow_any_float(true);
    scanner.allow_any_depth();
    scanner.next()?;
    scanner.leave_to(0)?;
    scanner.finish()
}

fn json(text: &str) {
    // Names of serde's own mean something to it, and what is deep is not read by it.
    let is_plain = !text.contains("serde_json");
    let theirs = serde_json::from_str::<Value>(text).map_err(|error| error.to_string().contains("recursion limit"));
    match (scanned(text), &theirs) {
        (Ok(()), Err(is_deep)) => assert!(*is_deep || !is_plain, "what is no JSON is read"),
        (Err(Fault::Syntax), Ok(_)) => assert!(!is_plain, "JSON is refused"),
        (Err(Fault::WideInteger), _) | (Err(Fault::Syntax), Err(_)) | (Ok(()), Ok(_)) => {}
    }
    let Ok(packed) = from_json(text) else { return assert!(scanned(text).is_err(), "what is read cannot be packed") };
    match to_json(&packed) {
        Ok(again) => assert_eq!(from_json(&again).as_ref(), Ok(&packed), "what is packed means the same"),
        Err(reason) => assert_eq!(reason, NoJson::Number, "only infinities cannot be read again"),
    }
    let mut rest = &*packed;
    if let (true, Ok(value), Ok(object)) =
        (is_plain, theirs, rmpv::decode::read_value_with_max_depth(&mut rest, DEEPEST))
        && let Some(due) = twin::packed(&value)
    {
        assert!(rest.is_empty(), "one object");
        assert_eq!(twin::unpacked(&object), twin::unpacked(&due), "in MessagePack it means the same");
    }
}
