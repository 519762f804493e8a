//! Looking for queues that are waited for and are not there, for the whole host: another host may make them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::service::Service;

/// The pause between two looks. Whoever waits is to hear of a queue within 200 ms, whichever host makes it.
const PAUSE: Duration = Duration::from_millis(100);
/// The pause after a look that failed.
const LONG_PAUSE: Duration = Duration::from_millis(500);
/// How long a look may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The task that looks, while anybody waits for a queue that is not there.
#[derive(Default)]
pub(super) struct Lookout(Mutex<Option<JoinHandle<()>>>);

impl Lookout {
    /// Begins to look, unless it does already.
    pub(super) fn begin(&self, service: &Arc<Service>, ending: watch::Receiver<bool>) {
        let mut task = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if service.directory.awaited.begin_to_look() {
            *task = Some(tokio::spawn(look(service.clone(), ending)));
        }
    }

    /// The task, if there is or was one.
    pub(super) fn take(&self) -> Option<JoinHandle<()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Looks until nobody waits any more, or the service ends.
async fn look(service: Arc<Service>, mut ending: watch::Receiver<bool>) {
    let (mut pause, mut told) = (PAUSE, false);
    while !*ending.borrow_and_update() {
        tokio::select! {
            () = sleep(pause) => {}
            _ = ending.changed() => return,
        }
        let directory = &service.directory;
        match service.own(PATIENCE, |call| async move { directory.look_for_awaited(&call).await }).await {
            Ok(true) => (pause, told) = (PAUSE, false),
            Ok(false) => return,
            Err(error) => {
                // Once for as long as it lasts.
                if !told {
                    tracing::warn!(%error, "queues that are waited for cannot be looked for; tried again");
                }
                (pause, told) = (LONG_PAUSE, true);
            }
        }
    }
}
