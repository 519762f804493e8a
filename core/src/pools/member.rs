//! One pool: opened, kept open, and closed once nobody uses it any more.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use sukkal_plugin_sdk::load::OpenPool;
use sukkal_plugin_sdk::{self as sdk, Bytes, Call, Capabilities, Health, NewMessage};
use tokio::sync::{OwnedMutexGuard, oneshot, watch};

use super::opener::{OPENING, PoolOpener, PoolSpec, close, open};
use crate::directory::StoredPool;
use crate::snapshot::ENDING;

/// How often a pool is asked how it is at least.
const ASKED: Duration = Duration::from_secs(20);
/// How long nothing may have been heard of messages that wait for their dead letter queue, and still be so: stores look
/// after them again every few seconds, at the call of any host.
const STUCK: Duration = Duration::from_secs(60);
/// The pause after an attempt that failed: the first, and the longest, so that a store that is there
/// again is found within two seconds.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(1)];

/// A pool of this host.
pub struct Member {
    name: String,
    /// What it is opened by; none: it was opened by somebody else, or there is no such pool.
    spec: Option<PoolSpec>,
    /// What the catalog says of it beyond that.
    terms: ArcSwap<Terms>,
    open: ArcSwapOption<Opened>,
    /// Held during an attempt at opening it.
    attempt: tokio::sync::Mutex<()>,
    /// Told when nobody uses what was opened any more.
    unused: Mutex<Option<oneshot::Receiver<()>>>,
    state: watch::Sender<State>,
    /// Whether it answered when it was swept last.
    well: AtomicBool,
    sweeping: Arc<tokio::sync::Mutex<()>>,
    /// When a sweep has found last messages that cannot go to their dead letter queue.
    stuck: Mutex<Option<Instant>>,
    /// What its operator should know, as it was told last, and when that was.
    warnings: ArcSwap<Vec<String>>,
    /// Which store it said to be.
    store: ArcSwapOption<Bytes>,
    /// Whether it is known that another pool has that, too.
    shares: AtomicBool,
    asked: Mutex<Option<Instant>>,
}

/// What the catalog says of a pool beyond how it is opened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Terms {
    /// Its share of new queues.
    pub weight: u32,
    /// The flavor that it belongs to.
    pub flavor: Option<String>,
    /// What it stated when it was registered.
    pub capabilities: Vec<String>,
    /// Which store it has said to be, in hexadecimal.
    pub store: Option<String>,
    /// The record's revision.
    pub revision: u64,
}

/// Whether a pool can be used.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// It is being opened for the first time.
    Opening,
    /// It can.
    Open,
    /// It could not be opened, and is tried again. Why, in words for the log and for operators.
    Failed(String),
    /// It is closed for good: another has taken its place, or nobody has.
    Retired,
    /// There is no pool of this name.
    Missing,
}

/// An open pool, in use for as long as it is held.
pub struct Opened {
    pool: OpenPool,
    /// As it stated them when it was opened.
    capabilities: Capabilities,
    /// Goes with the last who holds it.
    _in_use: oneshot::Sender<()>,
}

impl Opened {
    /// Whether it is reached over a network, so that nobody may know what came of a call.
    pub fn is_remote(&self) -> bool {
        self.capabilities.remote
    }

    /// Whether a post is not more than it takes at once, by what it states.
    ///
    /// # Errors
    /// `TooLarge`: it is more.
    pub fn takes(&self, messages: &[NewMessage]) -> sdk::Result<()> {
        let within = |n: usize, max: Option<u64>, what: &str| match max {
            Some(max) if n as u64 > max => {
                let text = format!("a post has at most {max} {what} in this pool; send several");
                Err(sdk::Error::new(sdk::ErrorKind::TooLarge, text))
            }
            _ => Ok(()),
        };
        within(messages.len(), self.capabilities.max_batch.map(u64::from), "messages")?;
        let bytes = messages.iter().map(|message| message.body.len()).sum();
        within(bytes, self.capabilities.max_batch_bytes, "bytes")
    }
}

impl Deref for Opened {
    type Target = OpenPool;

    fn deref(&self) -> &OpenPool {
        &self.pool
    }
}

impl Member {
    fn new(name: &str, spec: Option<PoolSpec>, terms: Terms, state: State) -> Self {
        Member {
            name: name.to_owned(),
            spec,
            terms: ArcSwap::from_pointee(terms),
            open: ArcSwapOption::empty(),
            attempt: tokio::sync::Mutex::default(),
            unused: Mutex::default(),
            state: watch::Sender::new(state),
            well: AtomicBool::new(true),
            sweeping: Arc::default(),
            stuck: Mutex::default(),
            warnings: ArcSwap::default(),
            store: ArcSwapOption::empty(),
            shares: AtomicBool::new(false),
            asked: Mutex::default(),
        }
    }

    /// One that is open already.
    pub(super) fn opened(name: &str, spec: Option<PoolSpec>, terms: Terms, pool: OpenPool) -> Arc<Self> {
        let member = Member::new(name, spec, terms, State::Opening);
        // It is not retired: nobody knows it yet.
        let _ = member.put(pool);
        Arc::new(member)
    }

