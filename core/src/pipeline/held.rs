//! Which filters hold a thread: what blocks in a hook keeps the thread from everybody else, and cannot be cut.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Every thread that has ever been in a hook, as long as it lives.
static SPOTS: Mutex<Vec<Weak<Spot>>> = Mutex::new(Vec::new());

thread_local! {
    static SPOT: Arc<Spot> = {
        let spot = Arc::default();
        lock(&SPOTS).push(Arc::downgrade(&spot));
        spot
    };
}

/// Where a thread is.
#[derive(Default)]
pub struct Spot {
    /// How often it has been in a hook.
    turns: AtomicU64,
    /// The filter in which it is, and the hook.
    inside: Mutex<Option<(Arc<str>, &'static str)>>,
}

/// Runs a hook of a filter, so that it is known where a thread is that does not come back.
pub async fn known<T>(filter: &Arc<str>, hook: &'static str, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    poll_fn(|context| {
        let _inside = enter(filter, hook);
        future.as_mut().poll(context)
    })
    .await
}

/// This thread goes into a hook.
pub fn enter(filter: &Arc<str>, hook: &'static str) -> Inside {
    SPOT.with(|spot| {
        spot.turns.fetch_add(1, Ordering::Relaxed);
        *lock(&spot.inside) = Some((filter.clone(), hook));
        Inside(spot.clone())
    })
}

/// A thread is in a hook for as long as this is held.
pub struct Inside(Arc<Spot>);

impl Drop for Inside {
    fn drop(&mut self) {
        *lock(&self.0.inside) = None;
    }
}

/// A filter that holds a thread.
#[derive(Debug)]
pub struct Held {
    /// The filter's name.
    pub filter: Arc<str>,
    /// The hook.
    pub hook: &'static str,
}

/// Looks for filters that hold a thread. To be asked several times a second.
#[derive(Default)]
pub struct HeldThreads(HashMap<usize, Seen>);

/// A thread as it was seen in a hook.
struct Seen {
    turn: u64,
    since: Instant,
    told: bool,
}

impl HeldThreads {
    /// Those that hold a thread for at least so long, each told once.
    pub fn held(&mut self, time: Duration) -> Vec<Held> {
        let mut held = Vec::new();
        let mut inside = HashMap::new();
        let mut spots = lock(&SPOTS);
        spots.retain(|spot| spot.strong_count() > 0);
        for spot in spots.iter().filter_map(Weak::upgrade) {
            let Some((filter, hook)) = lock(&spot.inside).clone() else { continue };
            let (thread, turn) = (Arc::as_ptr(&spot).addr(), spot.turns.load(Ordering::Relaxed));
            let known = self.0.remove(&thread).filter(|seen| seen.turn == turn);
            let mut seen = known.unwrap_or_else(|| Seen { turn, since: Instant::now(), told: false });
            if !seen.told && seen.since.elapsed() >= time {
                seen.told = true;
                held.push(Held { filter, hook });
            }
            inside.insert(thread, seen);
        }
        self.0 = inside;
        held
    }
}

/// What is behind it is whole after a panic too: each change of it is one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_filter_that_holds_a_thread_is_told_once_and_one_that_comes_back_is_not() {
        let mut threads = HeldThreads::default();
        let mut told =
            |filter: &str| threads.held(Duration::ZERO).iter().filter(|held| &*held.filter == filter).count();
        let (go, gone) = mpsc::channel::<()>();
        let (in_it, is_in_it) = tokio::sync::oneshot::channel();
        let blocks = tokio::spawn(async move {
            known(&Arc::from("blocks"), "request", async move {
                let _ = in_it.send(());
                let _ = gone.recv();
            })
            .await;
        });
        is_in_it.await.expect("it is in the hook");
        assert_eq!([told("blocks"), told("blocks")], [1, 0]);
        go.send(()).expect("it waits");
        blocks.await.expect("it ends");
        assert_eq!(told("blocks"), 0);

        let filter = Arc::from("waits");
        let waits = known(&filter, "request", std::future::pending::<()>());
        assert!(tokio::time::timeout(Duration::from_millis(1), waits).await.is_err());
        assert_eq!(told("waits"), 0, "it waits, and holds nothing");
    }
}
