//! Claims on their way back from clients that have left.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sukkal_plugin_sdk::{Call, ClaimId, RequestId};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::action::hold;
use crate::directory::Queue;
use crate::service::Service;

/// How long giving back a claim may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a claim that nobody waits for any more may be on its way to its pool.
const ON_ITS_WAY: Duration = Duration::from_secs(4);
/// How long all of them may take when the service ends.
const LAST: Duration = Duration::from_secs(5);

/// Claims that are being given back.
#[derive(Default)]
pub(super) struct Returns(Mutex<JoinSet<()>>);

impl Returns {
    /// Begins to give one back. Where it fails its messages are free when the claim expires.
    /// One that may be on its way to its pool is given back once more, when it must have come there.
    pub(super) fn begin(&self, service: Arc<Service>, queue: Arc<Queue>, claim: ClaimId, may_be_on_its_way: bool) {
        // Without a runtime the program is at its end.
        let Ok(runtime) = Handle::try_current() else { return };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while all.try_join_next().is_some() {}
        let release = async move {
            let call = Call::new(RequestId(rand::random()), &queue.project, service.now().after(PATIENCE));
            hold::release(&service, &call, &queue, claim).await;
            if may_be_on_its_way {
                tokio::time::sleep(ON_ITS_WAY).await;
                hold::release(&service, &call, &queue, claim).await;
            }
        };
        all.spawn_on(release, &runtime);
    }

    /// Waits until all that have begun are back, for so long and no longer.
    pub(super) async fn end(&self) {
        let mut all = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let _ = tokio::time::timeout(LAST, async { while all.join_next().await.is_some() {} }).await;
    }
}