    /// One that is registered, and is opened from now on until that succeeds.
    pub(super) fn registered(stored: &StoredPool, opener: Arc<dyn PoolOpener>) -> Arc<Self> {
        let spec = stored.spec.clone();
        let member = Arc::new(Member::new(&stored.name, Some(spec), stored.terms(), State::Opening));
        tokio::spawn(member.clone().keep_opening(opener));
        member
    }

    /// One that is not there: whatever names it is answered in its place.
    pub(super) fn missing(name: &str) -> Arc<Self> {
        Arc::new(Member::new(name, None, Terms::default(), State::Missing))
    }

    /// Its name; [`super::DEFAULT`] for the default pool.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is opened by, where the catalog says so.
    pub fn spec(&self) -> Option<&PoolSpec> {
        self.spec.as_ref()
    }

    /// What the catalog said of it last.
    pub fn terms(&self) -> Arc<Terms> {
        self.terms.load_full()
    }

    pub(super) fn set_terms(&self, terms: Terms) {
        self.terms.store(Arc::new(terms));
    }

    /// Whether it can be used.
    pub fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Whether it is closed for good.
    pub fn is_retired(&self) -> bool {
        *self.state.borrow() == State::Retired
    }

    /// Whether it is there at all.
    pub fn exists(&self) -> bool {
        *self.state.borrow() != State::Missing
    }

    /// Whether it is open, and answered when it was asked last.
    pub fn is_well(&self) -> bool {
        self.open.load().is_some() && self.well.load(Ordering::Relaxed)
    }

    /// Notes whether it answers.
    pub fn set_well(&self, well: bool) {
        if self.well.swap(well, Ordering::Relaxed) != well {
            let name = self.title();
            if well {
                tracing::info!(pool = name, "the pool answers again");
            } else {
                tracing::warn!(pool = name, "the pool does not answer; its queues are not served");
            }
        }
    }

    /// Notes how many messages a sweep has found that cannot go to their dead letter queues. Told when that begins: it
    /// mostly lasts until somebody has seen to it.
    pub fn set_stuck(&self, messages: u64) {
        if messages == 0 {
            return;
        }
        if self.begins_to_be_stuck(Instant::now()) {
            tracing::warn!(
                pool = self.title(),
                messages,
                "messages wait for their dead letter queue, which is gone or has no room; the metrics of queues show \
                 how many and where, as `exhausted`"
            );
        }
    }

    fn begins_to_be_stuck(&self, now: Instant) -> bool {
        let before = self.stuck.lock().unwrap_or_else(PoisonError::into_inner).replace(now);
        before.is_none_or(|before| now.saturating_duration_since(before) > STUCK)
    }

    /// What its operator should know.
    pub fn warnings(&self) -> Arc<Vec<String>> {
        self.warnings.load_full()
    }

    /// Which store it is, if it has said so.
    pub fn store(&self) -> Option<Arc<Bytes>> {
        self.store.load_full()
    }

    /// Notes that another pool has the same store. Whether that is new.
    pub(super) fn begins_to_share(&self) -> bool {
        !self.shares.swap(true, Ordering::Relaxed)
    }

    /// Notes what it says of itself; warnings are logged when they change.
    pub fn noted(&self, health: Health) {
        self.store.store(health.store().cloned().map(Arc::new));
        let before = self.warnings.swap(Arc::new(health.warnings));
        let now = self.warnings.load();
        for warning in now.iter().filter(|warning| !before.contains(warning)) {
            tracing::warn!(pool = self.title(), "{warning}");
        }
    }

    /// Asks it how it is.
    pub async fn health(&self, call: &Call) -> sdk::Result<()> {
        let health = self.pool()?.health(call).await?;
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.noted(health);
        Ok(())
    }

    /// Asks it how it is where nobody has for a while: its store may be set in another way than it was.
    pub async fn health_if_old(&self, call: &Call) {
        let asked = *self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.is_none_or(|asked| asked.elapsed() > ASKED)
            && let Err(error) = self.health(call).await
        {
            tracing::debug!(%error, pool = self.title(), "the pool does not say how it is");
        }
    }

    /// The right to sweep it, which one has at a time, until it is dropped.
    pub fn begin_sweep(&self) -> Option<OwnedMutexGuard<()>> {
        self.sweeping.clone().try_lock_owned().ok()
    }

    /// As messages name it.
    pub fn title(&self) -> &str {
        if self.name == super::DEFAULT { "default pool" } else { &self.name }
    }

    /// The pool itself, to be let go of soon.
    ///
    /// # Errors
    /// `Stale`: it is closed for good, and another may have taken its place. `Unavailable`: it is not
    /// open, or not there.
    pub fn pool(&self) -> sdk::Result<Arc<Opened>> {
        self.open.load_full().ok_or_else(|| self.refusal())
    }

