//! Queues' records, remembered for a minute. Never a queue's absence.

use std::sync::Arc;
use std::time::Duration;

use equivalent::Equivalent;
use quick_cache::Weighter;
use sukkal_plugin_sdk::{Timestamp, millis};

use super::queues::Queue;
use crate::name::{Kind, Named};
use crate::service::Clock;

/// How long a record is trusted without asking the catalog. The pool refuses an old one anyway;
/// this bounds how long metadata such as a default ttl may be seen late.
const FRESH: Duration = Duration::from_secs(60);

/// How long an old record is trusted while it is read anew.
const TRUSTED: Duration = Duration::from_secs(10);

/// How many queues with short metadata are remembered.
const QUEUES: usize = 100_000;

/// Bytes that all of them may take: who makes queues chooses how long metadata are.
const ROOM: u64 = 128 << 20;

/// Queues' records, remembered.
pub struct Cache {
    queues: quick_cache::sync::Cache<Name, Read, Weight>,
    clock: Clock,
}

/// A queue, and when it was read.
type Read = (Timestamp, Arc<Queue>);

/// Roughly the bytes that a queue takes.
#[derive(Clone)]
struct Weight;

impl Weighter<Name, Read> for Weight {
    fn weight(&self, name: &Name, (_, queue): &Read) -> u64 {
        // Metadata as a tree take several times the bytes of their text; names are there twice.
        const PARSED: usize = 4;
        const NAMES: usize = 2;
        let names = NAMES * (name.project.len() + name.name.len());
        (size_of::<Queue>() + names + PARSED * queue.record_bytes) as u64
    }
}

/// What is remembered of a queue.
pub enum Known {
    /// Its record, read within the last minute.
    Fresh(Arc<Queue>),
    /// Its record, read before that: good enough while the catalog does not answer.
    Old(Arc<Queue>),
    /// Nothing.
    Nothing,
}

/// Names a queue or topic of any project.
#[derive(Hash, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// Its project.
    pub project: String,
    /// Whether it is a queue or a topic.
    pub kind: Kind,
    /// Its name there.
    pub name: String,
}

impl Name {
    /// What a project calls by this name.
    pub fn of(project: &str, Named { kind, name }: Named<'_>) -> Name {
        Name { project: project.to_owned(), kind, name: name.to_owned() }
    }
}

#[derive(Hash)]
struct NameRef<'a> {
    project: &'a str,
    kind: Kind,
    name: &'a str,
}

impl Equivalent<Name> for NameRef<'_> {
    fn equivalent(&self, key: &Name) -> bool {
        self.project == key.project && self.kind == key.kind && self.name == key.name
    }
}

impl Cache {
    /// Nothing is remembered yet.
    pub fn new(clock: Clock) -> Self {
        Cache { queues: quick_cache::sync::Cache::with_weighter(QUEUES, ROOM, Weight), clock }
    }

    /// What is remembered of a queue.
    pub fn get(&self, project: &str, Named { kind, name }: Named<'_>) -> Known {
        match self.queues.get(&NameRef { project, kind, name }) {
            None => Known::Nothing,
            Some((read, queue)) if (self.clock)().since(read) < FRESH => Known::Fresh(queue),
            Some((_, queue)) => Known::Old(queue),
        }
    }

    /// Remembers a queue as it was just read.
    pub fn put(&self, queue: Arc<Queue>) {
        if !queue.is_whole() {
            // Who reads it next tries to mend that.
            return self.trust(queue);
        }
        self.queues.insert(Name::of(&queue.project, queue.named()), ((self.clock)(), queue));
    }

    /// Trusts an old record for some seconds more, while it is read anew: others need not wait for that, nor again
    /// where the catalog does not answer.
    pub fn trust(&self, queue: Arc<Queue>) {
        let name = Name { project: queue.project.clone(), kind: queue.kind, name: queue.name.clone() };
        let read = Timestamp((self.clock)().0 - millis(FRESH - TRUSTED));
        self.queues.insert(name, (read, queue));
    }

    /// Forgets a queue.
    pub fn remove(&self, project: &str, Named { kind, name }: Named<'_>) {
        self.queues.remove(&NameRef { project, kind, name });
    }
}
