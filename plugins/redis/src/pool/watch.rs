//! Telling the host where something may have become available, so that it need not ask.
//!
//! A watched queue says so in its header, for a while, so that only what somebody waits for is
//! published. Whatever makes something available in it publishes that once; who then looks in vain asks
//! to be told again, in the same step (`stir` and `arm` in `scripts/common.lua`). What falls due by
//! itself is settled by an alarm of the watching host.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::join_all;
use sukkal_plugin_sdk::tokio::sync::{Notify, watch};
use sukkal_plugin_sdk::tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use sukkal_plugin_sdk::{Call, Hints, QueueId, QueueRef, RequestId, Result, WatchChange, tokio, tracing};

use super::shared::Shared;
use crate::error;
use crate::keys::Tag;
use crate::record::NEVER;
use crate::script::{Request, SCRIPTS};
use crate::server;

/// For how long a queue's header says that it is watched.
const WATCHED: Duration = Duration::from_secs(60);
/// How often that is said again.
const AGAIN: Duration = Duration::from_secs(20);
/// How often alarms are looked at. Tests put the clock forward, so one long sleep would not do.
const LOOK: Duration = Duration::from_millis(50);
/// The pause before the channel is subscribed to again.
const PAUSE: Duration = Duration::from_millis(200);
/// How long a step of the watcher's own may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the host waits for, and what it is to be told.
pub struct Watch {
    shared: Arc<Shared>,
    state: Mutex<State>,
    told: Notify,
    /// Whether the channel is heard.
    heard: watch::Sender<bool>,
    ending: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    wanted: HashMap<QueueId, Wanted>,
    hinted: HashSet<QueueId>,
    lost: bool,
    started: bool,
    /// The server's clock less the host's, in milliseconds.
    ahead: i64,
}

struct Wanted {
    tag: Tag,
    /// When the queue falls due next, on the server's clock.
    due: i64,
}

impl Watch {
    /// A watch of nothing.
    pub fn new(shared: Arc<Shared>) -> Arc<Watch> {
        let state = Mutex::default();
        let (heard, ending) = (watch::channel(false).0, watch::channel(false).0);
        Arc::new(Watch { shared, state, told: Notify::new(), heard, ending })
    }

    /// Ends what runs beside.
    pub fn close(&self) {
        self.ending.send_replace(true);
    }

    /// Watches queues, and others no more. Counts from this call's return on.
    ///
    /// # Errors
    /// The server cannot be told.
    pub async fn change(self: &Arc<Self>, call: &Call, change: &WatchChange) -> Result<()> {
        {
            let mut state = self.lock();
            state.wanted.retain(|id, _| !change.remove.contains(id));
        }
        if change.add.is_empty() {
            return Ok(());
        }
        self.start();
        let left = call.remaining(self.shared.server.host().now()).min(PATIENCE);
        let mut heard = self.heard.subscribe();
        let hears = timeout(left, heard.wait_for(|heard| *heard)).await;
        hears.map_err(|_| error::unreachable("the channel of hints is not heard"))?.map_err(error::unreachable)?;
        for queue in &change.add {
            let tag = Tag::of(queue)?;
            let mut state = self.lock();
            let wanted = state.wanted.entry(queue.id()).or_insert(Wanted { tag, due: NEVER as i64 });
            // It may have moved.
            wanted.tag = tag;
        }
        let marked = join_all(change.add.iter().map(|queue| self.mark(call, queue))).await;
        marked.into_iter().collect()
    }

    async fn mark(&self, call: &Call, queue: &QueueRef) -> Result<()> {
        self.touch(call, queue.id(), Tag::of(queue)?).await
    }

    /// Waits until there is something to tell.
    pub async fn hints(&self) -> Hints {
        loop {
            let told = self.told.notified();
            {
                let mut state = self.lock();
                if state.lost || !state.hinted.is_empty() {
                    let queues = std::mem::take(&mut state.hinted).into_iter().collect();
                    let lost = std::mem::take(&mut state.lost);
                    return Hints { queues, lost, ..Hints::default() };
                }
            }
            told.await;
        }
    }

