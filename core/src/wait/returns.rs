//! Claims on their way back from clients that have left.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sukkal_plugin_sdk::{Call, ClaimId, ErrorKind};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::action::hold;
use crate::directory::Queue;
use crate::service::{PATIENCE, Service};

/// How long a claim that nobody waits for any more may be on its way to its pool.
const ON_ITS_WAY: Duration = Duration::from_secs(4);
/// The pause before the next attempt where the store does not answer: the first, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(5)];
/// How long that goes on. Then its messages are free when the claim expires.
const LONGEST: Duration = Duration::from_secs(3_600);
/// How many may be on their way. Where a store is away for long, the rest is free when the claims expire.
const MOST: usize = 10_000;
/// How long all of them may take when the service ends.
const LAST: Duration = Duration::from_secs(5);

/// Claims that are being given back.
#[derive(Default)]
pub(super) struct Returns(Mutex<JoinSet<()>>);

impl Returns {
    /// Begins to give one back. One that may be on its way to its pool is given back once more, when it must have
    /// come there.
    pub(super) fn begin(&self, service: Arc<Service>, queue: Arc<Queue>, claim: ClaimId, may_be_on_its_way: bool) {
        // Without a runtime the program is at its end.
        let Ok(runtime) = Handle::try_current() else { return };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while all.try_join_next().is_some() {}
        if all.len() < MOST {
            let work = async move { give_back(&service, &queue, claim, may_be_on_its_way).await };
            all.spawn_on(work, &runtime);
        }
    }

    /// Waits until all that have begun are back, for so long and no longer.
    pub(super) async fn end(&self) {
        let mut all = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let _ = tokio::time::timeout(LAST, async { while all.join_next().await.is_some() {} }).await;
    }
}

async fn give_back(service: &Arc<Service>, queue: &Arc<Queue>, claim: ClaimId, may_be_on_its_way: bool) {
    let (begun, [mut pause, longest]) = (Instant::now(), PAUSES);
    let mut once_more = may_be_on_its_way;
    loop {
        let released = async |call: Call| hold::try_release(service, &call, queue, claim).await;
        let next = match service.own_in(&queue.project, PATIENCE, released).await {
            Ok(()) if !once_more => return,
            Ok(()) => {
                once_more = false;
                ON_ITS_WAY
            }
            // One that stood still may work off the claim after this.
            Err(error) if is_for_now(error.kind) && begun.elapsed() < LONGEST => {
                once_more = true;
                pause
            }
            Err(error) => return hold::not_released(queue, &error),
        };
        tokio::time::sleep(next).await;
        pause = (pause * 2).min(longest);
    }
}

fn is_for_now(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Unavailable | ErrorKind::TimedOut)
}
