//! A connection that outlives its requests: until when its client is known, and what it subscribes
//! to. Both end with it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sukkal_plugin_sdk::{Call, QueueId, RequestId};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::directory::Queue;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::service::Service;

/// How many queues and topics a connection may subscribe to.
const MAX_SUBSCRIPTIONS: usize = 1024;
/// How many subscriptions of a connection are ended at once: a catalog that is far away takes its time for each.
const AT_ONCE: usize = 16;
/// How long ending one subscription may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long ending all subscriptions of a connection may take: so long it counts among the connections still.
const PARTING: Duration = Duration::from_secs(5);

/// One connection.
pub struct Session {
    subscriber: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    ended: bool,
    identity_ends: Option<Instant>,
    /// Of each queue the subscription that was made last.
    subscriptions: HashMap<QueueId, (Arc<Queue>, String)>,
}

impl Session {
    /// A connection that is called so as a subscriber.
    pub fn new(subscriber: String) -> Self {
        Session { subscriber, state: Mutex::default() }
    }

    /// What it is called as a subscriber.
    pub fn subscriber(&self) -> &str {
        &self.subscriber
    }

    /// When the identity ends that its client has proven last; `None`: with the connection.
    pub fn identity_ends(&self) -> Option<Instant> {
        self.lock().identity_ends
    }

    /// Notes that its client has proven an identity, which lasts so long.
    pub(crate) fn authenticated(&self, lasts: Option<Duration>) {
        self.lock().identity_ends = lasts.and_then(|lasts| Instant::now().checked_add(lasts));
    }

    /// Whether it may subscribe to one more queue.
    pub(crate) fn has_room(&self) -> Result<()> {
        match self.lock().subscriptions.len() < MAX_SUBSCRIPTIONS {
            true => Ok(()),
            false => {
                Err(Error::value(format!("A connection may have no more than {MAX_SUBSCRIPTIONS} subscriptions.")))
            }
        }
    }

    /// Notes a subscription that is to end with it. `false`: it has ended already, and whoever has
    /// made the subscription ends it.
    pub(crate) fn subscribes(&self, queue: &Arc<Queue>, id: &str) -> bool {
        let mut state = self.lock();
        if !state.ended {
            state.subscriptions.insert(queue.id(), (queue.clone(), id.to_owned()));
        }
        !state.ended
    }

    /// Notes that a subscription has ended before it.
    pub(crate) fn unsubscribes(&self, queue: &Queue, id: &str) {
        let mut state = self.lock();
        if state.subscriptions.get(&queue.id()).is_some_and(|(_, own)| own == id) {
            state.subscriptions.remove(&queue.id());
        }
    }

    fn end(&self) -> HashMap<QueueId, (Arc<Queue>, String)> {
        let mut state = self.lock();
        state.ended = true;
        std::mem::take(&mut state.subscriptions)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("subscriber", &self.subscriber).finish_non_exhaustive()
    }
}

impl Engine {
    /// Ends what belongs to a connection that has ended. It is the service's own doing, which no
    /// filter is asked about: the client's identity may have ended before. Where a store fails, the
    /// subscription ends by its life; so do those for which there is no time left.
    pub async fn disconnected(&self, session: &Session) {
        let all = async {
            let mut ending = JoinSet::new();
            for (queue, id) in session.end().into_values() {
                if ending.len() >= AT_ONCE {
                    ending.join_next().await;
                }
                let service = self.service().clone();
                ending.spawn(async move { unsubscribe(&service, &queue, &id).await });
            }
            while ending.join_next().await.is_some() {}
        };
        if tokio::time::timeout(PARTING, all).await.is_err() {
            tracing::warn!("subscriptions outlive their connection: the catalog is slow");
        }
    }
}

/// Ends a subscription whose connection is gone.
pub(crate) async fn unsubscribe(service: &Service, queue: &Queue, id: &str) {
    let call = Call::new(RequestId(rand::random()), &queue.project, service.now().after(PATIENCE));
    if let Err(error) = service.directory.unsubscribe(&call, queue, id).await {
        tracing::warn!(%error, queue = queue.name, "a subscription outlives its connection");
    }
}
