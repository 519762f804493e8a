//! Subscriptions: who is to be told of what is posted to a queue or topic.
//!
//! Each is two records of its project: the subscription itself, under the queue's id and its own,
//! and one that holds its subscriber's place, under the queue's id and the subscriber's hash, which
//! makes subscribers unique. They live and end together. Both belong to the queue's id: once the
//! queue is deleted nothing leads to them, and the janitor removes them.

mod store;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use sukkal_plugin_sdk::{Call, Change, Expect, QueueId, Timestamp};

use self::store::{Place, SUBSCRIBER, SUBSCRIPTION, Stored};
use super::Directory;
use super::queues::Queue;
use crate::answer::Object;
use crate::error::{Error, Result};
use crate::name::Named;

/// A subscription.
#[derive(Clone, Debug, PartialEq)]
pub struct Subscription {
    /// 32 hexadecimal digits; of two of one queue the later has the greater.
    pub id: String,
    /// The subscriber's URI.
    pub subscriber: String,
    /// How long it lives from `since` on, in seconds.
    pub ttl: u64,
    /// When it was made, or given a new life.
    pub since: Timestamp,
    /// What the client set.
    pub options: Object,
    /// Whether the subscriber has confirmed it. False of a connection's own too, which need not be
    /// confirmed: it was asked for there (spec: websocket, notifications).
    pub confirmed: bool,
}

/// What is to be subscribed.
#[derive(Clone, Debug, PartialEq)]
pub struct NewSubscription {
    /// The subscriber's URI.
    pub subscriber: String,
    /// Its life, in seconds.
    pub ttl: u64,
    /// What the client set.
    pub options: Object,
}

/// What is to be changed of a subscription.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SubscriptionChange {
    /// Another subscriber, which has to confirm anew.
    pub subscriber: Option<String>,
    /// Another life, in seconds, from now on.
    pub ttl: Option<u64>,
    /// Other options, in place of all that were there.
    pub options: Option<Object>,
    /// Whether the subscriber has confirmed it.
    pub confirmed: Option<bool>,
}

/// What came of subscribing.
#[derive(Clone, Debug, PartialEq)]
pub enum Subscribed {
    /// The subscription was made.
    Made(Subscription),
    /// The subscriber had one already, and keeps it as it is.
    Was(Subscription),
}

/// What came of a change.
#[derive(Clone, Debug, PartialEq)]
pub enum Changed {
    /// The subscription as it is now.
    To(Subscription),
    /// There is no such subscription.
    Missing,
    /// The subscriber has another subscription.
    Taken,
}

/// How many subscriptions one commit removes.
const BATCH: u32 = 100;

impl Directory {
    /// Subscribes to a queue, which is made if need be. The first subscription marks the queue's
    /// record, and raises its epoch, so that every host learns of it before its next post.
    pub async fn subscribe(&self, call: &Call, named: Named<'_>, new: NewSubscription) -> Result<Subscribed> {
        self.vouch_for(call, &new.subscriber).await?;
        let mut attempts = self.attempts(call);
        loop {
            let (queue, _) = self.create(call, named, Object::new(), |_| Ok(())).await?;
            let place = self.place(call, queue.id(), &new.subscriber).await?;
            if let Some(id) = place.as_ref().map(|place| &place.id)
                && let Some(was) = self.stored(call, queue.id(), id).await?
            {
                self.is_heard(call, queue).await?;
                return Ok(Subscribed::Was(was.subscription));
            }
            let made = self.new_subscription(new.clone());
            let mut changes = vec![match queue.subscribed {
                true => queue.unchanged(),
                false => queue.changed_to_subscribed()?,
            }];
            let life = Duration::from_secs(made.ttl);
            changes.push(store::put(call, queue.id(), &made, Expect::Absent, life)?);
            changes.push(store::put_place(call, queue.id(), &made, Place::expected(place.as_ref()), life));
            if self.commit(call, changes).await? {
                match queue.subscribed {
                    true => self.is_heard(call, queue).await?,
                    false => drop(self.configured(call, named).await?),
                }
                return Ok(Subscribed::Made(made));
            }
            attempts.again_or(|| Error::contended("subscription")).await?;
        }
    }

    /// Makes sure that a subscribed queue's pool has its epoch: whoever subscribed first may have failed before it
    /// could tell it, and other hosts would go on with the record that says that nobody has.
    async fn is_heard(&self, call: &Call, queue: Arc<Queue>) -> Result<()> {
        // Any call finds out, and tells the pool if it must.
        self.on_known(call, queue, |queue| async move { queue.pool()?.stats(call, &queue.reference).await }).await?;
        Ok(())
    }

    /// A queue's subscription.
    pub async fn subscription(&self, call: &Call, queue: &Queue, id: &str) -> Result<Option<Subscription>> {
        Ok(self.stored(call, queue.id(), id).await?.map(|stored| stored.subscription))
    }

