//! The catalog's records of queues, in their stored form.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sukkal_plugin_sdk::{Bytes, Header, QueueId, QueueRef, RecordKey, Timestamp};

use super::former::FormerRecord;
use crate::answer::Object;
use crate::error::{Error, ErrorKind, Result};
use crate::name::{Kind, Named};

/// The kind of queues' and topics' records: project and name are theirs.
pub fn kind_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Queue => "queue",
        Kind::Topic => "topic",
    }
}

/// The kind of records of queues that are being dropped: no project, named by the queue's id, and the
/// pool's name where it lives on in another pool.
pub const DROPPING: &str = "dropping";

/// The kind of records of places that queues have left, and where their keys are kept for a while: no
/// project, named by the instant from which on they are removed, in hexadecimal, then by queue and place.
pub const MOVED: &str = "moved";

/// The kind of records that say that somebody is moving a queue: the project is the queue's, the name its id. They end
/// by themselves, on the catalog's clock: whoever moved a queue that is still on its way then has died.
const MOVING: &str = "moving";

/// The kind of records that say which queues name a dead letter queue: the project is theirs, the
/// name is the dead letter queue's, U+0000, and theirs.
pub const DEAD_LETTER_SOURCE: &str = "dead-letter-source";

/// A queue's record.
#[derive(Serialize, Deserialize)]
pub struct QueueRecord {
    /// The queue's incarnation.
    pub id: String,
    /// Rises with every change.
    pub epoch: u64,
    /// The pool's name.
    pub pool: String,
    /// The pool's token, in hexadecimal.
    pub placement: String,
    /// The metadata, as clients set them.
    pub metadata: Box<RawValue>,
    /// Whether anybody has ever subscribed to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub subscribed: bool,
    /// Whether it is moving to another pool: until it has, nothing is done in it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub moving: bool,
    /// Whether queues name it as their dead letter queue whose pools were not told yet that it is there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unconnected: bool,
    /// Whether its dead letter queue has gone elsewhere, from where it is still to be brought back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub apart: bool,
    /// Where it was before, as long as posts may be repeated that were stored there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former: Vec<FormerRecord>,
}

/// What is left to know of a queue that is being dropped.
#[derive(Clone, Serialize, Deserialize)]
pub struct Dropping {
    /// The queue's incarnation.
    pub id: String,
    /// The epoch of its end.
    pub epoch: u64,
    /// The pool's name.
    pub pool: String,
    /// The pool's token, in hexadecimal.
    pub placement: String,
    /// Its project.
    pub project: String,
    /// Its name.
    pub name: String,
    /// What it was.
    #[serde(default)]
    pub kind: Kind,
    /// Whether it lives on in another place.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub moved: bool,
    /// Until when it is kept all the same, in ms: the keys of its posts are looked up there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_until: Option<i64>,
}

impl QueueRecord {
    /// That of a queue that is made now.
    pub fn new(queue: &QueueRef, pool: &str, metadata: &Object, unconnected: bool) -> Result<Self> {
        Ok(QueueRecord {
            id: queue.id().text(),
            epoch: queue.epoch(),
            pool: pool.to_owned(),
            placement: to_hex(queue.placement()),
            metadata: raw(metadata)?,
            subscribed: false,
            moving: false,
            unconnected,
            apart: false,
            former: Vec::new(),
        })
    }

    /// The stored form.
    pub fn to_bytes(&self) -> Result<Bytes> {
        serde_json::to_vec(self).map(Bytes::from).map_err(|error| broken(&error))
    }

    /// Reads the stored form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes).map_err(|error| broken(&error))
    }

    /// The pool's reference of the queue.
    pub fn reference(&self) -> Result<QueueRef> {
        reference(&self.id, self.epoch, &self.placement)
    }

    /// The metadata.
    pub fn object(&self) -> Result<Object> {
        crate::json::object(self.metadata.get().as_bytes()).map_err(|error| broken(&error))
    }
}

impl Dropping {
    /// Of a queue that no record but this knows: it is removed from its pool then.
    pub fn of_unknown(queue: &QueueRef, pool: &str, until: Timestamp) -> Self {
        Dropping {
            id: queue.id().text(),
            epoch: queue.epoch(),
            pool: pool.to_owned(),
            placement: to_hex(queue.placement()),
            project: String::new(),
            name: String::new(),
            kind: Kind::Queue,
            moved: true,
            kept_until: Some(until.0),
        }
    }

    /// The record's key.
    pub fn key(&self) -> RecordKey {
        // A queue that has moved may move again, or be deleted, before it is gone from where it was.
        let place = || format!("{}@{}:{}", self.id, self.pool, self.placement);
        match self.kept_until {
            // In the order in which they are removed.
            Some(until) => RecordKey::new(MOVED, "", format!("{until:016x}@{}", place())),
            None if self.moved => RecordKey::new(DROPPING, "", place()),
            None => RecordKey::new(DROPPING, "", self.id.clone()),
        }
    }

    /// The key under which the last deleted queue of a name is found, as long as anything is left of it.
    pub fn key_of(project: &str, named: Named<'_>) -> RecordKey {
        RecordKey::new(format!("{DROPPING}-{}", kind_of(named.kind)), project, named.name)
    }

    /// What it was called, and what it was.
    pub fn named(&self) -> Named<'_> {
        Named { kind: self.kind, name: &self.name }
    }

    /// The stored form.
    pub fn to_bytes(&self) -> Result<Bytes> {
        serde_json::to_vec(self).map(Bytes::from).map_err(|error| broken(&error))
    }

    /// Reads the stored form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes).map_err(|error| broken(&error))
    }

    /// The pool's reference of the queue.
    pub fn reference(&self) -> Result<QueueRef> {
        reference(&self.id, self.epoch, &self.placement)
    }

    /// The header that ends the queue in its pool.
    pub fn header(&self) -> Header {
        Header { epoch: self.epoch, label: label(&self.project, self.named()), dropping: true, ..Header::default() }
    }
}

/// The key of what says that somebody is moving a queue.
pub fn moving_key(project: &str, queue: QueueId) -> RecordKey {
    RecordKey::new(MOVING, project, queue.text())
}

/// The label under which a pool knows a queue: its project, U+0000, its name. A topic's name has a
/// slash in front, which no name has.
pub fn label(project: &str, named: Named<'_>) -> Bytes {
    let slash = if named.kind == Kind::Topic { "/" } else { "" };
    Bytes::from(format!("{project}\0{slash}{}", named.name))
}

/// Metadata in their stored form.
pub fn raw(object: &Object) -> Result<Box<RawValue>> {
    serde_json::value::to_raw_value(object)
        .map_err(|error| Error::new(ErrorKind::Internal, "The metadata cannot be stored.").detail(error))
}

/// Bytes in hexadecimal.
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A queue's reference, of its stored parts.
pub(super) fn reference(id: &str, epoch: u64, placement: &str) -> Result<QueueRef> {
    let id: QueueId = id.parse().map_err(|error| broken(&error))?;
    Ok(QueueRef::new(id, epoch, from_hex(placement)?))
}

fn from_hex(text: &str) -> Result<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes: Option<Vec<u8>> = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    bytes.filter(|_| rest.is_empty()).ok_or_else(|| broken(&"a placement is not hexadecimal"))
}

pub(super) fn broken(why: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::Internal, "A record of the catalog cannot be read.").detail(why)
}
