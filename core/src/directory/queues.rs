//! Queues: found, made, changed, deleted, listed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sukkal_plugin_sdk::{
    self as sdk, Bytes, Call, Change, Expect, Header, QueueId, QueueRef, Record, RecordKey, Write,
};

use super::cache::Known;
use super::dead_letter::Source;
use super::deletion::abandon;
use super::former::Former;
use super::record::{Dropping, QueueRecord, kind_of, label, raw, to_hex};
use super::{Directory, dead_letter};
use crate::answer::Object;
use crate::error::{Error, ErrorKind, Result};
use crate::metadata::Metadata;
use crate::name::{Kind, Named};
use crate::pools::{DEFAULT, Member, Opened};

/// How long the catalog is waited for where an old record will do.
const WORTH_WAITING: Duration = Duration::from_millis(500);

/// A queue, as its record says.
pub struct Queue {
    /// Its project.
    pub project: String,
    /// Whether it is a queue or a topic.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// How its pool knows it.
    pub reference: QueueRef,
    /// The pool where it lives, be it open or not.
    pub member: Arc<Member>,
    /// Its metadata.
    pub metadata: Metadata,
    /// Whether anybody has ever subscribed to it.
    pub subscribed: bool,
    /// Whether it is moving to another pool.
    pub moving: bool,
    /// Whether pools of queues that name it as their dead letter queue are still to be told of it.
    pub unconnected: bool,
    /// Whether its dead letter queue has gone elsewhere, from where it is still to be brought back.
    pub apart: bool,
    /// Where it was before, as long as posts may be repeated that were stored there.
    pub former: Vec<Former>,
    /// The record's revision.
    pub revision: u64,
    /// How long the record is.
    pub record_bytes: usize,
}

/// A queue in a listing.
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its record.
    record: Bytes,
}

impl Listed {
    /// Its metadata as stored.
    ///
    /// # Errors
    /// `Internal`: the record cannot be read.
    pub fn metadata(&self) -> Result<Object> {
        QueueRecord::from_bytes(&self.record)?.object()
    }
}

impl Queue {
    /// Its incarnation.
    pub fn id(&self) -> QueueId {
        self.reference.id()
    }

    /// Whether it is the same incarnation, in the same place of the same pool.
    pub fn lives_where(&self, other: &Queue) -> bool {
        let place = |queue: &Queue| (queue.id(), queue.reference.placement().to_owned());
        place(self) == place(other) && Arc::ptr_eq(&self.member, &other.member)
    }

    /// Whether it and its dead letter queue, and those whose dead letter queue it is, know each other.
    pub fn is_whole(&self) -> bool {
        !self.unconnected && !self.apart
    }

    /// The pool where it lives.
    ///
    /// # Errors
    /// Those of [`Member::pool`].
    pub fn pool(&self) -> sdk::Result<Arc<Opened>> {
        self.member.pool()
    }

    /// Its record with the next epoch, and otherwise as it is.
    pub(super) fn next_record(&self) -> Result<QueueRecord> {
        Ok(QueueRecord {
            id: self.id().text(),
            epoch: self.reference.epoch() + 1,
            pool: self.member.name().to_owned(),
            placement: to_hex(self.reference.placement()),
            metadata: raw(&self.metadata.object)?,
            subscribed: self.subscribed,
            moving: false,
            unconnected: self.unconnected,
            apart: self.apart,
            former: self.former.iter().map(Former::record).collect(),
        })
    }

    /// The change to another record, if nobody has changed it meanwhile.
    pub(super) fn changed_to(&self, record: &QueueRecord) -> Result<Change> {
        Ok(Change::put(self.key(), Expect::Revision(self.revision), record.to_bytes()?))
    }

    /// The change to one that says that somebody has subscribed.
    pub(super) fn changed_to_subscribed(&self) -> Result<Change> {
        self.changed_to(&QueueRecord { subscribed: true, ..self.next_record()? })
    }

    /// No change, if nobody has made one meanwhile.
    pub(super) fn unchanged(&self) -> Change {
        Change { key: self.key(), expect: Expect::Revision(self.revision), write: Write::Check }
    }

    fn key(&self) -> RecordKey {
        RecordKey::new(kind_of(self.kind), self.project.clone(), self.name.clone())
    }

    /// Its name, and of what.
    pub fn named(&self) -> Named<'_> {
        Named { kind: self.kind, name: &self.name }
    }
}

