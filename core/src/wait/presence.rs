//! Whether the client of a request is still there, and what becomes of a claim that it never gets.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sukkal_plugin_sdk::{Call, ClaimId, RequestId};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::action::hold;
use crate::directory::Queue;
use crate::service::Service;

/// How long giving back a claim may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The client's end of a request. Dropped before the answer is handed over, it means that the client
/// has left.
pub(crate) struct Here {
    service: Arc<Service>,
    open: Option<watch::Sender<()>>,
    held: Arc<OnceLock<(Arc<Queue>, ClaimId)>>,
    delivered: bool,
}

/// The request's end; none: nobody asks.
pub(crate) struct Presence(Option<Listening>);

struct Listening {
    client: watch::Receiver<()>,
    held: Arc<OnceLock<(Arc<Queue>, ClaimId)>>,
}

impl Presence {
    /// A client that is here. Only where it is asked for does it cost anything.
    pub(crate) fn new(service: &Arc<Service>, asked: bool) -> (Option<Here>, Presence) {
        if !asked {
            return (None, Presence(None));
        }
        let ((open, client), held) = (watch::channel(()), Arc::new(OnceLock::new()));
        let here = Here { service: service.clone(), open: Some(open), held: held.clone(), delivered: false };
        (Some(here), Presence(Some(Listening { client, held })))
    }

    /// Whether it is still here.
    pub(crate) fn is_here(&self) -> bool {
        self.0.as_ref().is_none_or(|listening| listening.client.has_changed().is_ok())
    }

    /// Waits until it has left.
    pub(crate) async fn left(&self) {
        match &self.0 {
            // Nothing is ever sent: the channel only closes.
            Some(listening) => drop(listening.client.clone().changed().await),
            None => std::future::pending().await,
        }
    }

    /// Notes the claim that the client is to get: from now on it is given back if the client leaves
    /// without it. `false`: it has left already, and whoever made the claim gives it back.
    pub(crate) fn gets(&self, queue: &Arc<Queue>, claim: ClaimId) -> bool {
        if let Some(listening) = &self.0 {
            let _ = listening.held.set((queue.clone(), claim));
        }
        self.is_here()
    }
}

impl Here {
    /// The answer is the client's.
    pub(crate) fn delivered(mut self) {
        self.delivered = true;
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        // First, so that a claim which is noted later is given back by who notes it.
        self.open = None;
        if self.delivered {
            return;
        }
        if let (Some((queue, claim)), Ok(runtime)) = (self.held.get().cloned(), Handle::try_current()) {
            let service = self.service.clone();
            runtime.spawn(async move {
                let deadline = service.now().after(PATIENCE);
                let call = Call::new(RequestId(rand::random()), &queue.project, deadline);
                hold::release(&service, &call, &queue, claim).await;
            });
        }
    }
}
