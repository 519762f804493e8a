//! The service's own work: sweeps of every store, and the rest of deleted queues.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use sukkal_plugin_sdk::load::OpenPool;
use sukkal_plugin_sdk::{self as sdk, Budget, ErrorKind, Record};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::directory::{DROPPING, Dropping};
use crate::error::Result;
use crate::pools::Member;
use crate::service::Service;

/// How often every store is swept, by each host: left to chance within these bounds, so that hosts which
/// were started together do not stay in step.
const PERIOD: RangeInclusive<Duration> = Duration::from_millis(800)..=Duration::from_millis(1_200);
/// One step of a sweep or a drop: short, so that requests get their turn.
const STEP: Budget = Budget { items: 1_000, time: Duration::from_millis(50) };
/// How long one step may take at the most.
const PATIENCE: Duration = Duration::from_secs(30);

/// The task that does the service's own work.
pub struct Janitor {
    end: watch::Sender<bool>,
    task: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Janitor {
    /// Starts it. `wake`: there is a queue to drop.
    pub fn start(service: Arc<Service>, wake: Arc<Notify>) -> Self {
        let (end, mut ending) = watch::channel(false);
        let task = tokio::spawn(async move {
            let mut sweeps = JoinSet::new();
            loop {
                round(&service, &mut sweeps).await;
                tokio::select! {
                    () = tokio::time::sleep(rand::random_range(PERIOD)) => {}
                    () = wake.notified() => {}
                    _ = ending.changed() => break,
                }
            }
            while sweeps.join_next().await.is_some() {}
        });
        Janitor { end, task: tokio::sync::Mutex::new(Some(task)) }
    }

    /// Ends it, and waits for the step that it is at.
    pub async fn stop(&self) {
        let _ = self.end.send(true);
        if let Some(task) = self.task.lock().await.take() {
            let _ = tokio::time::timeout(PATIENCE, task).await;
        }
    }
}

/// One round: each part on its own, so that a store that is down holds up no other.
async fn round(service: &Arc<Service>, sweeps: &mut JoinSet<()>) {
    while sweeps.try_join_next().is_some() {}
    if let Err(error) = service.pools.refresh_if_old(&service.own_call(PATIENCE)).await {
        tracing::debug!(%error, "the registered pools could not be looked up");
    }
    for member in service.pools.all().into_iter().filter(|member| member.begin_sweep()) {
        let service = service.clone();
        sweeps.spawn(async move {
            sweep_member(&service, &member).await;
            member.end_sweep();
        });
    }
    if let Err(error) = service.catalog.sweep(&service.own_call(PATIENCE), STEP.items).await {
        tracing::warn!(%error, "a sweep of the catalog failed");
    }
    if let Err(error) = drop_queues(service).await {
        tracing::warn!(%error, "deleted queues could not be looked up");
    }
}

/// Sweeps a pool if it is open, and notes whether it answers.
async fn sweep_member(service: &Service, member: &Member) {
    let Ok(pool) = member.pool() else { return };
    let late = |_| Err(sdk::Error::new(ErrorKind::TimedOut, "no answer in time"));
    let swept = tokio::time::timeout(PATIENCE, sweep(service, &pool)).await.unwrap_or_else(late);
    let silent = |error: &sdk::Error| matches!(error.kind, ErrorKind::Unavailable | ErrorKind::TimedOut);
    member.set_well(!swept.as_ref().is_err_and(silent));
    if let Err(error) = swept {
        tracing::warn!(%error, pool = member.title(), "a sweep failed");
    }
}

/// Sweeps a pool: a few steps a round, the rest in the next.
async fn sweep(service: &Service, pool: &OpenPool) -> sdk::Result<()> {
    const STEPS: usize = 20;
    for _ in 0..STEPS {
        let swept = pool.sweep(&service.own_call(PATIENCE), STEP).await?;
        if swept.stuck > 0 {
            tracing::warn!(messages = swept.stuck, "messages wait for their dead letter queue, which is gone");
        }
        if !swept.more {
            break;
        }
    }
    Ok(())
}

async fn drop_queues(service: &Service) -> Result<()> {
    const PAGE: u32 = 100;
    let drops = &service.directory.drops;
    let (mut after, mut there) = (None, HashSet::new());
    loop {
        let call = service.own_call(PATIENCE);
        let page = service.catalog.list(&call, DROPPING.to_owned(), String::new(), after, PAGE).await?;
        let full = page.len() == PAGE as usize;
        after = page.last().map(|record| record.key.name.clone());
        for record in page {
            let name = record.key.name.clone();
            there.insert(name.clone());
            if !drops.is_due(&name, Instant::now()) {
                continue;
            }
            if let Err(error) = drop_queue(service, record).await {
                tracing::warn!(%error, queue_id = name, "a deleted queue could not be dropped yet");
            }
        }
        if !full {
            drops.retain(&there);
            return Ok(());
        }
    }
}

/// Removes what a deleted queue held: some steps a round, the rest in the next. Where its pool has been
/// deleted as well, all that is left of it is in the catalog.
async fn drop_queue(service: &Service, record: Record) -> Result<()> {
    const STEPS: usize = 20;
    let dropping = Dropping::from_bytes(&record.value)?;
    let queue = dropping.reference()?;
    let member = service.pools.get(&service.own_call(PATIENCE), &dropping.pool).await?;
    let pool = if member.exists() { Some(member.pool()?) } else { None };
    if let Some(pool) = &pool {
        // The host that deleted it may have died before it could tell the pool.
        match pool.configure(&service.own_call(PATIENCE), &queue, dropping.header()).await {
            Err(error) if error.kind != ErrorKind::Stale => return Err(error.into()),
            _ => {}
        }
    }
    for _ in 0..STEPS {
        let call = service.own_call(PATIENCE);
        // Those of a queue that has moved to another pool live on.
        if !dropping.moved && service.directory.remove_subscriptions(&call, &dropping.project, queue.id()).await? {
            continue;
        }
        let done = match &pool {
            Some(pool) => pool.drop_queue(&service.own_call(PATIENCE), &queue, STEP).await?.done,
            None => true,
        };
        if done {
            // Where another queue of the name is deleted meanwhile, it is for a later round.
            let gone = service.directory.forget_deleted(&service.own_call(PATIENCE), &dropping).await?;
            service.catalog.commit(&service.own_call(PATIENCE), gone).await?;
            service.directory.drops.done(&record.key.name);
            return Ok(());
        }
    }
    Ok(())
}