    fn refusal(&self) -> sdk::Error {
        const TEXT: &str = "The queue's pool is not available.";
        let detail = match &*self.state.borrow() {
            State::Retired => return sdk::Error::new(sdk::ErrorKind::Stale, TEXT),
            State::Missing => format!("there is no pool `{}`", self.name),
            State::Failed(why) => format!("pool `{}` cannot be opened: {why}", self.name),
            State::Opening | State::Open => format!("pool `{}` is being opened", self.name),
        };
        sdk::Error::unavailable(TEXT).detail(detail).retry_after(Duration::from_secs(1))
    }

    /// Waits until it was tried to open it at least once, for no longer than that may take.
    pub async fn tried(&self) {
        let mut state = self.state.subscribe();
        let tried = state.wait_for(|state| *state != State::Opening);
        let _ = tokio::time::timeout(OPENING, tried).await;
    }

    /// Waits until it is closed for good.
    pub async fn retired(&self) {
        let mut state = self.state.subscribe();
        let _ = state.wait_for(|state| *state == State::Retired).await;
    }

    /// Waits until it can be used (`true`), or never will be again.
    pub async fn usable(&self) -> bool {
        let mut state = self.state.subscribe();
        let settled = state.wait_for(|state| matches!(state, State::Open | State::Retired | State::Missing)).await;
        settled.is_ok_and(|state| *state == State::Open)
    }

    async fn keep_opening(self: Arc<Self>, opener: Arc<dyn PoolOpener>) {
        let Some(spec) = self.spec.clone() else { return };
        let [mut pause, longest] = PAUSES;
        loop {
            let attempt = self.attempt.lock().await;
            let opened = tokio::select! {
                biased;
                opened = open(&*opener, &self.name, &spec, OPENING), if !self.is_retired() => opened,
                () = self.retired() => return,
            };
            match opened {
                Ok(pool) => {
                    match self.put(pool) {
                        Ok(()) => {
                            drop(attempt);
                            self.is_open().await;
                        }
                        Err(pool) => close(&self.name, &pool).await,
                    }
                    return;
                }
                Err(error) => self.failed(&error),
            }
            drop(attempt);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.retired() => return,
            }
            pause = (pause * 2).min(longest);
        }
    }

    async fn is_open(&self) {
        tracing::info!(pool = self.name, "the pool is open");
        let call = Call::new(sdk::RequestId(rand::random()), "", sdk::Timestamp::MAX);
        // Only for its warnings: whoever uses it finds out whether it answers.
        let _ = tokio::time::timeout(OPENING, self.health(&call)).await;
    }

    /// Told once for each reason: it is tried every second.
    fn failed(&self, error: &sdk::Error) {
        let why = error.message.clone();
        let failed = State::Failed(why);
        let is_new = self.state.send_if_modified(|state| {
            let is_new = *state != State::Retired && *state != failed;
            if is_new {
                *state = failed;
            }
            is_new
        });
        if is_new {
            tracing::warn!(%error, pool = self.name, "the pool cannot be opened; its queues are not served until it can");
        }
    }

    /// Makes it usable; gives the pool back where it has been closed for good meanwhile.
    fn put(&self, pool: OpenPool) -> Result<(), OpenPool> {
        let (in_use, unused) = oneshot::channel();
        let capabilities = pool.capabilities().unwrap_or_default();
        let mut refused = None;
        self.state.send_modify(|state| {
            if *state == State::Retired {
                refused = Some(pool);
                return;
            }
            *self.unused.lock().unwrap_or_else(PoisonError::into_inner) = Some(unused);
            self.open.store(Some(Arc::new(Opened { pool, capabilities, _in_use: in_use })));
            *state = State::Open;
        });
        refused.map_or(Ok(()), Err)
    }

    /// Closes it for good, and waits for whoever uses it, for a bounded time.
    pub async fn retire(&self) {
        let opened = self.shut();
        self.end(opened).await;
    }

    /// Whoever comes from now on is refused. Gives what is to be ended.
    pub(super) fn shut(&self) -> Option<Arc<Opened>> {
        let mut opened = None;
        self.state.send_modify(|state| {
            opened = self.open.swap(None);
            *state = State::Retired;
        });
        opened
    }

    /// Waits for whoever uses what was shut, for a bounded time, and closes it.
    pub(super) async fn end(&self, opened: Option<Arc<Opened>>) {
        // An attempt at opening it sees that it was shut: after that nothing is opened, or left open, that another
        // would find in its way.
        let _ended = tokio::time::timeout(ENDING, self.attempt.lock()).await;
        let Some(opened) = opened else { return };
        let pool = opened.pool.clone();
        drop(opened);
        let unused = self.unused.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(unused) = unused
            && tokio::time::timeout(ENDING, unused).await.is_err()
        {
            tracing::warn!(pool = self.title(), "requests still use a pool that is about to be closed");
        }
        close(self.title(), &pool).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_are_stuck_are_told_of_once_for_as_long_as_that_lasts() {
        let (member, begun) = (Member::missing("p"), Instant::now());
        let told = |seconds: u64| member.begins_to_be_stuck(begun + Duration::from_secs(seconds));
        assert_eq!([told(0), told(5), told(60), told(120)], [true, false, false, false]);
        assert!(told(181), "it had ended");
    }
}
