//! The service's own work: sweeps of every store, and the rest of deleted queues.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sukkal_plugin_sdk::load::OpenPool;
use sukkal_plugin_sdk::{self as sdk, Budget};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::directory::{DROPPING, Dropping, MOVED};
use crate::error::{Error, ErrorKind, Result};
use crate::pools::Member;
use crate::service::Service;
use crate::snapshot::ENDING;

/// How often every store is swept, by each host: left to chance within these bounds, so that hosts which
/// were started together do not stay in step.
const PERIOD: RangeInclusive<Duration> = Duration::from_millis(800)..=Duration::from_millis(1_200);
/// One step of a sweep or a drop: short, so that requests get their turn.
const STEP: Budget = Budget { items: 1_000, time: Duration::from_millis(50) };
/// How many records are read at once.
const PAGE: u32 = 100;
/// How long one step may take at the most.
const PATIENCE: Duration = Duration::from_secs(30);

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
    let mut is_away = false;
    loop {
        while drops.try_join_next().is_some() {}
        if let Err(error) = service.pools.refresh_if_old(&service.own_call(PATIENCE)).await {
            tracing::debug!(%error, "the registered pools could not be looked up");
        }
        if let Err(error) = service.directory.lives_on(&service.own_call(PATIENCE)).await {
            tracing::debug!(%error, "other hosts could not be told that this one lives");
        }
        let swept = service.catalog.sweep(&service.own_call(PATIENCE), STEP.items).await;
        let was_away = std::mem::replace(&mut is_away, swept.is_err());
        match swept {
            // Once for as long as it lasts.
            Err(error) if !was_away => tracing::warn!(%error, "a sweep of the catalog failed"),
            _ => {}
        }
        if let Err(error) = drop_queues(&service, &mut pass, &mut drops).await {
            tracing::debug!(%error, "deleted queues could not be looked up");
        }
        if let Err(error) = drop_moved(&service, &mut drops).await {
            tracing::debug!(%error, "what moved queues have left could not be looked up");
        }
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
    let late = |_| Err(sdk::Error::new(sdk::ErrorKind::TimedOut, "no answer in time"));
    let swept = tokio::time::timeout(PATIENCE, sweep(service, &pool)).await.unwrap_or_else(late);
    let silent = |error: &sdk::Error| matches!(error.kind, sdk::ErrorKind::Unavailable | sdk::ErrorKind::TimedOut);
    member.set_well(!swept.as_ref().is_err_and(silent));
    match swept {
        // Once for as long as it lasts, and that was told.
        Err(error) if silent(&error) => tracing::debug!(%error, pool = member.title(), "a sweep failed"),
        Err(error) => tracing::warn!(%error, pool = member.title(), "a sweep failed"),
        Ok(()) => {
            let call = service.own_call(PATIENCE);
            let _ = tokio::time::timeout(PATIENCE, member.health_if_old(&call)).await;
        }
    }
}

/// Sweeps a pool: for a tenth of a round, in which mostly more is removed than can be posted in a whole one; the rest
/// in the next.
async fn sweep(service: &Service, pool: &OpenPool) -> sdk::Result<()> {
    const SHARE: Duration = Duration::from_millis(100);
    let begun = Instant::now();
    while begun.elapsed() < SHARE {
        let swept = pool.sweep(&service.own_call(PATIENCE), STEP).await?;
        if swept.stuck > 0 {
            tracing::warn!(
                messages = swept.stuck,
                "messages wait for their dead letter queue, which is gone or has no room"
            );
        }
        if !swept.more {
            break;
        }
    }
    Ok(())
}

/// A pass through the records of deleted queues, which goes over several rounds where there are many.
#[derive(Default)]
struct Pass {
    after: Option<String>,
    there: HashSet<String>,
}

/// Removes what deleted queues held, for each pool in a task of its own.
async fn drop_queues(service: &Arc<Service>, pass: &mut Pass, tasks: &mut JoinSet<()>) -> Result<()> {
    const PAGES: usize = 10;
    let drops = &service.directory.drops;
    let mut due: HashMap<String, Vec<Dropping>> = HashMap::new();
    for _ in 0..PAGES {
        let call = service.own_call(PATIENCE);
        let page = service.catalog.list(&call, DROPPING.to_owned(), String::new(), pass.after.take(), PAGE).await?;
        let is_last = page.len() < PAGE as usize;
        pass.after = page.last().map(|record| record.key.name.clone());
        for record in page {
            if drops.is_due(&record.key.name, Instant::now()) {
                match Dropping::from_bytes(&record.value) {
                    Ok(dropping) => due.entry(dropping.pool.clone()).or_default().push(dropping),
                    Err(error) => later(service, &record.key.name, &error),
                }
            }
            pass.there.insert(record.key.name);
        }
        if is_last {
            drops.retain(&pass.there);
            *pass = Pass::default();
            break;
        }
        tokio::task::yield_now().await;
    }
    begin_drops(service, due, tasks);
    Ok(())
}

