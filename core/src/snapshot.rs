//! What can change while the service runs: limits, switches, filters.

use std::sync::Arc;
use std::time::Duration;

use sukkal_plugin_sdk::load::LoadedFilter;
use sukkal_plugin_sdk::{Call, Result};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::limits::{Api, Limits};
use crate::pipeline::{Pipeline, held};
use crate::signed_url::UrlSigner;
use crate::subscriber::Notifications;

/// How long each plugin may take to end.
pub(crate) const ENDING: Duration = Duration::from_secs(5);

/// What can be changed while the service runs.
#[derive(Default)]
pub struct Reloadable {
    /// The filters.
    pub pipeline: Pipeline,
    /// Named services that they provide.
    pub services: Vec<String>,
    /// Limits on what requests may ask for.
    pub limits: Limits,
    /// Switches of the API.
    pub api: Api,
    /// What signs URLs, where there is a key for that.
    pub url_signer: Option<UrlSigner>,
    /// Whom clients may subscribe.
    pub notifications: Notifications,
}

/// [`Reloadable`] as it is in force: a request takes one when it comes in, and sees that one to its
/// end, whatever is reloaded meanwhile.
pub struct Snapshot {
    /// Limits on what requests may ask for.
    pub limits: Limits,
    /// Switches of the API.
    pub api: Api,
    /// What signs URLs, where there is a key for that.
    pub url_signer: Option<UrlSigner>,
    /// Whom clients may subscribe.
    pub notifications: Notifications,
    services: Vec<String>,
    asks_identity: bool,
    pipeline: Pipeline,
    /// Goes with the last who sees this snapshot, which [`Filters`] wait for.
    _in_use: oneshot::Sender<()>,
}

/// The filters of a snapshot, to be ended once nobody sees it any more.
pub(crate) struct Filters {
    filters: Vec<(Arc<str>, LoadedFilter)>,
    unused: oneshot::Receiver<()>,
}

impl Snapshot {
    /// Puts it in force, with its filters, which end once nobody sees it any more.
    pub(crate) fn new(reloadable: Reloadable) -> (Arc<Self>, Filters) {
        let Reloadable { pipeline, services, limits, api, url_signer, notifications } = reloadable;
        let (in_use, unused) = oneshot::channel();
        let filters = pipeline.filters();
        let asks_identity = pipeline.asks_identity();
        let snapshot =
            Snapshot { limits, api, url_signer, notifications, services, asks_identity, pipeline, _in_use: in_use };
        (Arc::new(snapshot), Filters { filters, unused })
    }

    /// Whether a filter in use provides a named service.
    pub fn provides(&self, service: &str) -> bool {
        self.services.iter().any(|name| name == service)
    }

    /// Whether any filter asks who sends a request.
    pub fn asks_identity(&self) -> bool {
        self.asks_identity
    }

    /// The filters.
    pub(crate) fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }
}

impl Filters {
    /// Waits until nobody sees the snapshot any more, for a bounded time.
    pub(crate) async fn unused(&mut self, patience: Duration) {
        if tokio::time::timeout(patience, &mut self.unused).await.is_err() {
            tracing::warn!("requests still see filters that are about to end");
        }
    }

    /// Ends them, side by side and for a bounded time.
    pub(crate) async fn end(self, call: &Call) {
        let mut ending = JoinSet::new();
        for (name, filter) in self.filters {
            let call = call.clone();
            ending.spawn(async move {
                let shutdown = held::known(&name, "shutdown", filter.shutdown(&call));
                ended(&name, tokio::time::timeout(ENDING, shutdown).await);
            });
        }
        while ending.join_next().await.is_some() {}
    }
}

/// Logs a plugin that did not end well.
pub(crate) fn ended(name: &str, outcome: Result<Result<()>, tokio::time::error::Elapsed>) {
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, name, "a plugin did not end well"),
        Err(_) => tracing::warn!(name, "a plugin did not end in time"),
    }
}