    /// Settles a queue, says that it is watched, and learns when it falls due next.
    async fn touch(&self, call: &Call, id: QueueId, tag: Tag) -> Result<()> {
        let shared = &self.shared;
        let key = shared.keys.queue(tag, id);
        let window = WATCHED.as_millis() as u64;
        let request = Request::new(&SCRIPTS.watch, key.as_bytes(), shared.shift()).arg(window);
        let mut reply = shared.server.run(call, request).await?;
        let (now, due, settled) = (reply.int()?, reply.int()?, reply.int()?);
        let mut state = self.lock();
        state.ahead = now - shared.server.host().now().0;
        if let Some(wanted) = state.wanted.get_mut(&id) {
            wanted.due = due;
        }
        if settled == 1 {
            self.tell(&mut state, id);
        }
        Ok(())
    }

    fn tell(&self, state: &mut State, id: QueueId) {
        if state.wanted.contains_key(&id) {
            state.hinted.insert(id);
            self.told.notify_one();
        }
    }

    fn lose(&self) {
        self.lock().lost = true;
        self.told.notify_one();
    }

    fn start(self: &Arc<Self>) {
        let mut state = self.lock();
        if !state.started {
            state.started = true;
            tokio::spawn(until_the_end(self.ending.subscribe(), self.clone().hear()));
            tokio::spawn(until_the_end(self.ending.subscribe(), self.clone().keep_time()));
        }
    }

    /// Hears the channel, and subscribes to it again when the connection breaks.
    async fn hear(self: Arc<Self>) {
        let channel = self.shared.keys.hints();
        let mut told = false;
        loop {
            match server::subscribe(self.shared.server.connector(), &channel).await {
                Ok(mut hears) => {
                    told = false;
                    self.heard.send_replace(true);
                    // What was said while nobody heard is not said again.
                    self.lose();
                    let mut words = hears.on_message();
                    while let Some(word) = words.next().await {
                        self.take(word.get_payload_bytes());
                    }
                    tracing::warn!("the channel of hints broke; subscribing again");
                }
                // Once for as long as it lasts.
                Err(_) if told => {}
                Err(error) => {
                    told = true;
                    tracing::warn!(%error, "the channel of hints cannot be subscribed to; tried again");
                }
            }
            self.heard.send_replace(false);
            self.lose();
            sleep(PAUSE).await;
        }
    }

    /// `r` and a queue: something is ready. `d`, a queue and an instant: it falls due then.
    fn take(&self, word: &[u8]) {
        let Some((kind, rest)) = std::str::from_utf8(word).ok().and_then(|word| word.split_at_checked(1)) else {
            return;
        };
        let Some((id, rest)) = rest.split_at_checked(13) else { return };
        let Ok(id) = id.parse() else { return };
        let mut state = self.lock();
        match (kind, rest.parse::<i64>()) {
            ("r", _) => self.tell(&mut state, id),
            ("d", Ok(at)) => {
                if let Some(wanted) = state.wanted.get_mut(&id) {
                    wanted.due = wanted.due.min(at);
                }
            }
            _ => {}
        }
    }

    /// Settles watched queues when something in them falls due, and keeps them marked as watched.
    async fn keep_time(self: Arc<Self>) {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut marked = Instant::now();
        loop {
            look.tick().await;
            let all = marked.elapsed() >= AGAIN;
            let due = self.due(all);
            if all {
                if marked.elapsed() >= WATCHED {
                    // Asleep for so long that queues were not marked any more.
                    self.lose();
                }
                marked = Instant::now();
            }
            let deadline = self.shared.server.host().now().after(PATIENCE);
            let call = Call::new(RequestId(0), "", deadline);
            let touched = join_all(due.into_iter().map(|(id, tag)| self.touch(&call, id, tag))).await;
            if touched.iter().any(Result::is_err) {
                self.lose();
                sleep(PAUSE).await;
                // All are to be marked again: some may have missed their turn.
                marked = marked.checked_sub(AGAIN).unwrap_or(marked);
            }
        }
    }

    fn due(&self, all: bool) -> Vec<(QueueId, Tag)> {
        let mut state = self.lock();
        let now = self.shared.server.host().now().0 + state.ahead;
        let due = state.wanted.iter_mut().filter(|(_, wanted)| all || wanted.due <= now);
        // Until the server has answered there is no new instant.
        due.map(|(id, wanted)| {
            wanted.due = NEVER as i64;
            (*id, wanted.tag)
        })
        .collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn until_the_end(mut ending: watch::Receiver<bool>, work: impl Future<Output = ()>) {
    tokio::select! {
        _ = ending.wait_for(|ending| *ending) => {}
        () = work => {}
    }
}
