//! Subscriptions' records, in their stored form.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use sukkal_plugin_sdk::{Bytes, Call, Change, Expect, Extensions, QueueId, Record, RecordKey, Timestamp, Write};

use super::Subscription;
use crate::directory::record::{broken, to_hex};
use crate::error::Result;

/// The kind of subscriptions' records: named by the queue's id and the subscription's.
pub const SUBSCRIPTION: &str = "subscription";
/// The kind of records that hold a subscriber's place at a queue: named by the queue's id and the
/// hash of the subscriber; the value is the subscription's id.
pub const SUBSCRIBER: &str = "subscriber";

/// A subscription as its record has it.
pub(super) struct Stored {
    pub(super) subscription: Subscription,
    pub(super) revision: u64,
    /// On the store's clock.
    pub(super) ends: Timestamp,
}

/// Who holds a subscriber's place. What it names may have ended.
pub(super) struct Place {
    pub(super) id: String,
    revision: u64,
}

#[derive(Serialize, Deserialize)]
struct Form {
    subscriber: String,
    ttl: u64,
    since: i64,
    options: Box<RawValue>,
    confirmed: bool,
}

impl Stored {
    pub(super) fn of(record: Record) -> Result<Self> {
        let form: Form = serde_json::from_slice(&record.value).map_err(|error| broken(&error))?;
        let options = crate::json::object(form.options.get().as_bytes()).map_err(|error| broken(&error))?;
        let Form { subscriber, ttl, since, confirmed, .. } = form;
        let id = record.key.name.get(QUEUE_ID..).unwrap_or_default().to_owned();
        Ok(Stored {
            subscription: Subscription { id, subscriber, ttl, since: Timestamp(since), options, confirmed },
            revision: record.revision,
            ends: record.expires.unwrap_or(Timestamp::MAX),
        })
    }
}

impl Place {
    pub(super) fn of(record: Record) -> Self {
        Place { id: String::from_utf8_lossy(&record.value).into_owned(), revision: record.revision }
    }

    /// What whoever takes a place expects of it, that nobody else takes it meanwhile.
    pub(super) fn expected(place: Option<&Place>) -> Expect {
        place.map_or(Expect::Absent, |place| Expect::Revision(place.revision))
    }
}

/// How many characters a queue's id has.
const QUEUE_ID: usize = 13;

/// The name of what belongs to a queue.
pub(super) fn name(queue: QueueId, own: &str) -> String {
    format!("{queue}{own}")
}

/// Whether a record is of what belongs to a queue.
pub(super) fn belongs(key: &RecordKey, queue: QueueId) -> bool {
    key.name.get(..QUEUE_ID).is_some_and(|id| id == queue.text())
}

/// A subscription's key; none for a text that is no id.
pub(super) fn key(project: &str, queue: QueueId, id: &str) -> Option<RecordKey> {
    let sound = id.len() == 32 && id.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    sound.then(|| RecordKey::new(SUBSCRIPTION, project, name(queue, id)))
}

/// The key of a subscriber's place.
pub(super) fn place_key(call: &Call, queue: QueueId, subscriber: &str) -> RecordKey {
    RecordKey::new(SUBSCRIBER, call.project(), name(queue, &to_hex(&Sha256::digest(subscriber))))
}

/// Stores a subscription that ends after a time.
pub(super) fn put(
    call: &Call,
    queue: QueueId,
    subscription: &Subscription,
    expect: Expect,
    life: Duration,
) -> Result<Change> {
    let Subscription { id, subscriber, ttl, since, options, confirmed } = subscription;
    let options = serde_json::value::to_raw_value(options).map_err(|error| broken(&error))?;
    let form = Form { subscriber: subscriber.clone(), ttl: *ttl, since: since.0, options, confirmed: *confirmed };
    let value = serde_json::to_vec(&form).map_err(|error| broken(&error))?;
    let key = RecordKey::new(SUBSCRIPTION, call.project(), name(queue, id));
    Ok(mortal(key, expect, value.into(), life))
}

/// Stores that a subscription holds its subscriber's place.
pub(super) fn put_place(
    call: &Call,
    queue: QueueId,
    subscription: &Subscription,
    expect: Expect,
    life: Duration,
) -> Change {
    let value = Bytes::from(subscription.id.clone());
    mortal(place_key(call, queue, &subscription.subscriber), expect, value, life)
}

/// Deletes a subscription, if nobody has changed it.
pub(super) fn delete(call: &Call, queue: QueueId, id: &str, revision: u64) -> Change {
    Change::delete(RecordKey::new(SUBSCRIPTION, call.project(), name(queue, id)), Expect::Revision(revision))
}

/// Gives a subscriber's place free.
pub(super) fn delete_place(call: &Call, queue: QueueId, subscription: &Subscription) -> Change {
    Change::delete(place_key(call, queue, &subscription.subscriber), Expect::Any)
}

fn mortal(key: RecordKey, expect: Expect, value: Bytes, life: Duration) -> Change {
    Change { key, expect, write: Write::Put { value, expires_in: Some(life), extensions: Extensions::new() } }
}
