//! An open pool and the queue of the present history.

use std::time::Duration;

use sukkal_plugin_sdk::load::{Library, LoadedPool, OpenArgs};
use sukkal_plugin_sdk::testing::{TestClock, call};
use sukkal_plugin_sdk::{
    Batch, Budget, Call, ClaimId, Claimed, Delete, Deleted, Guard, Header, List, NewClaim, NewMessage, Place, Post,
    QueueId, QueueRef, Stats, Timestamp,
};
use sukkal_tests::stores::Store;
use tokio::runtime::Runtime;

/// Every claim's grace.
pub const GRACE: Duration = Duration::from_secs(60);

pub struct Pool {
    pub clock: TestClock,
    runtime: Runtime,
    library: Library,
    arguments: OpenArgs,
    open: Option<LoadedPool>,
    queue: QueueRef,
    _directory: tempfile::TempDir,
}

impl Pool {
    pub fn open(store: Store) -> Pool {
        let directory = tempfile::tempdir().unwrap();
        let clock = TestClock::default();
        let library = store.load(&clock, directory.path()).unwrap();
        // Restarts here are orderly: what power cuts leave is the crash tests' matter.
        let uri = if store.reopens { format!("{}?synchronous=normal", store.pool) } else { store.pool.to_owned() };
        let arguments = store.arguments(&uri, directory.path());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let queue = QueueId(0).into();
        let mut pool = Pool { clock, runtime, library, arguments, open: None, queue, _directory: directory };
        pool.reopen();
        pool
    }

    /// Closes the pool and opens it again.
    pub fn reopen(&mut self) {
        if let Some(open) = self.open.take() {
            self.run(open.shutdown(&self.call())).unwrap();
        }
        self.open = Some(self.run(self.library.open_pool(self.arguments.clone())).unwrap());
    }

    /// A new queue.
    pub fn begin(&mut self) {
        let id = QueueId(rand::random());
        let placement = self.pool().place(id, None).unwrap();
        self.queue = QueueRef::new(id, 1, placement);
        let header = Header { epoch: 1, label: "model".into(), ..Header::default() };
        self.run(self.pool().configure(&self.call(), &self.queue, header)).unwrap();
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn pool(&self) -> &LoadedPool {
        self.open.as_ref().unwrap()
    }

    pub fn queue(&self) -> &QueueRef {
        &self.queue
    }

    pub fn call(&self) -> Call {
        call(&self.clock)
    }

    pub fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    pub fn post(&self, count: usize, ttl: Duration, delay: Duration) -> Vec<Place> {
        let message = NewMessage { body: "1".into(), ttl, delay, ..NewMessage::default() };
        let post = Post { client: "c".to_owned(), messages: vec![message; count], ..Post::default() };
        self.run(self.pool().post(&self.call(), &self.queue, post)).unwrap().places
    }

    pub fn get(&self, places: Vec<Place>) -> Batch {
        self.run(self.pool().get(&self.call(), &self.queue, places)).unwrap()
    }

    pub fn list(&self, claimed: bool, delayed: bool) -> Batch {
        let list = List { limit: 100_000, claimed, delayed, ..List::default() };
        self.run(self.pool().list(&self.call(), &self.queue, list)).unwrap()
    }

    pub fn claim(&self, id: ClaimId, limit: u32, ttl: Duration) -> Claimed {
        let claim = NewClaim { id, limit, ttl, grace: GRACE, uncounted: false, extensions: Default::default() };
        self.run(self.pool().claim(&self.call(), &self.queue, claim)).unwrap()
    }

    pub fn pop(&self, limit: u32) -> Batch {
        self.run(self.pool().pop(&self.call(), &self.queue, limit)).unwrap()
    }

    pub fn delete(&self, places: Vec<Place>, guard: Guard) -> Deleted {
        let delete = Delete { places, guard, ..Delete::default() };
        self.run(self.pool().delete(&self.call(), &self.queue, delete)).unwrap()
    }

    pub fn stats(&self) -> Stats {
        self.run(self.pool().stats(&self.call(), &self.queue)).unwrap()
    }

    pub fn sweep(&self) {
        let budget = Budget { items: 1_000, time: Duration::from_millis(100) };
        while self.run(self.pool().sweep(&self.call(), budget)).unwrap().more {}
    }
}
