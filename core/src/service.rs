//! What every action may use.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use sukkal_plugin_sdk::load::OpenCatalog;
use sukkal_plugin_sdk::{self as sdk, Call, ErrorKind, RequestId, Timestamp};

use crate::directory::Directory;
use crate::pools::Pools;
use crate::probe::Probe;
use crate::snapshot::Snapshot;
use crate::wait::Waits;

/// Tells the time: the host's clock.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How long a step of the service's own work may take, unless it says something else. Tests see it pass.
pub const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 30 });

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

    /// A call to which nobody is held: for plugins that end, each of which has its time.
    pub fn last_call(&self, time: Duration) -> Call {
        own_call(&self.clock, "", time)
    }

    /// Does work of the service's own, for no longer than this; see [`own`].
    pub async fn own<T, E, F>(&self, time: Duration, work: impl FnOnce(Call) -> F) -> Result<T, E>
    where
        E: From<sdk::Error>,
        F: Future<Output = Result<T, E>>,
    {
        own(&self.clock, "", time, work).await
    }

    /// The same, in a project.
    pub async fn own_in<T, E, F>(&self, project: &str, time: Duration, work: impl FnOnce(Call) -> F) -> Result<T, E>
    where
        E: From<sdk::Error>,
        F: Future<Output = Result<T, E>>,
    {
        own(&self.clock, project, time, work).await
    }
}

/// Does work that no request asks for, with a call of its own. Requests are ended by the engine where a plugin does not
/// answer; this is ended here, so that one call which hangs does not end the work for good.
///
/// # Errors
/// The work's. `TimedOut`, of which nobody knows what came: it was not done by the call's deadline.
pub async fn own<T, E, F>(clock: &Clock, project: &str, time: Duration, work: impl FnOnce(Call) -> F) -> Result<T, E>
where
    E: From<sdk::Error>,
    F: Future<Output = Result<T, E>>,
{
    let late = |_| Err(sdk::Error::new(ErrorKind::TimedOut, "no answer in time").unknown().into());
    tokio::time::timeout(time, work(own_call(clock, project, time))).await.unwrap_or_else(late)
}

fn own_call(clock: &Clock, project: &str, time: Duration) -> Call {
    Call::new(RequestId(rand::random()), project, clock().after(time))
}
