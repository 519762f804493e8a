//! Telling the host where something may have become available, so that it need not ask.
//!
//! A watched queue says so in its header, for a while, so that only what somebody waits for is
//! published. Whatever makes something available in it publishes that once; who then looks in vain asks
//! to be told again, in the same step (`stir` and `arm` in `scripts/common.lua`). What falls due by
//! itself is settled by an alarm of the watching host.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use redis::aio::PubSub;
use sukkal_plugin_sdk::store::Watched;
use sukkal_plugin_sdk::tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use sukkal_plugin_sdk::{Call, Hints, QueueId, QueueRef, RequestId, Result, WatchChange, tokio, tracing};

use super::shared::Shared;
use crate::error;
use crate::keys::Tag;
use crate::script::{Reply, Request, SCRIPTS, Step};
use crate::server;

/// For how long a queue's header says that it is watched.
const WATCHED: Duration = Duration::from_secs(60);
/// How often that is said again.
const AGAIN: Duration = Duration::from_secs(20);
/// How often alarms are looked at. Tests put the clock forward, so one long sleep would not do.
const LOOK: Duration = Duration::from_millis(50);
/// How often the server is asked whether it still speaks on the channel.
const ASKED: Duration = Duration::from_secs(2);
/// The pause before the channel is subscribed to again.
const PAUSE: Duration = Duration::from_millis(200);
/// How long a step of the watcher's own may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the host waits for, and what it is to be told.
pub struct Watch {
    shared: Arc<Shared>,
    watched: Watched,
}

impl Watch {
    /// A watch of nothing.
    pub fn new(shared: Arc<Shared>) -> Arc<Watch> {
        Arc::new(Watch { shared, watched: Watched::default() })
    }

    /// Ends what runs beside.
    pub fn close(&self) {
        self.watched.end();
    }

    /// Watches queues, and others no more. Counts from this call's return on.
    ///
    /// # Errors
    /// The server cannot be told.
    pub async fn change(self: &Arc<Self>, call: &Call, change: &WatchChange) -> Result<()> {
        self.watched.remove(&change.remove);
        if change.add.is_empty() {
            return Ok(());
        }
        if self.watched.start() {
            self.watched.spawn(self.clone().hear());
            self.watched.spawn(self.clone().keep_time());
        }
        let left = call.remaining(self.shared.server.host().now()).min(PATIENCE);
        if !self.watched.is_heard(left).await {
            return Err(error::unreachable("the channel of hints is not heard"));
        }
        change.add.iter().for_each(|queue| self.watched.add(queue));
        let marked = join_all(change.add.iter().map(|queue| self.touch(call, queue))).await;
        marked.into_iter().collect()
    }

    /// Waits until there is something to tell.
    pub async fn hints(&self) -> Hints {
        self.watched.hints().await
    }

    /// Settles a queue, says that it is watched, and learns when it falls due next.
    async fn touch(&self, call: &Call, queue: &QueueRef) -> Result<()> {
        let reply = self.shared.server.run(call, self.request(queue)?).await?;
        self.touched(queue, reply).map(drop)
    }

    fn request(&self, queue: &QueueRef) -> Result<Request> {
        let shared = &self.shared;
        let key = shared.keys.queue(Tag::of(queue)?, queue.id());
        let window = WATCHED.as_millis() as u64;
        Ok(Request::new(&SCRIPTS.watch, key.as_bytes(), shared.shift()).arg(window))
    }

    /// Takes in what a queue answered. `true`: it did not say until now that it is watched.
    fn touched(&self, queue: &QueueRef, mut reply: Reply) -> Result<bool> {
        let shared = &self.shared;
        let (now, due, settled, new) = (reply.int()?, reply.int()?, reply.int()?, reply.int()?);
        self.watched.clocks(now, shared.server.host().now());
        self.watched.falls_due(queue.id(), due);
        if settled == 1 {
            self.watched.tell(queue.id());
        }
        Ok(new == 1)
    }

