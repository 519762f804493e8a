//! The service's own work: sweeps of every store, and the rest of deleted queues.

mod leftovers;

use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sukkal_plugin_sdk::load::OpenPool;
use sukkal_plugin_sdk::{self as sdk, Budget, Call};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use self::leftovers::{Due, Pass};
use crate::pools::Member;
use crate::service::{PATIENCE, Service};
use crate::snapshot::ENDING;

/// How often every store is swept, by each host: left to chance within these bounds, so that hosts which
/// were started together do not stay in step.
const PERIOD: RangeInclusive<Duration> = Duration::from_millis(800)..=Duration::from_millis(1_200);
/// One step of a sweep or a drop: short, so that requests get their turn.
const STEP: Budget = Budget { items: 1_000, time: Duration::from_millis(50) };

/// The task that does the service's own work.
pub struct Janitor {
    end: watch::Sender<bool>,
    /// Since when it is ending.
    since: OnceLock<Instant>,
    task: tokio::sync::Mutex<Option<JoinHandle<((), ())>>>,
}

impl Janitor {
    /// Starts it. `wake`: there is a queue to drop.
    pub fn start(service: Arc<Service>, wake: Arc<Notify>) -> Self {
        let (end, ending) = watch::channel(false);
        let records = keep_records(service.clone(), wake, ending.clone());
        let task = tokio::spawn(async { tokio::join!(records, keep_sweeping(service, ending)) });
        Janitor { end, since: OnceLock::new(), task: tokio::sync::Mutex::new(Some(task)) }
    }

    /// Ends it after the step that it is at.
    pub fn end(&self) {
        let _ = self.end.send(true);
        self.since.get_or_init(Instant::now);
    }

    /// Ends it, and waits for the step that it is at; one that takes too long since it was to end is cut, as a crash
    /// would.
    pub async fn stop(&self) {
        self.end();
        let left = ENDING.saturating_sub(self.since.get_or_init(Instant::now).elapsed());
        if let Some(mut task) = self.task.lock().await.take()
            && tokio::time::timeout(left, &mut task).await.is_err()
        {
            task.abort();
        }
    }
}

/// Waits until the next round; `false`: there is none.
async fn pause(ending: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        () = tokio::time::sleep(rand::random_range(PERIOD)) => true,
        _ = ending.changed() => false,
    }
}

/// Sweeps each pool in a task of its own, so that one that is down holds up no other.
async fn keep_sweeping(service: Arc<Service>, mut ending: watch::Receiver<bool>) {
    let mut sweeps = JoinSet::new();
    while pause(&mut ending).await {
        while sweeps.try_join_next().is_some() {}
        for member in service.pools.all() {
            let Some(alone) = member.begin_sweep() else { continue };
            let service = service.clone();
            sweeps.spawn(async move {
                let _alone = alone;
                sweep_member(&service, &member).await;
            });
        }
    }
    while sweeps.join_next().await.is_some() {}
}

/// Does what the catalog says that is to be done, and sweeps it.
async fn keep_records(service: Arc<Service>, wake: Arc<Notify>, mut ending: watch::Receiver<bool>) {
    let (mut drops, mut pass) = (JoinSet::new(), Pass::default());
    let (pools, directory, catalog) = (&service.pools, &service.directory, &service.catalog);
    let mut is_away = false;
    loop {
        while drops.try_join_next().is_some() {}
        if let Err(error) = service.own(PATIENCE, async |call| pools.refresh_if_old(&call).await).await {
            tracing::debug!(%error, "the registered pools could not be looked up");
        }
        if let Err(error) = service.own(PATIENCE, async |call| pools.note_stores(&call).await).await {
            tracing::debug!(%error, "which stores pools are could not be noted");
        }
        if let Err(error) = service.own(PATIENCE, async |call| directory.lives_on(&call).await).await {
            tracing::debug!(%error, "other hosts could not be told that this one lives");
        }
        let swept = service.own(PATIENCE, async |call: Call| catalog.sweep(&call, STEP.items).await).await;
        let was_away = std::mem::replace(&mut is_away, swept.is_err());
        match swept {
            // Once for as long as it lasts.
            Err(error) if !was_away => tracing::warn!(%error, "a sweep of the catalog failed"),
            _ => {}
        }
        let mut due = Due::new();
        if let Err(error) = pass.go_on(&service, &mut due).await {
            tracing::debug!(%error, "what deleted queues have left could not be looked up");
        }
        leftovers::begin(&service, due, &mut drops);
        tokio::select! {
            () = wake.notified() => {}
            goes_on = pause(&mut ending) => if !goes_on { break },
        }
    }
    while drops.join_next().await.is_some() {}
}

/// Sweeps a pool if it is open, and notes whether it answers.
async fn sweep_member(service: &Service, member: &Member) {
    let Ok(pool) = member.pool() else { return };
    let swept = service.own(PATIENCE, async |call| sweep(&call, &pool).await).await;
    let silent = |error: &sdk::Error| matches!(error.kind, sdk::ErrorKind::Unavailable | sdk::ErrorKind::TimedOut);
    member.set_well(!swept.as_ref().is_err_and(silent));
    match swept {
        // Once for as long as it lasts, and that was told.
        Err(error) if silent(&error) => tracing::debug!(%error, pool = member.title(), "a sweep failed"),
        Err(error) => tracing::warn!(%error, pool = member.title(), "a sweep failed"),
        Ok(stuck) => {
            member.set_stuck(stuck);
            let asked = async |call| {
                member.health_if_old(&call).await;
                Ok(())
            };
            let _: sdk::Result<()> = service.own(PATIENCE, asked).await;
        }
    }
}

/// Sweeps a pool: for a tenth of a round, in which mostly more is removed than can be posted in a whole one; the rest
/// in the next. Gives how many messages could not go to their dead letter queues.
async fn sweep(call: &Call, pool: &OpenPool) -> sdk::Result<u64> {
    const SHARE: Duration = Duration::from_millis(100);
    let (begun, mut stuck) = (Instant::now(), 0);
    while begun.elapsed() < SHARE {
        let swept = pool.sweep(call, STEP).await?;
        stuck += swept.stuck;
        if !swept.more {
            break;
        }
    }
    Ok(stuck)
}
