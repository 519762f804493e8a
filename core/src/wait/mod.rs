//! Long polls: a claim or a listing may wait until there is something for it in its queue.
//!
//! A request looks first. Only where it finds nothing and asks to wait is its queue watched: then
//! it looks again, and from then on whenever the pool says that something may have become available
//! (it registers, then looks, so that nothing falls between). Of those that wait to claim one is
//! woken at a time; one that found something wakes the next, and so does one that was woken and leaves
//! without having looked; so a post costs no more looks than there is work for, and no word is lost.
//! Those that follow a queue by listing are all woken, and so is everybody once the queue is deleted or
//! has moved: they go on with what has its name then.

mod lookout;
mod presence;
mod returns;
mod watcher;

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use sukkal_plugin_sdk::{self as sdk, Action, ClaimId, Request};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::lookout::Lookout;
pub use self::presence::Delivery;
pub(crate) use self::presence::Presence;
use self::returns::Returns;
pub(crate) use self::watcher::What;
use self::watcher::{Watcher, Word};
use crate::directory::Queue;
use crate::engine::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::name::Named;
use crate::query;
use crate::service::{Clock, Service};
use crate::stop::Stop;

/// The parameter by which a request asks to wait, in seconds.
pub(crate) const WAIT: &str = "wait";

/// The pause between two looks for what no pool tells of.
const LOOKED_FOR: Duration = Duration::from_millis(500);

/// The pause before a pool is looked for that takes the place of another.
const PAUSE: Duration = Duration::from_millis(50);

/// The pause before the next look into a pool that has stopped answering, to which as much is added by chance; and for
/// how long it is looked again: longer than another server takes to take over.
const AGAIN: Duration = Duration::from_millis(150);
const AWAY: Duration = Duration::from_secs(10);

/// How long watchers may take to end.
const LAST: Duration = Duration::from_secs(5);

/// Watchers by the names of their pools.
type Watchers = HashMap<String, Arc<Watcher>>;

/// Who waits for what.
pub struct Waits {
    /// Read by every post while anybody waits.
    watchers: ArcSwap<Watchers>,
    /// The watchers' tasks; locked by whoever adds a watcher.
    watching: Mutex<JoinSet<()>>,
    lookout: Lookout,
    clock: Clock,
    ending: watch::Sender<bool>,
    returns: Returns,
    /// How many requests wait, of whatever queue: nobody looks for who waits where this is none.
    n_waiting: AtomicUsize,
}

impl Waits {
    /// Nobody waits yet.
    pub fn new(clock: Clock) -> Self {
        Waits {
            watchers: ArcSwap::default(),
            watching: Mutex::default(),
            lookout: Lookout::default(),
            clock,
            ending: watch::Sender::new(false),
            returns: Returns::default(),
            n_waiting: AtomicUsize::new(0),
        }
    }

    /// Ends every wait at once, and all that begin later.
    pub fn end(&self) {
        self.ending.send_replace(true);
    }

    /// Gives back a claim that its client does not get: it has left, or was told of a failure. Goes on until the
    /// store takes it; one that may be on its way to its pool is given back twice.
    pub(crate) fn give_back(&self, service: Arc<Service>, queue: Arc<Queue>, claim: ClaimId, may_be_on_its_way: bool) {
        self.returns.begin(service, queue, claim, may_be_on_its_way);
    }

    /// Ends every wait, and waits until no pool is watched any more, no queue is looked for, and no claim is on its way back.
    pub async fn stop(&self) {
        self.end();
        if let Some(looking) = self.lookout.take() {
            looking.abort();
        }
        let mut watching = std::mem::take(&mut *self.watching());
        let watched = async { while watching.join_next().await.is_some() {} };
        let _ = tokio::join!(self.returns.end(), tokio::time::timeout(LAST, watched));
    }

