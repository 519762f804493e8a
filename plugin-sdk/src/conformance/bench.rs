//! What a case works on: an open store, its clock, and a way to open it again.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::Failure;
use super::case::Bench;
use crate::abi::catalog::LoadedCatalog;
use crate::abi::pool::LoadedPool;
use crate::testing::TestClock;
use crate::{
    Batch, Bytes, Call, Capabilities, ClaimId, Claimed, Error, ErrorKind, Extensions, Header, List, Message, NewClaim,
    NewMessage, Place, Post, Posted, QueueId, QueueRef, RequestId, Result,
};

/// Opens the store again, as after a restart: what is open must be closed before.
pub type Reopen<T> = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<T>> + Send>> + Send + Sync>;

/// An open catalog, to be held to its promises.
#[derive(Clone)]
pub struct CatalogBench {
    /// The catalog.
    pub catalog: LoadedCatalog,
    /// Its clock.
    pub clock: TestClock,
    /// Opens it again; none where nothing outlives its closing.
    pub reopen: Option<Reopen<LoadedCatalog>>,
}

/// An open pool, to be held to its promises.
#[derive(Clone)]
pub struct PoolBench {
    /// The pool.
    pub pool: LoadedPool,
    /// Its clock.
    pub clock: TestClock,
    /// Opens it again; none where nothing outlives its closing.
    pub reopen: Option<Reopen<LoadedPool>>,
    /// How much is done to find a fault.
    pub effort: Effort,
}

/// How much is done to find a fault: more takes longer.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// How many messages a deep queue holds, in the cases of cost.
    pub depth: u32,
    /// How many random histories a case looks at.
    pub histories: u32,
    /// What they are drawn from: the same seed draws the same ones, and the next history is that of
    /// the next seed.
    pub seed: u64,
}

impl Default for Effort {
    /// A short run, with a seed of its own.
    fn default() -> Self {
        // A short one: people type it.
        Effort { depth: DEPTH, histories: HISTORIES, seed: unique() >> 44 }
    }
}

/// How many messages a deep queue holds by default: enough to tell a scan from a look-up, few enough
/// to be posted in a moment.
pub const DEPTH: u32 = 16_000;

/// How many random histories a case looks at by default: a few seconds' worth.
pub const HISTORIES: u32 = 100;

impl Effort {
    /// How long a case may take: a store that does not answer fails it. Filling a deep queue takes a
    /// while, and so do many histories.
    pub fn patience(&self) -> Duration {
        2 * MINUTE + Duration::from_millis(self.depth.into()) + self.histories * Duration::from_secs(2)
    }
}

impl Bench for CatalogBench {
    fn patience(&self) -> Duration {
        Effort { depth: 0, histories: 0, seed: 0 }.patience()
    }
}

impl Bench for PoolBench {
    fn patience(&self) -> Duration {
        self.effort.patience()
    }
}

/// A queue of a case, with its pool: short names for what cases do all the time.
#[derive(Clone)]
pub struct Queue {
    pub bench: PoolBench,
    pub reference: QueueRef,
}

pub const MINUTE: Duration = Duration::from_secs(60);
pub const HOUR: Duration = Duration::from_secs(3600);

/// An id that no other case has.
pub fn unique() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::time::Instant::now())
}

fn call(clock: &TestClock) -> Call {
    Call::new(RequestId(u128::from(unique())), "conformance", clock.now().after(HOUR))
}

impl CatalogBench {
    /// A call of the kit's.
    pub fn call(&self) -> Call {
        call(&self.clock)
    }

    /// Closes the catalog and opens it again.
    pub async fn restart(mut self) -> Result<Self, Failure> {
        let reopen = self.reopen.clone().ok_or_else(|| Failure::NotOffered("nothing outlives a restart".to_owned()))?;
        self.catalog.shutdown(&self.call()).await?;
        let CatalogBench { catalog, clock, .. } = self;
        drop(catalog);
        self = CatalogBench { catalog: reopen().await?, clock, reopen: Some(reopen) };
        Ok(self)
    }
}

impl PoolBench {
    /// A call of the kit's.
    pub fn call(&self) -> Call {
        call(&self.clock)
    }

    /// What the pool states of itself.
    pub fn capabilities(&self) -> Result<Capabilities, Failure> {
        self.pool.capabilities().ok_or_else(|| Failure::Broken("capabilities() panicked".to_owned()))
    }

    /// For cases that close the pool, or end its process: what it holds must outlive that.
    ///
    /// # Errors
    /// `NotOffered`: the pool states that it does not.
    pub fn must_be_kept(&self) -> Result<(), Failure> {
        match self.capabilities()?.is_kept() {
            true => Ok(()),
            false => Err(Failure::NotOffered("the pool does not state that what it holds outlives it".to_owned())),
        }
    }

    /// A new queue.
    pub async fn queue(&self) -> Result<Queue, Failure> {
        self.queue_with(None, Header::default()).await
    }

    /// A new queue with a header of its own, beside another where that is given. Its epoch is 1.
    pub async fn queue_with(&self, beside: Option<&QueueRef>, header: Header) -> Result<Queue, Failure> {
        let queue = self.queue_to_be(beside);
        queue.make(header).await?;
        Ok(queue)
    }

    /// A queue of which the pool has not been told.
    pub fn queue_to_be(&self, beside: Option<&QueueRef>) -> Queue {
        let id = QueueId(unique());
        let placement = self.pool.place(id, beside.cloned()).unwrap_or_default();
        Queue { bench: self.clone(), reference: QueueRef::new(id, 1, placement) }
    }

