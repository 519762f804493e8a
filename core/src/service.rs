//! What every action may use.

use std::sync::Arc;
use std::time::Duration;

use sukkal_plugin_sdk::load::LoadedCatalog;
use sukkal_plugin_sdk::{Call, RequestId, Timestamp};

use crate::directory::Directory;
use crate::limits::{Api, Limits};
use crate::pools::Pools;

/// Tells the time: the host's clock.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What every action may use.
pub struct Service {
    /// Limits on what requests may ask for.
    pub limits: Limits,
    /// Switches of the API.
    pub api: Api,
    /// What the catalog's records mean.
    pub directory: Directory,
    /// The open pools.
    pub pools: Arc<Pools>,
    /// The catalog itself.
    pub catalog: LoadedCatalog,
    /// Named services of the filters in use.
    pub services: Vec<String>,
    /// The host's clock.
    pub clock: Clock,
}

impl Service {
    /// Whether a filter in use provides a named service.
    pub fn provides(&self, service: &str) -> bool {
        self.services.iter().any(|name| name == service)
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// A call of the service's own work, bounded in time.
    pub fn own_call(&self, time: Duration) -> Call {
        Call::new(RequestId(rand::random()), "", self.now().after(time))
    }

    /// Whether every store answers.
    pub async fn ping(&self, call: &Call) -> bool {
        if let Err(error) = self.catalog.health(call).await {
            tracing::warn!(%error, "the catalog does not answer");
            return false;
        }
        for (name, pool) in self.pools.all() {
            if let Err(error) = pool.health(call).await {
                tracing::warn!(%error, pool = name, "a pool does not answer");
                return false;
            }
        }
        true
    }
}