impl Directory {
    /// A queue as it was within the last minute; for whoever goes on to its pool, which refuses an
    /// old record. Known queues are found while the catalog does not answer.
    pub async fn find(&self, call: &Call, named: Named<'_>) -> Result<Option<Arc<Queue>>> {
        let read = match self.cache.get(call.project(), named) {
            Known::Fresh(queue) => return Ok(Some(queue)),
            Known::Nothing => self.read(call, named).await,
            Known::Old(queue) => {
                self.cache.trust(queue.clone());
                match tokio::time::timeout(WORTH_WAITING, self.read(call, named)).await {
                    Err(_) | Ok(Err(Error { kind: ErrorKind::Unavailable | ErrorKind::TimedOut, .. })) => {
                        return Ok(Some(queue));
                    }
                    Ok(read) => read,
                }
            }
        };
        match read? {
            Some(queue) => Ok(Some(self.connected(call, queue).await)),
            None => Ok(None),
        }
    }

    /// A queue as the catalog has it now.
    pub async fn read(&self, call: &Call, named: Named<'_>) -> Result<Option<Arc<Queue>>> {
        let queue = self.look_up(call, named).await?;
        match &queue {
            // One that is served again as soon as its pool is registered again is not remembered.
            Some(queue) if queue.member.exists() => self.cache.put(queue.clone()),
            Some(_) => {}
            None => self.cache.remove(call.project(), named),
        }
        Ok(queue)
    }

    /// A queue as the catalog has it now, which is not remembered.
    pub(super) async fn look_up(&self, call: &Call, named: Named<'_>) -> Result<Option<Arc<Queue>>> {
        match self.catalog.get(call, key(call, named)).await? {
            Some(record) => Ok(Some(Arc::new(self.queue(call, named.kind, record).await?))),
            None => Ok(None),
        }
    }

    /// Makes a queue, or finds it there (`false`): then its metadata stay as they are.
    ///
    /// # Errors
    /// What is to be stored in it is not `taken` by its pool: nothing is made. `Unavailable`: so is the pool of a
    /// deleted queue of this name, which was not told of that yet.
    pub async fn create(
        &self,
        call: &Call,
        named: Named<'_>,
        metadata: Object,
        taken: impl Fn(&Opened) -> sdk::Result<()> + Send + Sync,
    ) -> Result<(Arc<Queue>, bool)> {
        let metadata = Metadata::of(named.kind, metadata);
        let mut attempts = self.attempts(call);
        loop {
            if let Some(queue) = self.read(call, named).await? {
                return Ok((self.connected(call, queue).await, false));
            }
            let ended = self.check_ended(call, named).await?;
            let source = dead_letter::first_source(self, call, named).await?;
            let (member, beside) = match dead_letter::site(self, call, &metadata, source.as_deref()).await? {
                Some((member, beside)) => (member, Some(beside)),
                None => (self.pools.choose(call, metadata.flavor.as_deref()).await?, None),
            };
            let id = QueueId(rand::random());
            let placement = {
                let pool = member.pool()?;
                taken(&pool)?;
                pool.place(id, beside).unwrap_or_default()
            };
            let reference = QueueRef::new(id, 1, placement);
            let made = Source { name: named.name, metadata: &metadata, member: &member, reference: &reference };
            let dead = match dead_letter::ensure(self, call, made, ErrorKind::BadValue).await {
                // Others that were made meanwhile have it elsewhere: this one can go there, too.
                Err(error) if error.kind == ErrorKind::BadValue => {
                    let now = dead_letter::site(self, call, &metadata, source.as_deref()).await?;
                    let is_same = |(now, place): (Arc<Member>, QueueRef)| {
                        now.name() == member.name() && place.placement() == reference.placement()
                    };
                    if now.is_none_or(is_same) {
                        return Err(error);
                    }
                    attempts.again_or(|| error).await?;
                    continue;
                }
                dead => dead?,
            };
            let record = QueueRecord::new(&reference, member.name(), &metadata.object, source.is_some())?;
            let mut changes = vec![Change::put(key(call, named), Expect::Absent, record.to_bytes()?), ended];
            changes.extend(dead_letter::sources(call.project(), named.name, None, Some(&metadata)));
            changes.extend(Self::moves_in(&member, id));
            changes.extend(dead);
            // Deleted again before its pool was told: then it is made once more.
            if self.commit(call, changes).await?
                && let Some(queue) = self.configured(call, named).await?
            {
                self.awaited.tell(call.project(), named);
                return Ok((self.connected(call, queue).await, true));
            }
            if member.name() != DEFAULT {
                // It may be the pool that has changed.
                self.pools.refresh(call, Instant::now()).await?;
            }
            attempts.again_or(|| Error::contended("queue")).await?;
        }
    }

