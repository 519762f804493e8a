//! Whether the stores answer: asked once in a while, however many want to know.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sukkal_plugin_sdk::{self as sdk, Call};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::pools::{self, Member, State as PoolState};
use crate::service::{self, Clock, Service};

/// For how long an answer holds. Some stores write something to see whether they can.
const FRESH: Duration = Duration::from_secs(1);
/// How long a store may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// What the stores said when they were asked last. That one does not answer, and that it does again, is logged once.
#[derive(Default)]
pub struct Probe(Mutex<Option<Seen>>);

struct Seen {
    at: Instant,
    silent: Arc<Vec<Silent>>,
    /// Those of them of which the log has told.
    told: Vec<Silent>,
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
        let before = seen.as_ref().map(|seen| seen.told.as_slice()).unwrap_or_default();
        let now = self.ask_all(before).await;
        let silent = now.silent.clone();
        *seen = Some(now);
        silent
    }

    async fn ask_all(&self, before: &[Silent]) -> Seen {
        let mut asking = JoinSet::new();
        // Nothing is wrong yet with one that is being opened for the first time: if it cannot be, that is told then.
        let is_new = |member: &Arc<Member>| member.state() == PoolState::Opening;
        let (new, known): (Vec<_>, Vec<_>) = self.pools.all().into_iter().partition(is_new);
        let catalog = self.catalog.clone();
        let health = async move |call: Call| catalog.health(&call).await.map(drop);
        asking.spawn(answers(self.clock.clone(), None, health));
        for member in known {
            let name = member.name().to_owned();
            let health = async move |call: Call| member.health(&call).await;
            asking.spawn(answers(self.clock.clone(), Some(name), health));
        }
        let mut told = Vec::new();
        for (store, health) in asking.join_all().await {
            let was_silent = before.contains(&store);
            match health {
                Ok(()) if was_silent => tracing::info!("{} answers again", store.name()),
                Ok(()) => {}
                Err(error) => {
                    if !was_silent {
                        tracing::warn!(%error, "{} does not answer", store.name());
                    }
                    told.push(store);
                }
            }
        }
        let new = new.into_iter().map(|member| Silent { pool: Some(member.name().to_owned()) });
        let silent = Arc::new(told.iter().cloned().chain(new).collect());
        Seen { at: Instant::now(), silent, told }
    }
}

/// What a store says, and which it is should it be silent.
async fn answers<F>(clock: Clock, pool: Option<String>, health: impl FnOnce(Call) -> F) -> (Silent, sdk::Result<()>)
where
    F: Future<Output = sdk::Result<()>>,
{
    (Silent { pool }, service::own(&clock, "", PATIENCE, health).await)
}
