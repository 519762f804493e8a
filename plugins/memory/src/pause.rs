//! Letting others have their turn between the steps of something long.

use std::future::poll_fn;
use std::task::Poll;

/// Comes back at once, after whoever else is ready to run.
pub async fn pause() {
    let mut paused = false;
    poll_fn(|context| {
        if paused {
            return Poll::Ready(());
        }
        paused = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
