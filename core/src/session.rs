//! A connection that outlives its requests: until when its client is known, and what it subscribes
//! to. Both end with it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sukkal_plugin_sdk::{Call, QueueId};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::directory::Queue;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::service::{PATIENCE, Service};

/// How many queues and topics a connection may subscribe to.
const MAX_SUBSCRIPTIONS: usize = 1024;
/// How many subscriptions of a connection are ended at once: a catalog that is far away takes its time for each.
const AT_ONCE: usize = 16;
/// How many of all connections that have ended.
static ENDING: Semaphore = Semaphore::const_new(64);
/// The pause before the next attempt at ending a subscription, and how long there are any.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];
const LONGEST: Duration = Duration::from_secs(3_600);
/// How often it is looked at most which subscriptions of a connection are still there.
const LOOKS: Duration = Duration::from_secs(5);
/// How long ending all subscriptions of a connection may take: so long it counts among the connections still. The host's
/// end waits for that, for the client before it and for the plugins after it, in less than ten seconds together.
const PARTING: Duration = Duration::from_secs(2);

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
    /// When it was looked last which of them are still there.
    looked: Option<Instant>,
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

    /// Whether it may subscribe to one more queue. Subscriptions that have expired do not count, nor do those of
    /// queues that are gone.
    pub(crate) async fn has_room(&self, service: &Service, call: &Call) -> Result<()> {
        if let Some(all) = self.to_look_at() {
            for (queue, id) in service.directory.ended(call, all).await? {
                self.forget(queue, &id);
            }
        }
        match self.lock().subscriptions.len() < MAX_SUBSCRIPTIONS {
            true => Ok(()),
            false => {
                Err(Error::value(format!("A connection may have no more than {MAX_SUBSCRIPTIONS} subscriptions.")))
            }
        }
    }

    /// All subscriptions, where there is no room for one more and it was not looked of late which are still there.
    fn to_look_at(&self) -> Option<Vec<(Arc<Queue>, String)>> {
        let mut state = self.lock();
        let is_full = state.subscriptions.len() >= MAX_SUBSCRIPTIONS;
        if !is_full || state.looked.is_some_and(|looked| looked.elapsed() < LOOKS) {
            return None;
        }
        state.looked = Some(Instant::now());
        Some(state.subscriptions.values().cloned().collect())
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
        self.forget(queue.id(), id);
    }

    fn forget(&self, queue: QueueId, id: &str) {
        let mut state = self.lock();
        if state.subscriptions.get(&queue).is_some_and(|(_, own)| own == id) {
            state.subscriptions.remove(&queue);
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
    /// filter is asked about: the client's identity may have ended before. What takes longer than a connection has for
    /// its end goes on without it.
    pub async fn disconnected(&self, session: &Session) {
        let all = session.end();
        if all.is_empty() {
            return;
        }
        let ending = tokio::spawn(unsubscribe_all(self.service().clone(), all));
        if tokio::time::timeout(PARTING, ending).await.is_err() {
            tracing::warn!("subscriptions outlive their connection for a while: the catalog is slow, or away");
        }
    }
}

async fn unsubscribe_all(service: Arc<Service>, all: HashMap<QueueId, (Arc<Queue>, String)>) {
    let mut ending = JoinSet::new();
    for (queue, id) in all.into_values() {
        if ending.len() >= AT_ONCE {
            ending.join_next().await;
        }
        ending.spawn(unsubscribe(service.clone(), queue, id));
    }
    while ending.join_next().await.is_some() {}
}

/// Ends a subscription whose connection is gone, as soon as the catalog lets it. Should this host end first, others
/// know that the subscriber is gone.
pub(crate) async fn unsubscribe(service: Arc<Service>, queue: Arc<Queue>, id: String) {
    let (begun, [mut pause, longest]) = (Instant::now(), PAUSES);
    loop {
        // Never closed.
        let turn = ENDING.acquire().await;
        let (directory, queue, id) = (&service.directory, &queue, &id);
        let ended = async |call: Call| directory.unsubscribe(&call, queue, id).await;
        match service.own_in(&queue.project, PATIENCE, ended).await {
            Ok(()) => return,
            Err(error) if is_for_now(&error) && begun.elapsed() < LONGEST => {
                tracing::debug!(%error, queue = queue.name, "a subscription could not be ended yet");
            }
            Err(error) => {
                tracing::warn!(%error, queue = queue.name, "a subscription outlives its connection");
                return;
            }
        }
        drop(turn);
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
}

fn is_for_now(error: &Error) -> bool {
    matches!(error.kind, ErrorKind::Unavailable | ErrorKind::TimedOut)
}
