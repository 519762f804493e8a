//! Telling the host where something may have become available, so that it need not ask.
//!
//! Whoever makes something available in a queue changes its header's `j`; whatever falls due earlier than
//! before changes its `d`. A change stream of these two tells the hosts that watch. What falls due by
//! itself is settled by an alarm of the watching host.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use mongodb::bson::{Document, doc};
use sukkal_plugin_sdk::store::Watched;
use sukkal_plugin_sdk::tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use sukkal_plugin_sdk::{
    Call, Error, ErrorKind, Hints, QueueId, QueueRef, RequestId, Result, WatchChange, tokio, tracing,
};

use super::line::{Answer, Ask};
use super::serve::STEP;
use super::shared::Shared;
use crate::error::of_driver;

/// How often alarms are looked at. Tests put the clock forward, so one long sleep would not do.
const LOOK: Duration = Duration::from_millis(50);
/// The pause before the stream is opened again.
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
    /// The stream is not heard in time.
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
            return Err(Error::unavailable("the changes of this pool are not heard"));
        }
        change.add.iter().for_each(|queue| self.watched.add(queue));
        let looked = join_all(change.add.iter().map(|queue| self.look(queue))).await;
        looked.into_iter().collect()
    }

    /// Waits until there is something to tell.
    pub async fn hints(&self) -> Hints {
        self.watched.hints().await
    }

    /// Learns when a queue falls due next. One that is not there any more falls never due.
    async fn look(&self, queue: &QueueRef) -> Result<()> {
        let asked =
            timeout(PATIENCE, self.shared.moment(queue)).await.unwrap_or_else(|_| Err(crate::error::timed_out()));
        let (due, now) = match asked {
            Ok(moment) => (moment.head.due, moment.now),
            Err(error) if matches!(error.kind, ErrorKind::Gone | ErrorKind::Stale) => return Ok(()),
            Err(error) => return Err(error),
        };
        self.watched.clocks(now, self.shared.server.host().now());
        self.watched.falls_due(queue.id(), due);
        Ok(())
    }

    /// Settles a queue in which something has fallen due.
    async fn settle(&self, queue: &QueueRef) -> Result<()> {
        let call = Call::new(RequestId(0), "", self.shared.server.host().now().after(PATIENCE));
        if let Answer::Swept(swept) = self.shared.ask(&call, queue, Ask::Settle(STEP)).await?
            && swept.freed + swept.moved + swept.expired > 0
        {
            self.watched.tell(queue.id());
        }
        self.look(queue).await
    }

    /// Hears the stream, and opens it again when it breaks.
    async fn hear(self: Arc<Self>) {
        let mut told = false;
        loop {
            if let Err(error) = self.hear_once(&mut told).await
                && !told
            {
                // Once for as long as it lasts.
                told = true;
                tracing::warn!(%error, "the changes of the pool are not heard; tried again");
            }
            self.watched.set_heard(false);
            sleep(PAUSE).await;
        }
    }

    async fn hear_once(&self, told: &mut bool) -> Result<()> {
        let field = |name: &str| format!("updateDescription.updatedFields.{name}");
        let changes = [field("j"), field("d")].map(|field| doc! { field: { "$exists": true } });
        let wanted = doc! { "operationType": "update", "$or": changes.to_vec() };
        let words = doc! {
            "operationType": 1, "ns": 1, "documentKey._id": 1, field("j"): 1, field("d"): 1,
        };
        let stream = self.shared.documents.watch().pipeline([doc! { "$match": wanted }, doc! { "$project": words }]);
        let stream = timeout(PATIENCE, stream).await.map_err(|_| crate::error::timed_out())?;
        let mut stream = stream.map_err(|error| of_driver(&error))?.with_type::<Document>();
        *told = false;
        self.watched.set_heard(true);
        while stream.is_alive() {
            // The server says within a second that there is nothing: one that says nothing is gone, though its
            // machine may have closed no connection.
            let word = timeout(PATIENCE, stream.next_if_any()).await.map_err(|_| crate::error::timed_out())?;
            if let Some(word) = word.map_err(|error| of_driver(&error))? {
                self.take(&word);
            }
        }
        Ok(())
    }

    /// A header has changed.
    fn take(&self, word: &Document) {
        let id = word.get_document("documentKey").ok().and_then(|key| key.get_str("_id").ok());
        let Some(id) = id.and_then(|id| id.parse::<QueueId>().ok()) else { return };
        let changed = word.get_document("updateDescription").and_then(|update| update.get_document("updatedFields"));
        let Ok(changed) = changed else { return };
        if let Ok(due) = changed.get_i64("d") {
            self.watched.falls_due(id, due);
        }
        if changed.contains_key("j") {
            self.watched.tell(id);
        }
    }

    /// Settles watched queues when something in them falls due, each in its own time: one that somebody holds
    /// delays no others.
    async fn keep_time(self: Arc<Self>) {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // At the most one for each watched queue.
        let (mut alarms, mut under_way) = (FuturesUnordered::new(), HashSet::new());
        loop {
            tokio::select! {
                Some(queue) = alarms.next() => {
                    under_way.remove(&queue);
                    continue;
                }
                _ = look.tick() => {}
            }
            for queue in self.watched.take_due(self.shared.server.host().now(), false) {
                if under_way.insert(queue.id()) {
                    alarms.push(self.alarm(queue));
                } else {
                    self.watched.falls_due(queue.id(), i64::MIN);
                }
            }
        }
    }

    async fn alarm(&self, queue: QueueRef) -> QueueId {
        let id = queue.id();
        if let Err(error) = self.settle(&queue).await {
            tracing::debug!(%error, "what fell due in a watched queue is not settled; tried again");
            // Who waits there looks; that settles it as well.
            self.watched.tell(id);
            sleep(PAUSE).await;
            self.watched.falls_due(id, i64::MIN);
        }
        id
    }
}