    /// Marks a queue again, in its own time: a server that stands still delays its own queues alone.
    async fn mark(&self, queue: QueueRef) -> QueueId {
        let id = queue.id();
        match self.marked(&queue).await {
            // What became available meanwhile was not published.
            Ok(true) => self.watched.tell(id),
            Ok(false) => {}
            Err(_) => {
                self.watched.tell(id);
                sleep(PAUSE).await;
                self.watched.falls_due(id, i64::MIN);
            }
        }
        id
    }

    /// Says again that a queue is watched. `true`: its mark was gone.
    async fn marked(&self, queue: &QueueRef) -> Result<bool> {
        let deadline = self.shared.server.host().now().after(PATIENCE);
        let call = Call::new(RequestId(0), "", deadline);
        match self.shared.server.step(&call, &self.request(queue)?).await? {
            Step::Done(reply) => self.touched(queue, reply),
            // With the next look. Nobody has looked in vain meanwhile, and nothing has become available.
            Step::Moving(_) | Step::Again => {
                self.watched.falls_due(queue.id(), i64::MIN);
                Ok(false)
            }
        }
    }

    /// Hears the channel, and subscribes to it again when the connection breaks.
    async fn hear(self: Arc<Self>) {
        let channel = self.shared.keys.hints();
        let mut told = false;
        loop {
            match server::subscribe(self.shared.server.connector(), &channel).await {
                Ok(hears) => {
                    told = false;
                    self.watched.set_heard(true);
                    self.take_all(hears).await;
                    tracing::warn!("the channel of hints broke; subscribing again");
                }
                // Once for as long as it lasts.
                Err(_) if told => {}
                Err(error) => {
                    told = true;
                    tracing::warn!(%error, "the channel of hints cannot be subscribed to; tried again");
                }
            }
            self.watched.set_heard(false);
            sleep(PAUSE).await;
        }
    }

    /// Takes what is said, until the connection breaks or the server is not there any more: a machine that vanishes
    /// closes nothing, and silence is what is heard of a server where nothing happens, too.
    async fn take_all(&self, hears: PubSub) {
        let (mut asks, mut words) = hears.split();
        let patience = self.shared.server.timeout();
        let taken = async {
            while let Some(word) = words.next().await {
                self.take(word.get_payload_bytes());
            }
        };
        let gone = async {
            loop {
                sleep(ASKED).await;
                if !matches!(timeout(patience, asks.ping::<()>()).await, Ok(Ok(()))) {
                    return;
                }
            }
        };
        tokio::select! {
            () = taken => {}
            () = gone => {}
        }
    }

    /// `r` and a queue: something is ready. `d`, a queue and an instant: it falls due then.
    fn take(&self, word: &[u8]) {
        let Some((kind, rest)) = std::str::from_utf8(word).ok().and_then(|word| word.split_at_checked(1)) else {
            return;
        };
        let Some((id, rest)) = rest.split_at_checked(13) else { return };
        let Ok(id) = id.parse() else { return };
        match (kind, rest.parse::<i64>()) {
            ("r", _) => self.watched.tell(id),
            ("d", Ok(at)) => self.watched.falls_due(id, at),
            _ => {}
        }
    }

    /// Settles watched queues when something in them falls due, and keeps them marked as watched.
    async fn keep_time(self: Arc<Self>) {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut all_marked = Instant::now();
        // At the most one for each watched queue.
        let (mut marks, mut under_way) = (FuturesUnordered::new(), HashSet::new());
        loop {
            tokio::select! {
                Some(queue) = marks.next() => {
                    under_way.remove(&queue);
                    continue;
                }
                _ = look.tick() => {}
            }
            let all = all_marked.elapsed() >= AGAIN;
            if all {
                all_marked = Instant::now();
            }
            for queue in self.watched.take_due(self.shared.server.host().now(), all) {
                if under_way.insert(queue.id()) {
                    marks.push(self.mark(queue));
                } else {
                    self.watched.falls_due(queue.id(), i64::MIN);
                }
            }
        }
    }
}