    /// Changes a queue's metadata. `None`: there is no such queue.
    pub async fn update(
        &self,
        call: &Call,
        named: Named<'_>,
        change: impl Fn(&Object) -> Result<Object> + Send + Sync,
    ) -> Result<Option<Arc<Queue>>> {
        let mut attempts = self.attempts(call);
        loop {
            let Some(queue) = self.read(call, named).await? else { return Ok(None) };
            let metadata = Metadata::of(named.kind, change(&queue.metadata.object)?);
            if let Some(target) = self.elsewhere(call, &queue, &metadata).await? {
                let refused = |error: Error| match error.kind {
                    ErrorKind::Conflict => {
                        let message = format!("The flavor of the queue cannot be changed. {}", error.message);
                        Error { message, ..error }
                    }
                    _ => error,
                };
                if self.relocate(call, &queue, metadata, target, None).await.map_err(refused)? {
                    return self.read(call, named).await;
                }
                attempts.again_or(|| Error::contended("queue")).await?;
                continue;
            }
            let source = Source { metadata: &metadata, ..Source::of(&queue) };
            let dead = dead_letter::ensure(self, call, source, ErrorKind::BadBody).await?;
            let record = QueueRecord { metadata: raw(&metadata.object)?, apart: false, ..queue.next_record()? };
            let mut changes = vec![queue.changed_to(&record)?];
            changes.extend(dead_letter::sources(call.project(), named.name, Some(&queue.metadata), Some(&metadata)));
            changes.extend(dead);
            if self.commit(call, changes).await? {
                return self.configured(call, named).await;
            }
            attempts.again_or(|| Error::contended("queue")).await?;
        }
    }

    /// Deletes a queue, if it is there: it is gone from the catalog at once; what it held is removed by the
    /// janitor of any host.
    ///
    /// # Errors
    /// `Unavailable`: its pool, or that of the one before it, could not be told, so that hosts which know it may
    /// still serve it.
    pub async fn delete(&self, call: &Call, named: Named<'_>) -> Result<()> {
        let mut attempts = self.attempts(call);
        loop {
            // One of its name whose pool could not be told when it was deleted.
            let before = self.end_deleted(call, named).await?.map_or(Expect::Absent, Expect::Revision);
            let Some(queue) = self.read(call, named).await? else { return Ok(()) };
            let dropping = Dropping {
                id: queue.id().text(),
                epoch: queue.reference.epoch() + 1,
                pool: queue.member.name().to_owned(),
                placement: to_hex(queue.reference.placement()),
                project: queue.project.clone(),
                name: queue.name.clone(),
                kind: queue.kind,
                moved: false,
                kept_until: None,
            };
            let mut changes = vec![
                Change::delete(key(call, named), Expect::Revision(queue.revision)),
                Change::put(dropping.key(), Expect::Any, dropping.to_bytes()?),
                Change::put(Dropping::key_of(call.project(), named), before, dropping.to_bytes()?),
            ];
            changes.extend(dead_letter::sources(call.project(), named.name, Some(&queue.metadata), None));
            changes.extend(Self::ends_in(queue.member.name(), queue.id()));
            if self.commit(call, changes).await? {
                self.cache.remove(call.project(), named);
                let told = self.tell(call, &queue.member, &dropping).await;
                self.to_drop(&dropping);
                return told;
            }
            attempts.again_or(|| Error::contended("queue")).await?;
        }
    }

    /// Tells the pool that a queue has left it, so that hosts that still know it there are refused. A pool
    /// that is down holds nothing up: the janitor tells it later.
    pub(super) async fn close(&self, call: &Call, queue: &Queue, dropping: &Dropping) {
        let Ok(reference) = dropping.reference() else { return };
        let configure = async { queue.pool()?.configure(call, &reference, dropping.header()).await };
        if let Err(error) = tokio::time::timeout(Duration::from_secs(2), configure)
            .await
            .unwrap_or_else(|_| Err(sdk::Error::new(sdk::ErrorKind::TimedOut, "no answer")))
        {
            tracing::warn!(%error, queue = queue.name, project = queue.project, "a deleted queue's pool could not be told yet");
        }
    }

