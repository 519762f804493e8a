//! Work that goes on when nobody waits for it any more.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

/// Runs a future in the task of whoever waits for it; what is left of it when that one leaves runs
/// to its end in a task of its own, which is one of `left`.
///
/// A task for each from the start would cost every request two wake-ups, mostly of another thread,
/// for the sake of the few whose client leaves.
pub struct ToItsEnd<'a, T: Send + 'static> {
    future: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    left: &'a TaskTracker,
}

impl<'a, T: Send + 'static> ToItsEnd<'a, T> {
    /// Begins when it is first polled, within a tokio runtime.
    pub fn new(future: impl Future<Output = T> + Send + 'static, left: &'a TaskTracker) -> Self {
        ToItsEnd { future: Some(Box::pin(future)), left }
    }
}

impl<T: Send + 'static> Future for ToItsEnd<'_, T> {
    /// The error is what a panic was thrown with.
    type Output = std::thread::Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = &mut self.future else { return Poll::Pending };
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
        if !matches!(polled, Ok(Poll::Pending)) {
            self.future = None;
        }
        match polled {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

impl<T: Send + 'static> Drop for ToItsEnd<'_, T> {
    fn drop(&mut self) {
        // Without a runtime the program is at its end, and so is the work.
        if let (Some(future), Ok(runtime)) = (self.future.take(), Handle::try_current()) {
            self.left.spawn_on(future, &runtime);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn it_ends_though_nobody_waits() {
        let (begun, is_begun) = oneshot::channel();
        let (go, gone) = oneshot::channel::<()>();
        let (end, ended) = oneshot::channel();
        let left = TaskTracker::new();
        let work = async move {
            let _ = begun.send(());
            let _ = gone.await;
            let _ = end.send("done");
        };
        let mut work = ToItsEnd::new(work, &left);
        tokio::select! {
            _ = &mut work => panic!("it cannot have ended"),
            _ = is_begun => drop(work),
        }
        assert_eq!(left.len(), 1);
        let _ = go.send(());
        assert_eq!(ended.await, Ok("done"));
    }

    #[tokio::test]
    async fn a_panic_is_told() {
        let outcome = ToItsEnd::new(async { panic!("on purpose") }, &TaskTracker::new()).await;
        assert_eq!(outcome.err().and_then(|panic| panic.downcast_ref::<&str>().copied()), Some("on purpose"));
    }
}
