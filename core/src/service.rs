//! What every action may use.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use sukkal_plugin_sdk::load::OpenCatalog;
use sukkal_plugin_sdk::{Call, RequestId, Timestamp};

use crate::directory::Directory;
use crate::pools::Pools;
use crate::probe::Probe;
use crate::snapshot::Snapshot;
use crate::wait::Waits;

/// Tells the time: the host's clock.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What every action may use.
pub struct Service {
    /// What can change while the service runs. An action has its request's own: [`Context::limits`]
    /// and the like.
    ///
    /// [`Context::limits`]: crate::engine::Context::limits
    pub current: Arc<ArcSwap<Snapshot>>,
    /// What the catalog's records mean.
    pub directory: Directory,
    /// The pools.
    pub pools: Arc<Pools>,
    /// Who waits for what.
    pub waits: Waits,
    /// The catalog itself.
    pub catalog: OpenCatalog,
    /// The host's clock.
    pub clock: Clock,
    /// Whether the stores answer.
    pub probe: Probe,
}

impl Service {
    /// What is in force now, for work of the service's own.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// A call of the service's own work, bounded in time.
    pub fn own_call(&self, time: Duration) -> Call {
        Call::new(RequestId(rand::random()), "", self.now().after(time))
    }
}
