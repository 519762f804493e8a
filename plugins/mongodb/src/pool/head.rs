//! A queue's header as a document.
//!
//! | field | holds |
//! |---|---|
//! | `_id`, `q`, `h`, `s` | the queue; `h` is there so that one small index holds all headers |
//! | `v`, `at` | written by whoever works in the queue, which keeps others out; the server's clock then |
//! | `e`, `g`, `label`, `o`, `place` | epoch, whether it is dropping, label, extensions, placement |
//! | `rule` | dead letters: queue (`q`, `e`, `l`), most claims (`m`), ttl (`y`) |
//! | `last` | the last place that was given out |
//! | `n`, `m` | how many messages there are in each state; how many claims that hold nothing |
//! | `d` | when something falls due next |
//! | `l1`, `l2` | the queue, while something is ready in that lane |
//! | `j`, `b` | how often something became available; how often something came back to its old place |
//! | `again`, `recheck` | when letters that could not move are tried again; from where on messages are held against a new rule |
//! | `lease` | by lane: holder (`h`), fence (`f`), end (`u`) |

use std::time::Duration;

use mongodb::bson::{Bson, Document, doc};
use sukkal_plugin_sdk::{
    Bytes, DeadLetterRule, Extensions, Header, KnownQueue, Lane, QueueId, QueueRef, Result, millis,
};

use super::message::number;
use super::state::{Counts, HEADER, State};
use crate::error::unexpected;
use crate::server::{binary, take_bytes};

/// Later than every instant.
pub const NEVER: i64 = i64::MAX;

/// A queue's header.
#[derive(Clone, Debug)]
pub struct Head {
    pub id: QueueId,
    pub placement: Bytes,
    pub header: Header,
    pub last: i64,
    pub counts: Counts,
    pub emptied: i64,
    pub due: i64,
    pub stirred: i64,
    pub came_back: i64,
    pub again: i64,
    pub recheck: Option<i64>,
    pub leases: [Held; Lane::ALL.len()],
}

/// Who holds a lane.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Held {
    /// Empty when nobody does.
    pub holder: String,
    pub fence: i64,
    pub until: i64,
}

impl Head {
    /// The header of a new queue.
    pub fn new(queue: &QueueRef) -> Head {
        Head {
            id: queue.id(),
            placement: Bytes::copy_from_slice(queue.placement()),
            header: Header::default(),
            last: 0,
            counts: Counts::default(),
            emptied: 0,
            due: NEVER,
            stirred: 0,
            came_back: 0,
            again: 0,
            recheck: None,
            leases: Default::default(),
        }
    }

    /// What a document says.
    ///
    /// # Errors
    /// It is none that this plugin wrote.
    pub fn read(mut document: Document) -> Result<Head> {
        let mut lease = document.get_document("lease").cloned().unwrap_or_default();
        let mut held = |lane: Lane| match lease.remove(lane.code().to_string()) {
            Some(Bson::Document(held)) => Held {
                holder: held.get_str("h").unwrap_or_default().to_owned(),
                fence: held.get_i64("f").unwrap_or(0),
                until: held.get_i64("u").unwrap_or(0),
            },
            _ => Held::default(),
        };
        let leases = Lane::ALL.map(&mut held);
        let rule = document.get_document("rule").ok().cloned().map(read_rule).transpose()?;
        let counts = document.get_document("n").map(Counts::read).unwrap_or_default();
        Ok(Head {
            id: id(&document)?,
            placement: take_bytes(&mut document, "place")?.into(),
            header: Header {
                epoch: number(&document, "e")?.cast_unsigned(),
                label: take_bytes(&mut document, "label")?.into(),
                dead_letter: rule,
                dropping: document.get_bool("g").unwrap_or(false),
                extensions: Extensions::from_bytes(&take_bytes(&mut document, "o")?),
            },
            last: number(&document, "last")?,
            counts,
            emptied: document.get_i64("m").unwrap_or(0),
            due: document.get_i64("d").unwrap_or(NEVER),
            stirred: document.get_i64("j").unwrap_or(0),
            came_back: document.get_i64("b").unwrap_or(0),
            again: document.get_i64("again").unwrap_or(0),
            recheck: document.get_i64("recheck").ok(),
            leases,
        })
    }

