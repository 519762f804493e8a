//! What stores state of themselves.

use crate::{Bytes, Extensions};

/// What a pool states of itself. Stated, not checked per request.
#[derive(Clone, Debug, PartialEq)]
pub struct Capabilities {
    /// Messages of one client are read in the order posted.
    pub fifo: bool,
    /// Claims are supported.
    pub claims: bool,
    /// An acknowledged write outlives a crash.
    pub durability: bool,
    /// At-least-once delivery.
    pub at_least_once: bool,
    /// Fit for high throughput.
    pub high_throughput: bool,
    /// The store is reached over a network: a post's outcome can be unknown, so hosts give it keys.
    pub remote: bool,
    /// The most messages of one post; none: any number.
    pub max_batch: Option<u32>,
    /// The most bytes of one post's bodies; none: any number.
    pub max_batch_bytes: Option<u64>,
    /// See [`Extensions`].
    pub extensions: Extensions,
}

/// The tag under which a pool states that what it holds outlives its closing.
const KEPT: u32 = 1;

impl Capabilities {
    /// States that what the pool holds outlives its closing, though it does not state durability: an acknowledged
    /// write is there when it is opened again, unless the machine has crashed.
    pub fn kept(mut self) -> Self {
        self.extensions.set(KEPT, "");
        self
    }

    /// Whether what the pool holds outlives its closing: it is durable, lies in a server, or the pool says so
    /// ([`Capabilities::kept`]).
    pub fn is_kept(&self) -> bool {
        self.durability || self.remote || self.extensions.get(KEPT).is_some()
    }

    /// The names that flavors show, in their fixed order (spec: pools and flavors).
    pub fn names(&self) -> Vec<&'static str> {
        [
            (self.fifo, "FIFO"),
            (self.claims, "CLAIMS"),
            (self.durability, "DURABILITY"),
            (self.at_least_once, "AOD"),
            (self.high_throughput, "HIGH_THROUGHPUT"),
        ]
        .into_iter()
        .filter_map(|(has, name)| has.then_some(name))
        .collect()
    }
}

impl Default for Capabilities {
    /// Everything but durability and a network; no bound on a batch.
    fn default() -> Self {
        Capabilities {
            fifo: true,
            claims: true,
            durability: false,
            at_least_once: true,
            high_throughput: true,
            remote: false,
            max_batch: None,
            max_batch_bytes: None,
            extensions: Extensions::new(),
        }
    }
}

/// A store that answers, and what its operator should know all the same.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Health {
    /// One sentence each, for logs and health pages: what can go wrong, and the mend.
    pub warnings: Vec<String>,
    /// See [`Extensions`].
    pub extensions: Extensions,
}

/// The tag under which a store states that nothing of it outlives its closing.
const VOLATILE: u32 = 1;

/// The tag under which a store tells itself apart from all others.
const STORE: u32 = 2;

impl Health {
    /// States which store this is, by something that is kept in it: what states the same is one store, whatever
    /// URIs lead to it, and is registered as a pool once.
    pub fn of_store(mut self, id: impl Into<Bytes>) -> Self {
        self.extensions.set(STORE, id);
        self
    }

    /// Which store it is; none: it does not say.
    pub fn store(&self) -> Option<&Bytes> {
        self.extensions.get(STORE)
    }

    /// States that nothing of the store outlives its closing: what a pool says by its capabilities
    /// ([`Capabilities::is_kept`]), and a catalog in memory here. The kit then asks it for nothing after a restart.
    pub fn volatile(mut self) -> Self {
        self.extensions.set(VOLATILE, "");
        self
    }

    /// Whether nothing of the store outlives its closing.
    pub fn is_volatile(&self) -> bool {
        self.extensions.get(VOLATILE).is_some()
    }
}