    /// Awaits a post to a pool that works off what it is given in order. As soon as the pool has the post, one who
    /// waits to claim from its queue looks: so the claim is right behind the post, and a store that commits together
    /// what waits for it makes one commit of both. Where the claim comes too early all the same, it is told once more,
    /// as ever, when the post is stored.
    pub(crate) async fn with_claim_behind<T>(&self, queue: &Queue, post: impl Future<Output = T>) -> T {
        let mut post = pin!(post);
        let mut has_begun = false;
        poll_fn(|context| {
            let done = post.as_mut().poll(context);
            if done.is_pending() && !std::mem::replace(&mut has_begun, true) {
                self.look_soon(queue);
            }
            done
        })
        .await
    }

    /// One more request that waits, for as long as this is held.
    fn waiting(&self) -> Waiting<'_> {
        self.n_waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(&self.n_waiting)
    }

    /// Has one who waits to claim from a queue look.
    fn look_soon(&self, queue: &Queue) {
        if self.n_waiting.load(Ordering::Relaxed) == 0 {
            return;
        }
        if let Some(watcher) = self.watchers.load().get(queue.member.name()) {
            watcher.one_claims(queue.reference.id());
        }
    }

    /// The watcher of a queue's pool.
    fn watcher(&self, queue: &Queue) -> Arc<Watcher> {
        let (name, watches) = (queue.member.name(), |watcher: &&Arc<Watcher>| watcher.is_of(&queue.member));
        if let Some(watcher) = self.watchers.load().get(name).filter(watches) {
            return watcher.clone();
        }
        // Whoever takes a seat there is told to look for the pool that has taken its place, and whose watcher may be
        // here by now.
        if queue.member.is_retired() {
            return Arc::new(Watcher::new(queue.member.clone(), self.clock.clone()));
        }
        let mut watching = self.watching();
        let known = self.watchers.load();
        if let Some(watcher) = known.get(name).filter(watches) {
            return watcher.clone();
        }
        while watching.try_join_next().is_some() {}
        let watcher = Arc::new(Watcher::new(queue.member.clone(), self.clock.clone()));
        watching.spawn(watcher.clone().run(self.ending.subscribe()));
        let mut watchers = Watchers::clone(&known);
        // The watcher of a pool that was closed for good ends by itself.
        watchers.retain(|_, watcher| !watcher.is_over());
        watchers.insert(name.to_owned(), watcher.clone());
        self.watchers.store(Arc::new(watchers));
        watcher
    }

    /// How many watchers there are once that of a queue's pool has been asked for.
    #[cfg(test)]
    pub(crate) fn watched_with(&self, queue: &Queue) -> usize {
        self.watcher(queue);
        self.watchers.load().len()
    }

    fn watching(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.watching.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that waits.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How long a request asks to wait.
///
/// # Errors
/// `BadParameter` where it is no number; `BadValue` where it is more than the service allows.
pub(crate) fn asked(request: &Request, limits: &Limits) -> Result<Duration> {
    let max = limits.max_wait;
    match query::int(request.params(), WAIT)? {
        None => Ok(Duration::ZERO),
        Some(seconds) => {
            let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds <= max);
            let refusal = || Error::value(format!("The wait must be at least 0 and no more than {max} seconds."));
            Ok(Duration::from_secs(seconds.ok_or_else(refusal)?))
        }
    }
}

/// Whether a request may ask to wait.
pub(crate) fn may_wait(request: &Request) -> bool {
    matches!(request.action(), Action::ClaimCreate | Action::MessageList)
}

/// By how much a request may take longer than others, since it asks to wait.
pub(crate) fn extra_time(request: &Request, limits: &Limits) -> Duration {
    if may_wait(request) { asked(request, limits).unwrap_or_default() } else { Duration::ZERO }
}

