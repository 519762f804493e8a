//! What must be known of an answer, found without reading all of it. The request that comes back in it
//! holds nothing that looks alike.

use memchr::memmem::find_iter;
use rmp::decode::{read_int, read_str_len};

use crate::bench::target::Form;

/// The status of an answer, if it is one.
pub fn status(form: Form, answer: &[u8]) -> Option<u16> {
    match form {
        Form::Json => find_iter(answer, b"\"status\"").find_map(|key| json_number(&answer[key + 8..])),
        Form::Msgpack => find_iter(answer, b"\xa6status").find_map(|key| read_int(&mut &answer[key + 7..]).ok()),
    }
}

/// The number after a key.
fn json_number(rest: &[u8]) -> Option<u16> {
    let value = rest.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&value[..digits]).ok()?.parse().ok()
}

/// The ids in a claim's answer in MessagePack, with commas between.
pub fn packed_ids(answer: &[u8]) -> String {
    let mut ids = String::with_capacity(32 * 10);
    for key in find_iter(answer, b"\xa2id") {
        let mut rest = &answer[key + 3..];
        let length = read_str_len(&mut rest).ok().and_then(|length| usize::try_from(length).ok());
        let id = length.and_then(|length| rest.get(..length));
        if let Some(id) = id.and_then(|id| std::str::from_utf8(id).ok()) {
            ids.push_str(if ids.is_empty() { "" } else { "," });
            ids.push_str(id);
        }
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::ws::msgpack;

    const CLAIM: &str = concat!(
        r#"{"request":{"action":"claim_create","body":{"queue_name":"q","limit":2},"headers":{},"api":"v2"},"#,
        r#""headers":{"status":201},"body":{"claim_id":"c","messages":[{"id":"a1","body":"x"},{"id":"a2","body":"x"}]}}"#
    );

    #[test]
    fn the_status_is_found_in_either_form() {
        let packed = msgpack::from_json(CLAIM).unwrap();
        assert_eq!(status(Form::Json, CLAIM.as_bytes()), Some(201));
        assert_eq!(status(Form::Json, CLAIM.replace(':', " : ").as_bytes()), Some(201));
        assert_eq!(status(Form::Msgpack, &packed), Some(201));
        assert_eq!((status(Form::Json, b"{}"), status(Form::Msgpack, b"\xa6status")), (None, None));
    }

    #[test]
    fn ids_are_cut_out_of_a_packed_claim() {
        let packed = msgpack::from_json(CLAIM).unwrap();
        assert_eq!(packed_ids(&packed), "a1,a2");
        assert_eq!(packed_ids(b"\xa2id\xd9"), "");
    }
}
