//! Operations on a queue at its pool, by what the catalog says of it now.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use sukkal_plugin_sdk::{self as sdk, Applied, Call, QueueRef};

use super::{Directory, Queue};
use crate::error::Error;

/// What becomes of an operation on a queue that its pool does not know, and cannot be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unknown {
    /// The queue is empty.
    IsEmpty,
    /// It fails.
    Fails,
}

impl Directory {
    /// Runs an operation on a queue's pool. Where the pool says that the record is old, or that it
    /// does not know the queue, the record is read afresh, the pool is told, and the operation is
    /// repeated. `None`: the queue is gone; or its pool, which may be full, has never heard of it, so that
    /// there is nothing in it.
    pub async fn on<T, F, Fut>(&self, call: &Call, queue: Arc<Queue>, operation: F) -> Result<Option<T>, sdk::Error>
    where
        F: Fn(Arc<Queue>) -> Fut + Send,
        Fut: Future<Output = sdk::Result<T>> + Send,
    {
        self.repeated(call, queue, operation, Unknown::IsEmpty).await
    }

    /// The same for what the pool must know the queue for. `None`: the queue is gone.
    pub async fn on_known<T, F, Fut>(
        &self,
        call: &Call,
        queue: Arc<Queue>,
        operation: F,
    ) -> Result<Option<T>, sdk::Error>
    where
        F: Fn(Arc<Queue>) -> Fut + Send,
        Fut: Future<Output = sdk::Result<T>> + Send,
    {
        self.repeated(call, queue, operation, Unknown::Fails).await
    }

    async fn repeated<T, F, Fut>(
        &self,
        call: &Call,
        mut queue: Arc<Queue>,
        operation: F,
        unknown: Unknown,
    ) -> Result<Option<T>, sdk::Error>
    where
        F: Fn(Arc<Queue>) -> Fut + Send,
        Fut: Future<Output = sdk::Result<T>> + Send,
    {
        let mut attempts = self.attempts(call);
        let mut applied = Applied::No;
        for number in 0.. {
            // The first repetition is the ordinary one: the record was old.
            if number > 1 && !attempts.again().await {
                break;
            }
            if queue.moving {
                match self.arrived(call, &queue).await.map_err(unavailable)? {
                    Some(again) => queue = again,
                    None => return Ok(None),
                }
                continue;
            }
            match operation(queue.clone()).await {
                Err(error) if matches!(error.kind, sdk::ErrorKind::Stale | sdk::ErrorKind::Gone) => {
                    if error.applied == Applied::Unknown {
                        applied = Applied::Unknown;
                    }
                    match self.refreshed(call, &queue, error).await {
                        Ok(Some(again)) => queue = again,
                        Ok(None) => return Ok(None),
                        Err(_) if unknown == Unknown::IsEmpty && self.is_unknown(call, &queue).await => {
                            return Ok(None);
                        }
                        Err(error) => return Err(error),
                    }
                }
                Err(error) if applied == Applied::Unknown => return Err(error.unknown()),
                outcome => return outcome.map(Some),
            }
        }
        let others = sdk::Error::unavailable("The queue is being changed by others.");
        Err(sdk::Error { applied, ..others }.retry_after(Duration::from_secs(1)))
    }

    async fn refreshed(&self, call: &Call, queue: &Queue, error: sdk::Error) -> sdk::Result<Option<Arc<Queue>>> {
        let again = match error.kind {
            sdk::ErrorKind::Gone => self.configured(call, queue.named()).await,
            _ => self.read(call, queue.named()).await,
        };
        again.map_err(unavailable)
    }

    /// Whether a queue lives where it is thought to, and its pool has no header of it, by which there may be something
    /// in it.
    async fn is_unknown(&self, call: &Call, queue: &Queue) -> bool {
        let now = self.look_up(call, queue.named()).await;
        if !now.is_ok_and(|now| now.is_some_and(|now| !now.moving && now.lives_where(queue))) {
            return false;
        }
        // Older than every header, which is told in other words where there is one.
        let oldest = QueueRef::new(queue.id(), 0, queue.reference.placement().to_vec());
        let asked = async { queue.pool()?.stats(call, &oldest).await };
        asked.await.is_err_and(|error| error.kind == sdk::ErrorKind::Gone)
    }
}

fn unavailable(error: Error) -> sdk::Error {
    sdk::Error::unavailable(error.message).detail(error.detail)
}
