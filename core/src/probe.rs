//! Whether the stores answer: asked once in a while, however many want to know.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sukkal_plugin_sdk as sdk;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::pools::{self, Member, State as PoolState};
use crate::service::Service;

/// For how long an answer holds. Some stores write something to see whether they can.
const FRESH: Duration = Duration::from_secs(1);
/// How long a store may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// What the stores said when they were asked last.
#[derive(Default)]
pub struct Probe(Mutex<Option<Seen>>);

struct Seen {
    at: Instant,
    silent: Arc<Vec<Silent>>,
}

/// A store that does not answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Silent {
    /// The pool's name; none: the catalog.
    pool: Option<String>,
}

impl Silent {
    /// Whether queues of any pool suffer, or those without a flavor: then a host serves nobody well.
    fn is_vital(&self) -> bool {
        self.pool.as_deref().is_none_or(|pool| pool == pools::DEFAULT)
    }

    /// Whether it is the catalog.
    pub(crate) fn is_catalog(&self) -> bool {
        self.pool.is_none()
    }

    /// Whether it is the pool of a name.
    pub(crate) fn is_pool(&self, name: &str) -> bool {
        self.pool.as_deref() == Some(name)
    }

    fn name(&self) -> String {
        match self.pool.as_deref() {
            None => "the catalog".to_owned(),
            Some(pools::DEFAULT) => "the default pool".to_owned(),
            Some(pool) => format!("the pool {pool}"),
        }
    }
}

impl Service {
    /// Whether every store answers.
    pub async fn ping(&self) -> bool {
        self.silent().await.is_empty()
    }

    /// Why the service cannot be of use now; `None`: it can.
    pub async fn unready(&self) -> Option<String> {
        let silent = self.silent().await;
        silent.iter().find(|store| store.is_vital()).map(|store| format!("{} does not answer", store.name()))
    }

    /// The stores that do not answer. Whoever asks while another is asking waits for its answer.
    pub(crate) async fn silent(&self) -> Arc<Vec<Silent>> {
        let mut seen = self.probe.0.lock().await;
        if let Some(seen) = &*seen
            && seen.at.elapsed() < FRESH
        {
            return seen.silent.clone();
        }
        let silent = Arc::new(self.ask_all().await);
        *seen = Some(Seen { at: Instant::now(), silent: silent.clone() });
        silent
    }

    async fn ask_all(&self) -> Vec<Silent> {
        let mut asking = JoinSet::new();
        let (catalog, call) = (self.catalog.clone(), self.own_call(PATIENCE));
        asking.spawn(answers(None, async move { catalog.health(&call).await.map(|_| ()) }));
        // Nothing is wrong yet with one that is being opened for the first time: if it cannot be, that is told then.
        let is_new = |member: &Arc<Member>| member.state() == PoolState::Opening;
        let (new, known): (Vec<_>, Vec<_>) = self.pools.all().into_iter().partition(is_new);
        for member in known {
            let (name, call) = (member.name().to_owned(), self.own_call(PATIENCE));
            asking.spawn(answers(Some(name), async move { member.health(&call).await }));
        }
        let new = new.into_iter().map(|member| Silent { pool: Some(member.name().to_owned()) });
        asking.join_all().await.into_iter().flatten().chain(new).collect()
    }
}

async fn answers(pool: Option<String>, health: impl Future<Output = sdk::Result<()>>) -> Option<Silent> {
    let late = |_| Err(sdk::Error::new(sdk::ErrorKind::TimedOut, "no answer in time"));
    match tokio::time::timeout(PATIENCE, health).await.unwrap_or_else(late) {
        Ok(()) => None,
        Err(error) => {
            let silent = Silent { pool };
            tracing::warn!(%error, "{} does not answer", silent.name());
            Some(silent)
        }
    }
}
