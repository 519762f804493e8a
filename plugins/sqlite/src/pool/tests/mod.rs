//! The pool's promises, on the pool itself.

mod claims;
mod dead_letters;
mod depth;
mod expiry;
mod front;
mod garbage;
mod keys;
mod lanes;
mod lifecycle;
mod messages;
mod open_block;
mod plan;
mod speed;
mod watching;

use std::time::Duration;

use sukkal_plugin_sdk::testing::{TestClock, host};
use sukkal_plugin_sdk::tokio::runtime::{Builder, Runtime};
use sukkal_plugin_sdk::{
    Batch, Budget, Call, ClaimId, Claimed, DeadLetterRule, Delete, Deleted, Guard, Header, List, NewClaim, NewMessage,
    Open, Place, Pool as _, Post, Posted, QueueId, QueueRef, Release, RequestId, Result, Stats, Swept, Timestamp,
};

use super::Pool;
use crate::settings::Settings;

/// A pool in a directory of its own, on a clock that can be put forward.
pub struct Rig {
    pub runtime: Runtime,
    pub clock: TestClock,
    pub settings: Settings,
    pool: Option<Pool>,
    host: sukkal_plugin_sdk::Host,
    // Last: the files go after the pool.
    dir: tempfile::TempDir,
}

/// The queue that most tests need.
pub const QUEUE: QueueId = QueueId(u64::MAX - 7);

pub const ALL: Budget = Budget { items: 1000, time: Duration::from_secs(1) };

pub fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub fn queue(id: QueueId, epoch: u64) -> QueueRef {
    QueueRef::new(id, epoch, "")
}

pub fn call() -> Call {
    Call::new(RequestId(1), "", Timestamp::MAX)
}

pub fn message(text: &str) -> NewMessage {
    NewMessage { body: text.to_owned().into(), ttl: secs(3600), ..NewMessage::default() }
}

pub fn bodies(batch: &Batch) -> Vec<String> {
    batch.messages.iter().map(|message| String::from_utf8_lossy(&message.body).into_owned()).collect()
}

impl Rig {
    /// A pool with the queue `QUEUE` in it.
    pub fn new() -> Rig {
        Rig::with(Settings::default())
    }

    pub fn with(settings: Settings) -> Rig {
        let dir = tempfile::tempdir().unwrap();
        let (host, clock) = host(dir.path());
        let runtime = Builder::new_current_thread().build().unwrap();
        let mut rig = Rig { runtime, clock, settings, pool: None, host, dir };
        rig.restart();
        rig.configure(QUEUE, 1, None).unwrap();
        rig
    }

    pub fn open(&self) -> Result<Pool> {
        let uri = "sqlite:pool.db".to_owned();
        self.runtime.block_on(Pool::open(Open { uri, settings: self.settings.clone(), host: self.host.clone() }))
    }

    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    pub fn file(&self, name: &str) -> std::fs::Metadata {
        std::fs::metadata(self.path(name)).unwrap()
    }

    pub fn close(&mut self) {
        self.pool = None;
    }

    pub fn restart(&mut self) {
        self.close();
        self.pool = Some(self.open().unwrap());
    }

    pub fn pool(&self) -> &Pool {
        self.pool.as_ref().unwrap()
    }

    pub fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    pub fn now(&self) -> Timestamp {
        self.host.now()
    }

    pub fn configure(&self, id: QueueId, epoch: u64, dead_letter: Option<DeadLetterRule>) -> Result<()> {
        let header = Header { epoch, dead_letter, label: format!("label of {}", id.0).into(), ..Header::default() };
        self.run(self.pool().configure(&call(), &queue(id, epoch), header))
    }

    pub fn post_all(&self, post: Post) -> Result<Posted> {
        self.run(self.pool().post(&call(), &queue(QUEUE, 1), post))
    }

    pub fn post(&self, texts: &[&str]) -> Vec<Place> {
        let messages = texts.iter().map(|text| message(text)).collect();
        self.post_all(Post { client: "client".to_owned(), messages, ..Post::default() }).unwrap().places
    }

    pub fn post_message(&self, message: NewMessage) -> Place {
        let post = Post { client: "client".to_owned(), messages: vec![message], ..Post::default() };
        self.post_all(post).unwrap().places[0]
    }

    pub fn list(&self, list: List) -> Batch {
        self.run(self.pool().list(&call(), &queue(QUEUE, 1), list)).unwrap()
    }

    pub fn listed(&self) -> Vec<String> {
        bodies(&self.list(List { limit: 100, ..List::default() }))
    }

    pub fn claim_in(&self, id: QueueId, claim: u128, limit: u32, ttl: u64) -> Claimed {
        let new = NewClaim {
            id: ClaimId(claim),
            limit,
            ttl: secs(ttl),
            grace: secs(60),
            uncounted: false,
            extensions: Default::default(),
        };
        self.run(self.pool().claim(&call(), &queue(id, 1), new)).unwrap()
    }

    pub fn claim(&self, claim: u128, limit: u32, ttl: u64) -> Vec<String> {
        bodies(&self.claim_in(QUEUE, claim, limit, ttl).batch)
    }

    pub fn release(&self, claim: u128, release: Release) {
        self.run(self.pool().claim_release(&call(), &queue(QUEUE, 1), ClaimId(claim), release)).unwrap();
    }

    pub fn pop(&self, limit: u32) -> Vec<String> {
        bodies(&self.run(self.pool().pop(&call(), &queue(QUEUE, 1), limit)).unwrap())
    }

    pub fn delete(&self, places: &[Place], guard: Guard) -> Deleted {
        let delete = Delete { places: places.to_vec(), guard, ..Delete::default() };
        self.run(self.pool().delete(&call(), &queue(QUEUE, 1), delete)).unwrap()
    }

    pub fn stats(&self, id: QueueId) -> Stats {
        self.run(self.pool().stats(&call(), &queue(id, 1))).unwrap()
    }

    pub fn sweep(&self) -> Swept {
        self.run(self.pool().sweep(&call(), ALL)).unwrap()
    }

    /// Sweeps until nothing is left to do.
    pub fn settle(&self) {
        while self.sweep().more {}
    }
}