    /// As a document, but for what the lock writes.
    pub fn document(&self) -> Document {
        let id = self.id.text();
        let mut document = doc! {
            "_id": &id,
            "q": &id,
            "h": &id,
            "s": HEADER,
            "e": self.header.epoch.cast_signed(),
            "g": self.header.dropping,
            "label": binary(self.header.label.to_vec()),
            "o": binary(self.header.extensions.to_bytes()),
            "place": binary(self.placement.to_vec()),
            "last": self.last,
            "n": self.counts.document(),
            "m": self.emptied,
            "j": self.stirred,
            "b": self.came_back,
            "again": self.again,
        };
        if self.due != NEVER {
            document.insert("d", self.due);
        }
        for (lane, field) in [(Lane::Outbox, "l1"), (Lane::Retry, "l2")] {
            if self.counts[(lane, State::Ready)] > 0 && !self.header.dropping {
                document.insert(field, &id);
            }
        }
        if let Some(from) = self.recheck {
            document.insert("recheck", from);
        }
        if let Some(rule) = &self.header.dead_letter {
            document.insert("rule", of_rule(rule));
        }
        let mut leases = doc! {};
        for (lane, held) in Lane::ALL.iter().zip(&self.leases).filter(|(_, held)| held.fence > 0) {
            leases.insert(lane.code().to_string(), doc! { "h": &held.holder, "f": held.fence, "u": held.until });
        }
        document.insert("lease", leases);
        document
    }

    /// The queue, as the pool knows it.
    pub fn known(&self) -> KnownQueue {
        let queue = QueueRef::new(self.id, self.header.epoch, self.placement.clone());
        KnownQueue { queue, label: self.header.label.clone(), extensions: Extensions::new() }
    }

    /// Whether a message that was claimed so often has used up its claims.
    pub fn is_worn(&self, claims: i64) -> bool {
        self.header.dead_letter.as_ref().is_some_and(|rule| claims >= i64::from(rule.max_claims))
    }
}

/// What is to be written so that one document becomes the other.
pub fn difference(before: &Document, after: &Document) -> Option<Document> {
    let mut set = doc! {};
    for (field, value) in after.iter().filter(|(field, value)| before.get(field) != Some(*value)) {
        set.insert(field, value.clone());
    }
    let mut unset = doc! {};
    for field in before.keys().filter(|field| !after.contains_key(field)) {
        unset.insert(field, "");
    }
    let mut change = doc! {};
    for (operator, fields) in [("$set", set), ("$unset", unset)] {
        if !fields.is_empty() {
            change.insert(operator, fields);
        }
    }
    (!change.is_empty()).then_some(change)
}

fn id(document: &Document) -> Result<QueueId> {
    document.get_str("_id").map_err(unexpected)?.parse().map_err(unexpected)
}

fn of_rule(rule: &DeadLetterRule) -> Document {
    let mut document = doc! {
        "q": rule.queue.id().text(),
        "e": rule.queue.epoch().cast_signed(),
        "l": binary(rule.queue.placement().to_vec()),
        "m": i64::from(rule.max_claims),
    };
    if let Some(ttl) = rule.ttl {
        document.insert("y", millis(ttl));
    }
    document
}

fn read_rule(mut rule: Document) -> Result<DeadLetterRule> {
    let id: QueueId = rule.get_str("q").map_err(unexpected)?.parse().map_err(unexpected)?;
    let placement = take_bytes(&mut rule, "l")?;
    Ok(DeadLetterRule {
        queue: QueueRef::new(id, number(&rule, "e")?.cast_unsigned(), placement),
        max_claims: u32::try_from(number(&rule, "m")?).unwrap_or(u32::MAX),
        ttl: rule.get_i64("y").ok().map(|ttl| Duration::from_millis(ttl.max(0).cast_unsigned())),
    })
}