/// Removes what queues have left behind that moved, once it need not be kept any more: whichever host comes first.
async fn drop_moved(service: &Arc<Service>, tasks: &mut JoinSet<()>) -> Result<()> {
    let now = service.now();
    let mut after = None;
    let mut due: HashMap<String, Vec<Dropping>> = HashMap::new();
    loop {
        let call = service.own_call(PATIENCE);
        let page = service.catalog.list(&call, MOVED.to_owned(), String::new(), after, PAGE).await?;
        let mut goes_on = page.len() == PAGE as usize;
        after = page.last().map(|record| record.key.name.clone());
        for record in page {
            let dropping = match Dropping::from_bytes(&record.value) {
                Ok(dropping) => dropping,
                Err(error) => {
                    tracing::warn!(%error, record = record.key.name, "what a moved queue has left cannot be dropped");
                    continue;
                }
            };
            // They come in the order in which they are due.
            if dropping.kept_until.is_some_and(|until| until > now.0) {
                goes_on = false;
                break;
            }
            due.entry(dropping.pool.clone()).or_default().push(dropping);
        }
        if !goes_on {
            break;
        }
        tokio::task::yield_now().await;
    }
    begin_drops(service, due, tasks);
    Ok(())
}

/// Begins to remove queues, by pools.
fn begin_drops(service: &Arc<Service>, due: HashMap<String, Vec<Dropping>>, tasks: &mut JoinSet<()>) {
    for (pool, queues) in due {
        if let Some(busy) = service.directory.drops.begin(&pool) {
            let service = service.clone();
            tasks.spawn(async move {
                let _busy = busy;
                drop_queues_of(&service, queues).await;
            });
        }
    }
}

/// Removes what deleted queues of one pool held. Where it does not answer, the others have time as well.
async fn drop_queues_of(service: &Service, queues: Vec<Dropping>) {
    for dropping in queues {
        let late = |_| Err(Error::new(ErrorKind::TimedOut, "no answer in time"));
        let dropped = tokio::time::timeout(PATIENCE, drop_queue(service, &dropping)).await.unwrap_or_else(late);
        match dropped {
            Ok(()) => {}
            Err(error) if matches!(error.kind, ErrorKind::Unavailable | ErrorKind::TimedOut) => {
                tracing::debug!(%error, queue_id = dropping.id, "a deleted queue could not be dropped yet");
                return;
            }
            Err(error) => later(service, &dropping.key().name, &error),
        }
    }
}

/// What cannot be done holds up nothing else, and is tried again after a while.
fn later(service: &Service, name: &str, error: &Error) {
    tracing::warn!(%error, record = name, "a deleted queue could not be dropped; tried again in a minute");
    service.directory.drops.postpone(name, Instant::now());
}

/// Removes what a deleted queue held: some steps a round, the rest in the next. Where its pool has been
/// deleted as well, all that is left of it is in the catalog.
async fn drop_queue(service: &Service, dropping: &Dropping) -> Result<()> {
    const STEPS: usize = 20;
    let queue = dropping.reference()?;
    let member = service.pools.get(&service.own_call(PATIENCE), &dropping.pool).await?;
    let pool = if member.exists() { Some(member.pool()?) } else { None };
    if let Some(pool) = &pool {
        // The host that deleted it may have died before it could tell the pool.
        match pool.configure(&service.own_call(PATIENCE), &queue, dropping.header()).await {
            Err(error) if error.kind != sdk::ErrorKind::Stale => return Err(error.into()),
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
            let gone = service.directory.forget_deleted(&service.own_call(PATIENCE), dropping).await?;
            service.catalog.commit(&service.own_call(PATIENCE), gone).await?;
            service.directory.drops.done(&dropping.key().name);
            return Ok(());
        }
    }
    Ok(())
}
