//! How documents of a queue are named: all of them begin with the queue, then comes what they are.

use mongodb::bson::{Document, doc};
use sukkal_plugin_sdk::{Bytes, ClaimId, Key, Lane, Place, QueueId};

/// A message: the lane's digit, then the place, so that names sort as places do.
pub fn message(queue: QueueId, lane: Lane, place: Place) -> String {
    // A place has as many digits as a queue's id.
    format!("{queue}{}{}", lane.code(), QueueId(place.0))
}

/// A claim.
pub fn claim(queue: QueueId, claim: ClaimId) -> String {
    format!("{queue}c{claim}")
}

/// A post's key: of one length, whatever clients choose.
pub fn key(queue: QueueId, key: &Key) -> String {
    use sha2::{Digest, Sha256};
    let mut hash = Sha256::new();
    hash.update((key.scope.len() as u64).to_be_bytes());
    hash.update(key.scope.as_bytes());
    hash.update(&key.key);
    let hash = hash.finalize();
    let hex: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{queue}k{hex}")
}

/// The names of a lane's messages.
pub fn lane(queue: QueueId, lane: Lane) -> Document {
    doc! { "$gt": format!("{queue}{}", lane.code()), "$lt": format!("{queue}{}", lane.code() + 1) }
}

/// The names of all that a queue has beside its header.
pub fn all(queue: QueueId) -> Document {
    doc! { "$gt": queue.text(), "$lt": format!("{queue}~") }
}

/// Whether a text is the name of one of a queue's messages.
pub fn is_message(queue: QueueId, text: &Bytes) -> bool {
    let rest = std::str::from_utf8(text).ok().and_then(|text| text.strip_prefix(&queue.text()));
    rest.is_some_and(|rest| rest.len() == 14 && rest[..1].parse::<u32>().is_ok_and(|lane| lane < 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_messages_sort_as_places_do() {
        let name = |place| message(QueueId(7), Lane::Main, Place(place));
        assert!([name(0), name(1), name(31), name(32), name(u64::MAX)].is_sorted());
        assert!(is_message(QueueId(7), &Bytes::from(name(5))));
        assert!(!is_message(QueueId(8), &Bytes::from(name(5))));
        assert!(!is_message(QueueId(7), &Bytes::from(claim(QueueId(7), ClaimId(1)))));
    }
}