    /// Queues, or topics, of the call's project in the order of their names.
    pub async fn list(&self, call: &Call, kind: Kind, after: Option<&str>, limit: u32) -> Result<Vec<Listed>> {
        let project = call.project().to_owned();
        let records =
            self.catalog.list(call, kind_of(kind).to_owned(), project, after.map(str::to_owned), limit).await?;
        Ok(records.into_iter().map(|record| Listed { name: record.key.name, record: record.value }).collect())
    }

    /// How many queues the call's project has.
    pub async fn count(&self, call: &Call) -> Result<u64> {
        Ok(self.catalog.count(call, kind_of(Kind::Queue).to_owned(), call.project().to_owned()).await?)
    }

    /// Tells a queue's pool what the catalog says now, and gives the queue.
    ///
    /// It is remembered only once the catalog says the same afterwards: where it was deleted meanwhile,
    /// its pool may have been told so before, and this has made it anew, for nobody.
    pub(super) async fn configured(&self, call: &Call, named: Named<'_>) -> Result<Option<Arc<Queue>>> {
        let mut attempts = self.attempts(call);
        self.cache.remove(call.project(), named);
        loop {
            let Some(queue) = self.look_up(call, named).await? else { return Ok(None) };
            let header = self.header(call, &queue).await?;
            let configured = async { queue.pool()?.configure(call, &queue.reference, header).await };
            match configured.await {
                Ok(()) => match self.read(call, named).await? {
                    Some(now) if now.revision == queue.revision => return Ok(Some(now)),
                    Some(now) if now.lives_where(&queue) => {}
                    _ => abandon(call, &queue.member, &queue.reference).await,
                },
                // Somebody was quicker with a later change: read that one.
                Err(error) if error.kind == sdk::ErrorKind::Stale => {}
                Err(error) => return Err(error.into()),
            }
            attempts.again_or(|| Error::contended("queue")).await?;
        }
    }

    async fn header(&self, call: &Call, queue: &Queue) -> Result<Header> {
        Ok(Header {
            epoch: queue.reference.epoch(),
            label: label(&queue.project, queue.named()),
            dead_letter: dead_letter::rule(self, call, queue).await?,
            ..Header::default()
        })
    }

    /// A queue of which those are told that name it as their dead letter queue, if they were not yet, and to which
    /// its own is brought back: whoever was at that may have failed. Where it fails again, whoever finds the queue
    /// next tries.
    pub(super) async fn connected(&self, call: &Call, queue: Arc<Queue>) -> Arc<Queue> {
        if queue.is_whole() {
            return queue;
        }
        // Others that find it meanwhile need not wait.
        let Ok(_alone) = self.connecting.try_lock() else { return queue };
        let connected = async {
            let queue = match queue.apart {
                true => dead_letter::bring_back(self, call, &queue).await?,
                false => Some(queue.clone()),
            };
            match queue {
                Some(queue) if queue.unconnected => dead_letter::connect(self, call, &queue).await,
                queue => Ok(queue),
            }
        };
        match Box::pin(connected).await {
            Ok(connected) => connected.unwrap_or(queue),
            Err(error) => {
                tracing::warn!(%error, queue = queue.name, project = queue.project, "a queue and its dead letter queue could not be brought together yet");
                queue
            }
        }
    }

    async fn queue(&self, call: &Call, kind: Kind, record: Record) -> Result<Queue> {
        let mut stored = QueueRecord::from_bytes(&record.value)?;
        let mut former = Vec::with_capacity(stored.former.len());
        for place in std::mem::take(&mut stored.former) {
            former.push(self.former(call, &stored.id, place).await?);
        }
        Ok(Queue {
            reference: stored.reference()?,
            metadata: Metadata::of(kind, stored.object()?),
            member: self.pools.get(call, &stored.pool).await?,
            project: record.key.project,
            kind,
            name: record.key.name,
            subscribed: stored.subscribed,
            moving: stored.moving,
            unconnected: stored.unconnected,
            apart: stored.apart,
            former,
            revision: record.revision,
            record_bytes: record.value.len(),
        })
    }
}

/// The key of a record of the call's project.
fn key(call: &Call, named: Named<'_>) -> RecordKey {
    RecordKey::new(kind_of(named.kind), call.project(), named.name)
}
