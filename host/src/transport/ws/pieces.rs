//! The parts of a request as they came, so that they go back without being written anew.

use bytes::Bytes;
use rmp::Marker;
use rmp::decode::{RmpRead, read_map_len, read_marker, read_str_len};

/// Action, headers and body in the form of their frame. Of a doubled key the last value counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pieces {
    /// What is asked for.
    pub action: Option<Bytes>,
    /// The headers.
    pub headers: Option<Bytes>,
    /// The body.
    pub body: Option<Bytes>,
}

/// Of a MessagePack object that has a JSON form; none of one that is no map.
pub fn packed(object: &Bytes) -> Pieces {
    find(object).unwrap_or_default()
}

fn find(object: &Bytes) -> Option<Pieces> {
    let mut pieces = Pieces::default();
    members(object, |key, value| {
        let piece = match key {
            b"action" => &mut pieces.action,
            b"headers" => &mut pieces.headers,
            b"body" => &mut pieces.body,
            _ => return,
        };
        *piece = Some(object.slice_ref(value));
    })?;
    Some(pieces)
}

/// How many bytes a member of a MessagePack map has that has a JSON form. Of a doubled key the last value counts.
pub fn size_of(map: &[u8], name: &str) -> Option<usize> {
    let mut size = None;
    members(map, |key, value| {
        if key == name.as_bytes() {
            size = Some(value.len());
        }
    })?;
    size
}

fn members<'a>(mut rest: &'a [u8], mut each: impl FnMut(&[u8], &'a [u8])) -> Option<()> {
    for _ in 0..read_map_len(&mut rest).ok()? {
        let length = usize::try_from(read_str_len(&mut rest).ok()?).ok()?;
        let (key, value) = rest.split_at_checked(length)?;
        rest = value;
        skip(&mut rest)?;
        each(key, &value[..value.len() - rest.len()]);
    }
    Some(())
}

/// Passes over one object, without recursion.
fn skip(input: &mut &[u8]) -> Option<()> {
    let mut left = 1_u64;
    while left > 0 {
        let (elements, bytes) = extent(input)?;
        *input = input.get(bytes..)?;
        left = left - 1 + elements;
    }
    Some(())
}

/// How many objects belong to the one that begins here, and how many bytes follow its marker before
/// the first of them.
fn extent(input: &mut &[u8]) -> Option<(u64, usize)> {
    Some(match read_marker(input).ok()? {
        Marker::FixMap(n) => (2 * u64::from(n), 0),
        Marker::Map16 => (2 * u64::from(input.read_data_u16().ok()?), 0),
        Marker::Map32 => (2 * u64::from(input.read_data_u32().ok()?), 0),
        Marker::FixArray(n) => (n.into(), 0),
        Marker::Array16 => (input.read_data_u16().ok()?.into(), 0),
        Marker::Array32 => (input.read_data_u32().ok()?.into(), 0),
        Marker::FixStr(n) => (0, n.into()),
        Marker::Str8 => (0, input.read_data_u8().ok()?.into()),
        Marker::Str16 => (0, input.read_data_u16().ok()?.into()),
        Marker::Str32 => (0, usize::try_from(input.read_data_u32().ok()?).ok()?),
        Marker::FixPos(_) | Marker::FixNeg(_) | Marker::Null | Marker::True | Marker::False => (0, 0),
        Marker::U8 | Marker::I8 => (0, 1),
        Marker::U16 | Marker::I16 => (0, 2),
        Marker::U32 | Marker::I32 | Marker::F32 => (0, 4),
        Marker::U64 | Marker::I64 | Marker::F64 => (0, 8),
        // They have no JSON form.
        Marker::Bin8 | Marker::Bin16 | Marker::Bin32 | Marker::Reserved => return None,
        Marker::FixExt1 | Marker::FixExt2 | Marker::FixExt4 | Marker::FixExt8 | Marker::FixExt16 => return None,
        Marker::Ext8 | Marker::Ext16 | Marker::Ext32 => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::transport::ws::{envelope, msgpack};

    /// What the pieces of a packed request say in JSON, beside what the request itself does.
    fn both(object: &Bytes) -> Option<[[Option<String>; 3]; 2]> {
        let text = msgpack::to_json(object).ok()?;
        let envelope = envelope::read(&text).ok()??;
        let json = |piece: Option<Bytes>| piece.map(|piece| msgpack::to_json(&piece).unwrap());
        let raw = |value: envelope::Value<'_>| value.raw().to_owned();
        let Pieces { action, headers, body } = packed(object);
        let told = [
            envelope.action.map(raw),
            envelope.headers.map(|part| raw(part.value)),
            envelope.body.map(|part| raw(part.value)),
        ];
        Some([[json(action), json(headers), json(body)], told])
    }

    #[test]
    fn pieces_say_what_the_request_does() {
        let long = format!(r#"{{"x":[{}],"s":"{}"}}"#, "7,".repeat(70_000) + "7", "é".repeat(40_000));
        for text in [
            r#"{"action":"a","body":{"q":[1,-1,-200,300,70000,5000000000,1.5,true,null,"s"]},"headers":{"H":"v"}}"#,
            r#"{"action":"a","x":[[{}],{"action":"no"}],"body":5,"body":{"b":{}}}"#,
            "{}",
            &format!(r#"{{"body":{long},"action":"b","headers":[]}}"#),
        ] {
            let [found, told] = both(&msgpack::from_json(text).unwrap().into()).unwrap();
            assert_eq!(found, told, "{text:.80}");
        }
        assert_eq!(packed(&Bytes::from_static(b"\x91\xa6action")), Pieces::default());
    }

    proptest! {
        #[test]
        fn pieces_of_any_bytes_say_what_the_request_does(
            tail in proptest::collection::vec(prop_oneof![0x00_u8..0x10, 0x80_u8..0x84, 0x90_u8..0x94, 0xa0_u8..0xa3, 0xc0_u8..0xe2], 0..40),
            doubled in any::<bool>(),
        ) {
            let mut object = if doubled { b"\x82\xa4body\x05\xa4body".to_vec() } else { b"\x81\xa7headers".to_vec() };
            object.extend(tail);
            if let Some([found, told]) = both(&object.into()) {
                prop_assert_eq!(found, told);
            }
        }
    }
}