    /// A queue's subscriptions in the order of their ids.
    pub async fn subscriptions(
        &self,
        call: &Call,
        queue: &Queue,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Subscription>> {
        let mut after = store::name(queue.id(), after.unwrap_or_default());
        let mut found = Vec::new();
        loop {
            let (kind, project) = (SUBSCRIPTION.to_owned(), call.project().to_owned());
            let wanted = limit.saturating_sub(found.len() as u32);
            let mut page = self.catalog.list(call, kind, project, Some(after), wanted).await?;
            page.retain(|record| store::belongs(&record.key, queue.id()));
            let is_last = page.len() < wanted as usize;
            after = page.last().map(|record| record.key.name.clone()).unwrap_or_default();
            let page: Result<Vec<_>> = page.into_iter().map(|record| Ok(Stored::of(record)?.subscription)).collect();
            found.extend(self.of_those_there(call, page?).await?);
            if is_last || found.len() >= limit as usize {
                return Ok(found);
            }
        }
    }

    /// Those of these subscriptions that are there no more: they have expired, or were removed after their queue.
    pub(crate) async fn ended(&self, call: &Call, all: Vec<(Arc<Queue>, String)>) -> Result<Vec<(QueueId, String)>> {
        let mut ended = Vec::new();
        for some in all.chunks(BATCH as usize) {
            let key = |(queue, id): &(Arc<Queue>, String)| store::key(&queue.project, queue.id(), id);
            let there: HashSet<_> =
                self.there(call, some.iter().filter_map(key).collect()).await?.into_iter().collect();
            let gone = some.iter().filter(|one| key(one).is_none_or(|key| !there.contains(&key)));
            ended.extend(gone.map(|(queue, id)| (queue.id(), id.clone())));
        }
        Ok(ended)
    }

    /// Changes a subscription.
    pub async fn change_subscription(
        &self,
        call: &Call,
        queue: &Queue,
        id: &str,
        change: SubscriptionChange,
    ) -> Result<Changed> {
        let mut attempts = self.attempts(call);
        loop {
            let Some(Stored { subscription: old, revision, ends }) = self.stored(call, queue.id(), id).await? else {
                return Ok(Changed::Missing);
            };
            let now = (self.clock)();
            let new = changed(&old, &change, now);
            let life = match change.ttl {
                Some(ttl) => Duration::from_secs(ttl),
                None => ends.since(now).max(Duration::from_millis(1)),
            };
            let mut changes = vec![store::put(call, queue.id(), &new, Expect::Revision(revision), life)?];
            let mut expected = Expect::Any;
            if new.subscriber != old.subscriber {
                let place = self.place(call, queue.id(), &new.subscriber).await?;
                if let Some(place) = &place
                    && self.stored(call, queue.id(), &place.id).await?.is_some()
                {
                    return Ok(Changed::Taken);
                }
                expected = Place::expected(place.as_ref());
                changes.push(store::delete_place(call, queue.id(), &old));
            }
            changes.push(store::put_place(call, queue.id(), &new, expected, life));
            if self.commit(call, changes).await? {
                return Ok(Changed::To(new));
            }
            attempts.again_or(|| Error::contended("subscription")).await?;
        }
    }

    /// Ends a subscription, if it is there.
    pub async fn unsubscribe(&self, call: &Call, queue: &Queue, id: &str) -> Result<()> {
        let mut attempts = self.attempts(call);
        loop {
            let Some(stored) = self.stored(call, queue.id(), id).await? else { return Ok(()) };
            let changes = vec![
                store::delete(call, queue.id(), id, stored.revision),
                store::delete_place(call, queue.id(), &stored.subscription),
            ];
            if self.commit(call, changes).await? {
                return Ok(());
            }
            attempts.again_or(|| Error::contended("subscription")).await?;
        }
    }

    /// Removes up to a hundred of the subscriptions of a queue, which may be gone; `true` while there
    /// are more.
    pub async fn remove_subscriptions(&self, call: &Call, project: &str, queue: QueueId) -> Result<bool> {
        for kind in [SUBSCRIPTION, SUBSCRIBER] {
            let (names, project) = (store::name(queue, ""), project.to_owned());
            let records = self.catalog.list(call, kind.to_owned(), project, Some(names), BATCH).await?;
            let own = records.into_iter().take_while(|record| store::belongs(&record.key, queue));
            let changes: Vec<Change> = own.map(|record| Change::delete(record.key, Expect::Any)).collect();
            if !changes.is_empty() {
                self.commit(call, changes).await?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn new_subscription(&self, new: NewSubscription) -> Subscription {
        let NewSubscription { subscriber, ttl, options } = new;
        let since = (self.clock)();
        Subscription { id: new_id(since), subscriber, ttl, since, options, confirmed: false }
    }

    async fn stored(&self, call: &Call, queue: QueueId, id: &str) -> Result<Option<Stored>> {
        let Some(key) = store::key(call.project(), queue, id) else { return Ok(None) };
        let stored = self.catalog.get(call, key).await?.map(Stored::of).transpose()?;
        Ok(match stored {
            Some(stored) if self.can_be_there(call, &stored.subscription.subscriber).await? => Some(stored),
            _ => None,
        })
    }

    async fn place(&self, call: &Call, queue: QueueId, subscriber: &str) -> Result<Option<Place>> {
        Ok(self.catalog.get(call, store::place_key(call, queue, subscriber)).await?.map(Place::of))
    }
}

fn changed(old: &Subscription, change: &SubscriptionChange, now: Timestamp) -> Subscription {
    let mut new = old.clone();
    if let Some(subscriber) = change.subscriber.as_ref().filter(|subscriber| **subscriber != old.subscriber) {
        new.subscriber.clone_from(subscriber);
        new.confirmed = false;
    }
    if let Some(ttl) = change.ttl {
        (new.ttl, new.since) = (ttl, now);
    }
    if let Some(options) = &change.options {
        new.options.clone_from(options);
    }
    new.confirmed = change.confirmed.unwrap_or(new.confirmed);
    new
}

/// An instant, so that ids sort in the order of their making, and chance.
fn new_id(now: Timestamp) -> String {
    let instant = u128::from(now.0.max(0).unsigned_abs()) << 80;
    format!("{:032x}", instant | (rand::random::<u128>() >> 48))
}
