//! The identifiers of queues, places, messages and claims, and their text forms.
//!
//! Text forms use the digits `0-9a-v` (base 32, lower case, fixed width), so they sort as text as
//! they sort as numbers, and need no escaping in paths, lists and links.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A queue's incarnation: 64 random bits, drawn by the service when the queue is made.
///
/// A queue that is deleted and made anew under its old name has another id, so nothing of the old
/// one can be taken for the new one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueId(pub u64);

/// Where a message stands in its queue. Given by the store when it commits, ascending, never reused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place(pub u64);

/// A message's identity: its queue and its place there. 26 characters as text.
///
/// Since it states a place it is a marker for paging as well, also when its message is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId {
    /// The queue's incarnation.
    pub queue: QueueId,
    /// The place in it.
    pub place: Place,
}

/// A claim's identity: 128 bits, drawn by the host that makes the claim. Most are random; those drawn
/// later are larger, as a rule and within a millisecond or so. 26 characters as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClaimId(pub u128);

/// The identity of one request, for logs on both sides of the boundary. A UUID as text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RequestId(pub u128);

/// The text is no id of the kind that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseIdError;

impl fmt::Display for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a well-formed id")
    }
}

impl std::error::Error for ParseIdError {}

const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
const WIDTH_64: usize = 13;
const WIDTH_128: usize = 26;

impl QueueId {
    /// The 13 characters of the id.
    pub fn text(self) -> String {
        text_of(&digits::<WIDTH_64>(u128::from(self.0))).to_owned()
    }
}

impl fmt::Display for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(text_of(&digits::<WIDTH_64>(u128::from(self.0))))
    }
}

impl FromStr for QueueId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        decode::<WIDTH_64>(text.as_bytes())?.try_into().map(QueueId).map_err(|_| ParseIdError)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 2 * WIDTH_64];
        let (queue, place) = text.split_at_mut(WIDTH_64);
        encode_into(u128::from(self.queue.0), queue);
        encode_into(u128::from(self.place.0), place);
        f.write_str(text_of(&text))
    }
}

impl FromStr for MessageId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let (queue, place) = text.as_bytes().split_at_checked(WIDTH_64).ok_or(ParseIdError)?;
        let half = |text| decode::<WIDTH_64>(text)?.try_into().map_err(|_| ParseIdError);
        Ok(MessageId { queue: QueueId(half(queue)?), place: Place(half(place)?) })
    }
}

impl fmt::Display for ClaimId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(text_of(&digits::<WIDTH_128>(self.0)))
    }
}

impl FromStr for ClaimId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        decode::<WIDTH_128>(text.as_bytes()).map(ClaimId)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        // In one piece: it is written for every answer, and formatted parts cost half a microsecond.
        let (mut text, mut rest) = ([b'-'; 36], self.0);
        for (place, slot) in text.iter_mut().enumerate().rev() {
            if !matches!(place, 8 | 13 | 18 | 23) {
                *slot = HEX[(rest & 15) as usize];
                rest >>= 4;
            }
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

/// The digits of a number, without an allocation: ids are written many times in an answer.
fn digits<const WIDTH: usize>(value: u128) -> [u8; WIDTH] {
    let mut text = [0; WIDTH];
    encode_into(value, &mut text);
    text
}

/// Digits are ASCII: nothing else comes here.
fn text_of(digits: &[u8]) -> &str {
    std::str::from_utf8(digits).unwrap_or_default()
}

fn encode_into(mut value: u128, text: &mut [u8]) {
    for slot in text.iter_mut().rev() {
        *slot = DIGITS[(value & 31) as usize];
        value >>= 5;
    }
}

fn decode<const WIDTH: usize>(text: &[u8]) -> Result<u128, ParseIdError> {
    if text.len() != WIDTH {
        return Err(ParseIdError);
    }
    text.iter().try_fold(0_u128, |value, character| {
        let digit = match character {
            b'0'..=b'9' => character - b'0',
            b'a'..=b'v' => character - b'a' + 10,
            _ => return Err(ParseIdError),
        };
        // The widths hold a few bits more than the numbers: a text that uses them is no id.
        if value >> 123 != 0 {
            return Err(ParseIdError);
        }
        Ok((value << 5) | u128::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_their_text_form_and_sort_alike() {
        let id = |queue, place| MessageId { queue: QueueId(queue), place: Place(place) };
        for (low, high) in [(id(1, 1), id(1, 2)), (id(1, 31), id(1, 32)), (id(1, u64::MAX), id(2, 0))] {
            assert!(low.to_string() < high.to_string());
            assert_eq!(low.to_string().parse(), Ok(low));
            assert_eq!(high.to_string().len(), 26);
        }
        let claim = ClaimId(u128::MAX);
        assert_eq!(claim.to_string().parse(), Ok(claim));
    }

    #[test]
    fn requests_are_told_as_uuids() {
        let id = RequestId(0x0011_2233_4455_4677_8899_aabb_ccdd_eeff);
        assert_eq!(id.to_string(), "00112233-4455-4677-8899-aabbccddeeff");
    }

    #[test]
    fn text_that_is_no_id_is_refused() {
        for text in [
            "",
            "x",
            "not-an-id",
            "zzzzzzzzzzzzzzzzzzzzzzzzzz",
            "vvvvvvvvvvvvvvvvvvvvvvvvvv",
            "é0000000000000000000000000",
        ] {
            assert_eq!(text.parse::<MessageId>(), Err(ParseIdError), "{text}");
        }
        assert_eq!("vvvvvvvvvvvvvvvvvvvvvvvvvv".parse::<ClaimId>(), Err(ParseIdError));
    }
}