/// Looks into a queue until there is something, for as long as the request asks to wait and its sender's identity
/// lasts. `None`: there was nothing to the end, the service is stopping, or the client has left.
///
/// A look is never cut short: what it claimed would be lost.
pub(crate) async fn until<T, F, Fut>(
    context: &Context<'_>,
    request: &Request,
    what: What,
    wait: Duration,
    look: F,
) -> Result<Option<T>, Stop>
where
    F: Fn(Arc<Queue>) -> Fut,
    Fut: Future<Output = Result<Option<T>, Stop>>,
{
    let (service, call, named) = (context.service, context.call, Named::of(request));
    if let Some(queue) = service.directory.find(call, named).await?
        && let Some(found) = look(queue).await?
    {
        return Ok(Some(found));
    }
    if wait.is_zero() {
        return Ok(None);
    }
    let lasts = request.identity().and_then(|identity| identity.expires).map(|end| end.since(service.now()));
    let end = Instant::now() + lasts.map_or(wait, |lasts| wait.min(lasts));
    let mut away = Away::default();
    let _waiting = service.waits.waiting();
    // Handed on where this ends without having looked.
    let mut word = None;
    let mut ending = service.waits.ending.subscribe();
    while !*ending.borrow_and_update() && Instant::now() < end && context.presence.is_here() {
        let Some(queue) = there_is_one(context, named, end, &mut word).await? else { continue };
        let seat = match service.waits.watcher(&queue).seat(call, &queue.reference).await {
            Ok(seat) => seat,
            // The pool was closed, and another may have taken its place.
            Err(error) if error.kind == sdk::ErrorKind::Stale => {
                service.directory.read(call, named).await?;
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            Err(error) => {
                away.pause(Error::from(error).into(), end).await?;
                continue;
            }
        };
        let mut told = pin!(seat.told(what));
        told.as_mut().enable();
        let looked = match look(queue.clone()).await {
            Ok(looked) => looked,
            Err(error) => {
                away.pause(error, end).await?;
                continue;
            }
        };
        away = Away::default();
        if let Some(found) = looked {
            seat.has_looked(&mut word);
            seat.found(what);
            return Ok(Some(found));
        }
        // Deleted or moved meanwhile: what has its name now is waited for.
        if !service.directory.find(call, named).await?.is_some_and(|now| now.lives_where(&queue)) {
            seat.leave_all();
            continue;
        }
        seat.has_looked(&mut word);
        let is_looked_for = what == What::DelayedListing;
        tokio::select! {
            () = told => word = Some(seat.word(what)),
            () = tokio::time::sleep_until(end) => {}
            () = tokio::time::sleep(LOOKED_FOR), if is_looked_for => {}
            _ = ending.changed() => {}
            () = context.presence.left() => {}
        }
    }
    Ok(None)
}

/// A store that has stopped answering since somebody waits for what is there.
#[derive(Default)]
struct Away(Option<Instant>);

impl Away {
    /// Waits before the next look: another server may take over, and whoever waits is not in a hurry.
    ///
    /// # Errors
    /// The look's: it says something else, or has said so for too long.
    async fn pause(&mut self, error: Stop, end: Instant) -> Result<(), Stop> {
        let is_away = matches!(&error, Stop::Error(Error { kind: ErrorKind::Unavailable, .. }));
        let since = *self.0.get_or_insert_with(Instant::now);
        let asked = if let Stop::Error(error) = &error { error.retry_after } else { None };
        let pause = AGAIN.max(asked.unwrap_or_default()) + rand::random_range(Duration::ZERO..=AGAIN);
        if !is_away || since.elapsed() > AWAY || Instant::now() + pause >= end {
            return Err(error);
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

/// The queue of this name. Where there is none this waits, until there may be one, or for as long as the
/// request does; then whoever waits goes on from the beginning.
async fn there_is_one(
    context: &Context<'_>,
    named: Named<'_>,
    end: Instant,
    word: &mut Option<Word>,
) -> Result<Option<Arc<Queue>>> {
    let (service, call) = (context.service, context.call);
    let awaiting = service.directory.awaited.join(call.project(), named);
    let mut made = pin!(awaiting.made());
    made.as_mut().enable();
    if let Some(queue) = service.directory.find(call, named).await? {
        return Ok(Some(queue));
    }
    drop(word.take());
    let mut ending = service.waits.ending.subscribe();
    service.waits.lookout.begin(service, ending.clone());
    tokio::select! {
        () = made => {}
        () = tokio::time::sleep_until(end) => {}
        _ = ending.wait_for(|ending| *ending) => {}
        () = context.presence.left() => {}
    }
    Ok(None)
}
