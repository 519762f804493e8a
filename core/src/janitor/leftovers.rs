//! What deleted queues have left in their pools, and queues that moved where they were before.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sukkal_plugin_sdk::{self as sdk, Call, Commit, Record};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::STEP;
use crate::directory::{DROPPING, Dropping, MOVED};
use crate::error::{Error, ErrorKind, Result};
use crate::service::{PATIENCE, Service};

/// How many records are read at once, and how many times in a round.
const PAGE: u32 = 100;
const PAGES: usize = 10;

/// How many queues of one pool are removed at once.
const AT_ONCE: usize = 8;

/// What is to be removed, by pools.
pub type Due = HashMap<String, Vec<Dropping>>;

/// A pass through the records of what queues have left, which goes over several rounds where there are many.
pub struct Pass {
    kind: &'static str,
    after: Option<String>,
    there: HashSet<String>,
}

impl Default for Pass {
    fn default() -> Self {
        Pass { kind: DROPPING, after: None, there: HashSet::new() }
    }
}

impl Pass {
    /// Goes on for a round. Adds what is this host's to remove now.
    ///
    /// # Errors
    /// The catalog does not answer. The next round goes on from the same place; what was found before is there.
    pub async fn go_on(&mut self, service: &Service, due: &mut Due) -> Result<()> {
        for _ in 0..PAGES {
            let (kind, after) = (self.kind.to_owned(), self.after.clone());
            let page = async |call: Call| service.catalog.list(&call, kind, String::new(), after, PAGE).await;
            let page = service.own(PATIENCE, page).await?;
            let is_last = page.len() < PAGE as usize;
            self.after = page.last().map(|record| record.key.name.clone());
            let goes_on = page.into_iter().all(|record| self.look_at(service, record, due));
            if is_last || !goes_on {
                self.after = None;
                if self.kind == MOVED {
                    service.directory.drops.retain(&self.there);
                    *self = Pass::default();
                    break;
                }
                self.kind = MOVED;
            }
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// `false`: it is kept for a while, and so are all that come after it.
    fn look_at(&mut self, service: &Service, record: Record, due: &mut Due) -> bool {
        let drops = &service.directory.drops;
        let name = record.key.name;
        let dropping = Dropping::from_bytes(&record.value);
        // They come in the order in which they are due.
        if dropping.as_ref().is_ok_and(|dropping| dropping.kept_until.is_some_and(|until| until > service.now().0)) {
            return false;
        }
        if drops.is_due(&name, Instant::now()) {
            match dropping {
                Ok(dropping) => due.entry(dropping.pool.clone()).or_default().push(dropping),
                Err(error) => later(service, &name, &error),
            }
        }
        self.there.insert(name);
        true
    }
}

/// Removes what queues have left, for each pool in a task of its own.
pub fn begin(service: &Arc<Service>, due: Due, tasks: &mut JoinSet<()>) {
    for (pool, queues) in due {
        if let Some(busy) = service.directory.drops.begin(&pool) {
            let service = service.clone();
            tasks.spawn(async move {
                let _busy = busy;
                drop_queues_of(service, queues).await;
            });
        }
    }
}

/// Removes what queues have left in one pool, several at once, until that many are silent: a part of a store may stand
/// still, and the rest of it not. Those that were silent before come last, so that each has its turn.
async fn drop_queues_of(service: Arc<Service>, mut queues: Vec<Dropping>) {
    let known = &service.directory.drops;
    queues.sort_by_cached_key(|dropping| known.silent_at(&dropping.key().name));
    let (mut queues, mut drops, mut n_silent) = (queues.into_iter(), JoinSet::new(), 0);
    while n_silent < AT_ONCE {
        for dropping in queues.by_ref().take(AT_ONCE - drops.len()) {
            let service = service.clone();
            drops.spawn(async move {
                let dropped = service.own(PATIENCE, async |call| drop_queue(&service, &call, &dropping).await).await;
                (dropping, dropped)
            });
        }
        let Some(dropped) = drops.join_next().await else { break };
        match dropped {
            Ok((dropping, Err(error))) if matches!(error.kind, ErrorKind::Unavailable | ErrorKind::TimedOut) => {
                tracing::debug!(%error, queue_id = dropping.id, "a deleted queue could not be dropped yet");
                known.is_silent(&dropping.key().name, Instant::now());
                n_silent += 1;
            }
            Ok((dropping, Err(error))) => later(&service, &dropping.key().name, &error),
            Ok((_, Ok(()))) | Err(_) => {}
        }
    }
}

/// What cannot be done holds up nothing else, and is tried again after a while.
fn later(service: &Service, name: &str, error: &Error) {
    tracing::warn!(%error, record = name, "a deleted queue could not be dropped; tried again in a minute");
    service.directory.drops.postpone(name, Instant::now());
}

/// Removes what a queue has left: some steps a round, the rest in the next. Where its pool has been deleted as well, all
/// that is left of it is in the catalog.
async fn drop_queue(service: &Service, call: &Call, dropping: &Dropping) -> Result<()> {
    const STEPS: usize = 20;
    let queue = dropping.reference()?;
    let member = service.pools.get(call, &dropping.pool).await?;
    let pool = if member.exists() { Some(member.pool()?) } else { None };
    let forgets = service.directory.forget_deleted(call, dropping).await?;
    if let Some(pool) = &pool {
        // The host that deleted it may have died before it could tell the pool.
        match pool.configure(call, &queue, dropping.header()).await {
            Err(error) if error.kind != sdk::ErrorKind::Stale => return Err(error.into()),
            _ => {}
        }
    }
    for _ in 0..STEPS {
        // Those of a queue that has moved to another pool live on.
        if !dropping.moved && service.directory.remove_subscriptions(call, &dropping.project, queue.id()).await? {
            continue;
        }
        let done = match &pool {
            Some(pool) => pool.drop_queue(call, &queue, STEP).await?.done,
            None => true,
        };
        if done {
            // Where its deletion was repeated, or another queue of the name deleted meanwhile, it is for a later round.
            if matches!(service.catalog.commit(call, forgets).await?, Commit::Done(_)) {
                service.directory.drops.done(&dropping.key().name);
            }
            return Ok(());
        }
    }
    Ok(())
}