    /// Closes the pool and opens it again; [`Queue::restart`] takes a queue along.
    pub async fn restart(self) -> Result<Self, Failure> {
        let reopen = self.reopen.clone().ok_or_else(|| Failure::NotOffered("nothing outlives a restart".to_owned()))?;
        self.pool.shutdown(&self.call()).await?;
        let PoolBench { pool, clock, effort, .. } = self;
        drop(pool);
        Ok(PoolBench { pool: reopen().await?, clock, reopen: Some(reopen), effort })
    }
}

impl Queue {
    pub fn pool(&self) -> &LoadedPool {
        &self.bench.pool
    }

    pub fn call(&self) -> Call {
        self.bench.call()
    }

    pub fn advance(&self, by: Duration) {
        self.bench.clock.advance(by);
    }

    /// The same queue, seen by whoever has its record of another epoch.
    pub fn at_epoch(&self, epoch: u64) -> Queue {
        let reference = QueueRef::new(self.reference.id(), epoch, self.reference.placement().to_vec());
        Queue { bench: self.bench.clone(), reference }
    }

    /// Closes the pool and opens it again. Nothing else may hold the pool.
    pub async fn restart(self) -> Result<Queue, Failure> {
        let Queue { bench, reference } = self;
        Ok(Queue { bench: bench.restart().await?, reference })
    }

    /// Tells the pool of it for the first time.
    pub async fn make(&self, header: Header) -> Result<()> {
        let label = Bytes::from(format!("conformance\0{}", self.reference.id()));
        self.configure(Header { epoch: 1, label, ..header }).await
    }

    pub async fn configure(&self, header: Header) -> Result<()> {
        self.pool().configure(&self.call(), &self.reference, header).await
    }

    pub async fn post(&self, bodies: &[&str]) -> Result<Vec<Place>> {
        self.post_with(bodies, HOUR, Duration::ZERO).await
    }

    pub async fn post_with(&self, bodies: &[&str], ttl: Duration, delay: Duration) -> Result<Vec<Place>> {
        Ok(self.post_as(Post { messages: messages(bodies, ttl, delay), ..Post::default() }).await?.places)
    }

    /// Posts, by the client `c` unless the post names one.
    pub async fn post_as(&self, mut post: Post) -> Result<Posted> {
        if post.client.is_empty() {
            post.client = "c".to_owned();
        }
        self.pool().post(&self.call(), &self.reference, post).await
    }

    pub async fn list(&self, list: List) -> Result<Batch> {
        let list = List { limit: if list.limit == 0 { 1_000 } else { list.limit }, ..list };
        self.pool().list(&self.call(), &self.reference, list).await
    }

    /// The bodies of what an ordinary reader sees.
    pub async fn bodies(&self) -> Result<Vec<String>> {
        Ok(texts(&self.list(List::default()).await?.messages))
    }

    pub async fn claim(&self, limit: u32) -> Result<Claimed> {
        self.claim_as(new_claim(limit)).await
    }

    pub async fn claim_as(&self, claim: NewClaim) -> Result<Claimed> {
        self.pool().claim(&self.call(), &self.reference, claim).await
    }

    pub async fn pop(&self, limit: u32) -> Result<Vec<String>> {
        Ok(texts(&self.pool().pop(&self.call(), &self.reference, limit).await?.messages))
    }

    pub async fn get(&self, places: &[Place]) -> Result<Vec<Message>> {
        Ok(self.pool().get(&self.call(), &self.reference, places.to_vec()).await?.messages)
    }

    /// Sweeps until there is no more to do.
    pub async fn sweep(&self) -> Result<()> {
        let budget = crate::Budget { items: 1_000, time: Duration::from_millis(100) };
        while self.pool().sweep(&self.call(), budget).await?.more {}
        Ok(())
    }
}

/// A claim of five minutes with a minute's grace.
pub fn new_claim(limit: u32) -> NewClaim {
    let id = ClaimId(u128::from(unique()) << 64 | u128::from(unique()));
    NewClaim { id, limit, ttl: 5 * MINUTE, grace: MINUTE, uncounted: false, extensions: Default::default() }
}

pub fn messages(bodies: &[&str], ttl: Duration, delay: Duration) -> Vec<NewMessage> {
    let message =
        |body: &&str| NewMessage { body: Bytes::from(format!("\"{body}\"")), ttl, delay, ..NewMessage::default() };
    bodies.iter().map(message).collect()
}

/// What a plugin may have attached to something, told from others by its value.
pub fn extensions(value: &str) -> Extensions {
    let mut extensions = Extensions::new();
    extensions.set(2000, value.to_owned());
    extensions
}

/// Messages like [`messages`], each with its body for an extension.
pub fn extended(bodies: &[&str], ttl: Duration, delay: Duration) -> Vec<NewMessage> {
    let extended = |(message, body): (_, &&str)| NewMessage { extensions: extensions(body), ..message };
    messages(bodies, ttl, delay).into_iter().zip(bodies).map(extended).collect()
}

/// Bodies without their quotes.
pub fn texts(messages: &[Message]) -> Vec<String> {
    messages.iter().map(|message| String::from_utf8_lossy(&message.body).trim_matches('"').to_owned()).collect()
}

/// The kind of an error, where there must be one.
pub fn kind<T>(outcome: Result<T>) -> Option<ErrorKind> {
    outcome.err().map(|error: Error| error.kind)
}
