//! What opens pools. Core opens no library: whoever starts the service does that for it.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use sukkal_plugin_sdk::load::OpenPool;
use sukkal_plugin_sdk::{self as sdk, Call};

use crate::answer::Object;
use crate::snapshot::{ENDING, ended};

/// How long one attempt at opening a store may take: who registers a pool is answered within five seconds.
pub(super) const OPENING: Duration = Duration::from_secs(4);

/// What a pool is opened by. It may hold secrets, and so it is nowhere printed.
#[derive(Clone, PartialEq)]
pub struct PoolSpec {
    /// Names the store; its scheme names the plugin.
    pub uri: String,
    /// The plugin's settings for this store, in place of those that it has for all.
    pub options: Object,
}

/// A pool on its way to being open. Its error's message is for clients: no address, path or secret.
pub type Opening = Pin<Box<dyn Future<Output = sdk::Result<OpenPool>> + Send>>;

/// Opens pools, and knows what their URIs mean.
pub trait PoolOpener: Send + Sync + 'static {
    /// Opens the store of a pool of this name. The caller bounds the time.
    fn open(&self, name: &str, spec: &PoolSpec) -> Opening;

    /// What is wrong with the options, in words for whoever set them.
    ///
    /// # Errors
    /// The first fault. An unknown scheme is none: that is told by opening.
    fn check(&self, spec: &PoolSpec) -> Result<(), String>;

    /// One spelling for each store, without credentials: two URIs of one store give the same text.
    fn identity(&self, uri: &str) -> String;

    /// The identity of the configured default pool, if there is one.
    fn default_identity(&self) -> Option<String>;

    /// Whether the default pool's URI says which store is meant, rather than a new one at each start.
    fn default_is_named(&self) -> bool {
        true
    }

    /// The same as it may be shown: secrets are masked.
    fn shown(&self, spec: &PoolSpec) -> PoolSpec;

    /// What is meant by one that may have been shown: secrets that are sent as they were shown are those that are stored,
    /// if the URI leads where they are stored for.
    ///
    /// # Errors
    /// None is stored that could be meant; in words for whoever sent it.
    fn meant(&self, sent: PoolSpec, stored: Option<&PoolSpec>) -> Result<PoolSpec, String>;
}

/// Opens a store, for a bounded time.
pub(super) async fn open(
    opener: &dyn PoolOpener,
    name: &str,
    spec: &PoolSpec,
    time: Duration,
) -> sdk::Result<OpenPool> {
    let late = |_| Err(sdk::Error::new(sdk::ErrorKind::TimedOut, "the store does not answer"));
    tokio::time::timeout(time, opener.open(name, spec)).await.unwrap_or_else(late)
}

/// Lets a pool end.
pub(super) async fn close(name: &str, pool: &OpenPool) {
    let call = Call::new(sdk::RequestId(rand::random()), "", sdk::Timestamp::MAX);
    ended(name, tokio::time::timeout(ENDING, pool.shutdown(&call)).await);
}

/// Opens none: for a service that has its default pool alone.
impl PoolOpener for () {
    fn open(&self, _name: &str, _spec: &PoolSpec) -> Opening {
        Box::pin(async { Err(sdk::Error::invalid("no pools can be registered here")) })
    }

    fn check(&self, _spec: &PoolSpec) -> Result<(), String> {
        Ok(())
    }

    fn identity(&self, uri: &str) -> String {
        uri.to_owned()
    }

    fn default_identity(&self) -> Option<String> {
        None
    }

    fn shown(&self, _spec: &PoolSpec) -> PoolSpec {
        PoolSpec { uri: String::new(), options: Object::new() }
    }

    fn meant(&self, sent: PoolSpec, _stored: Option<&PoolSpec>) -> Result<PoolSpec, String> {
        Ok(sent)
    }
}
