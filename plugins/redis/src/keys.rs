//! How keys are named. Names of projects and queues are in none of them: a queue is its id.
//!
//! All keys of a queue begin with `PREFIX:{TAG}:ID`, its placement's own with `PREFIX:{TAG}:`. What is
//! between the braces decides where a cluster keeps a key, so one script may touch all of a placement.

use sukkal_plugin_sdk::{Bytes, Error, QueueId, QueueRef, Result};

/// How many placements there are.
pub const TAGS: u16 = 1024;

/// One of the placements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag(u16);

impl Tag {
    /// Where queues lie that need not be spread.
    pub const FIRST: Tag = Tag(0);

    /// For a queue that is to lie anywhere: each is as likely as the others.
    pub fn of_new(queue: QueueId) -> Tag {
        Tag((queue.0 % u64::from(TAGS)) as u16)
    }

    /// Each of them, by number.
    pub fn from_number(number: u16) -> Option<Tag> {
        (number < TAGS).then_some(Tag(number))
    }

    /// Its number, below [`TAGS`].
    pub fn number(self) -> usize {
        self.0.into()
    }

    /// The placement of a queue.
    ///
    /// # Errors
    /// `Invalid`: it is none of this pool's.
    pub fn of(queue: &QueueRef) -> Result<Tag> {
        let digits = std::str::from_utf8(queue.placement()).ok().filter(|digits| digits.len() == 3);
        let number = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok()).and_then(Tag::from_number);
        number.ok_or_else(|| Error::invalid("the placement of the queue is none of this pool's"))
    }

    /// As the token that goes into the queue's record.
    pub fn token(self) -> Bytes {
        Bytes::from(format!("{:03x}", self.0))
    }
}

/// The names of a pool's keys.
#[derive(Clone, Debug)]
pub struct Keys {
    prefix: String,
}

impl Keys {
    /// Keys that begin with a prefix.
    pub fn new(prefix: &str) -> Keys {
        Keys { prefix: prefix.to_owned() }
    }

    /// What a placement's keys begin with.
    pub fn tag(&self, tag: Tag) -> String {
        format!("{}:{{{:03x}}}:", self.prefix, tag.0)
    }

    /// The header of a queue.
    pub fn queue(&self, tag: Tag, id: QueueId) -> String {
        self.tag(tag) + &id.text()
    }

    /// The bits of the placements that are in use.
    pub fn tags(&self) -> String {
        format!("{}:tags", self.prefix)
    }

    /// What tells this store apart from all others.
    pub fn store(&self) -> String {
        format!("{}:store", self.prefix)
    }

    /// What is written to see whether writing works.
    pub fn probe(&self) -> String {
        format!("{}:probe", self.prefix)
    }

    /// The channel of hints.
    pub fn hints(&self) -> String {
        format!("{}:hints", self.prefix)
    }
}
