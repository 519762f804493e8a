//! A queue whose flavor is changed goes to a pool of that flavor, if it is empty (spec: pools and
//! flavors); so does a queue that is to get the dead letters of another, which it must lie beside.
//!
//! It keeps its id, and with it subscriptions and the order of its places. So that no message is
//! stored where nobody will look for it: (1) a commit says that the queue is moving, and its epoch
//! is raised: whoever acts on an older record is refused, whoever reads this one waits; (2) it is looked
//! whether the queue is empty; (3) it is made in its new place, with the next place; (4) a commit says
//! that it lives there. Whoever finds that (4) did not come while it had time takes (1) back. The keys of its posts stay where it
//! was, which is remembered (`former.rs`).

use std::sync::Arc;
use std::time::Duration;

use sukkal_plugin_sdk::{self as sdk, Bytes, Call, Change, Expect, Export, Extensions, Header, Place, QueueRef, Write};

use super::dead_letter::Source;
use super::former::{self, FormerRecord};
use super::queues::Queue;
use super::record::{Dropping, QueueRecord, label, moving_key, raw, to_hex};
use super::{Directory, dead_letter};
use crate::error::{Error, ErrorKind, Result};
use crate::metadata::Metadata;
use crate::pools::Member;

/// How long a queue may be on its way, on the catalog's clock: then whoever moved it has died.
const ABANDONED: Duration = Duration::from_secs(30);
/// How long it may take to bring back the dead letter queue of a queue that stays, and then again to say that it
/// stays, however little time whoever found that has left.
const STAYING: Duration = Duration::from_secs(5);

impl Directory {
    /// The pool that a queue must go to, where its flavor is changed to one that its pool is not of.
    ///
    /// # Errors
    /// `BadBody`: there is no such flavor. `Unavailable`: it has no pool that can be chosen.
    pub(super) async fn elsewhere(
        &self,
        call: &Call,
        queue: &Queue,
        metadata: &Metadata,
    ) -> Result<Option<Arc<Member>>> {
        if metadata.flavor == queue.metadata.flavor {
            return Ok(None);
        }
        let target = self.pools.choose(call, metadata.flavor.as_deref()).await.map_err(|error| match error.kind {
            ErrorKind::BadValue => Error { kind: ErrorKind::BadBody, ..error },
            _ => error,
        })?;
        let is_there = target.name() == queue.member.name();
        Ok((!is_there && !dead_letter::fits(&queue.member, metadata)).then_some(target))
    }

    /// Moves a queue that holds no message to a pool, where it may have to lie beside one that names it as its
    /// dead letter queue. `false`: somebody else has changed it meanwhile.
    ///
    /// # Errors
    /// `Conflict`: it holds messages, or others send it their dead letters than that one.
    pub(super) async fn relocate(
        &self,
        call: &Call,
        queue: &Arc<Queue>,
        metadata: Metadata,
        target: Arc<Member>,
        beside: Option<Source<'_>>,
    ) -> Result<bool> {
        if queue.moving {
            self.arrived(call, queue).await?;
            return Ok(false);
        }
        if dead_letter::is_named_by_others(self, call, queue.named(), beside.map(|source| source.name)).await? {
            return Err(conflict(dead_letter::OTHERS));
        }
        if self.former_places(queue) >= former::MOST {
            return Err(conflict("It has moved too often of late. Try again in some minutes."));
        }
        // Before anything is changed: mostly this says it all.
        let Some(held) = held(call, queue).await? else { return Ok(false) };
        check_empty(&held)?;
        let moving = QueueRecord { moving: true, ..queue.next_record()? };
        if !self.commit(call, vec![queue.changed_to(&moving)?, begins(queue)]).await? {
            return Ok(false);
        }
        let Some(queue) = self.configured(call, queue.named()).await? else { return Ok(false) };
        let moved = match queue.moving {
            true => self.carry(call, &queue, metadata, &target, beside).await,
            false => Ok(false),
        };
        if !matches!(moved, Ok(true)) {
            self.stay(call, &queue).await?;
        }
        moved
    }

    /// Makes a queue that nobody uses now in another pool, and says that it lives there.
    async fn carry(
        &self,
        call: &Call,
        queue: &Queue,
        metadata: Metadata,
        target: &Arc<Member>,
        beside: Option<Source<'_>>,
    ) -> Result<bool> {
        // Who names it from now on finds that it moves; who has done so before is known by now.
        if dead_letter::is_named_by_others(self, call, queue.named(), beside.map(|source| source.name)).await? {
            return Err(conflict(dead_letter::OTHERS));
        }
        let Some(held) = held(call, queue).await? else { return Ok(false) };
        let next_place = check_empty(&held)?;
        let (id, epoch, pool) = (queue.id(), queue.reference.epoch() + 1, target.pool()?);
        let reference =
            QueueRef::new(id, epoch, pool.place(id, beside.map(|source| source.reference.clone())).unwrap_or_default());
        // Its dead letter queue goes first. Should this end half-way, whoever says that this one stays brings it back.
        let source = Source { name: &queue.name, metadata: &metadata, member: target, reference: &reference };
        dead_letter::ensure(self, call, source, ErrorKind::BadBody).await?;
        let header = Header { epoch, label: label(&queue.project, queue.named()), ..Header::default() };
        if unless_stale(pool.configure(call, &reference, header).await)?.is_none() {
            return Ok(false);
        }
        let page = Export { next_place, ..Export::default() };
        match unless_stale(pool.import(call, &reference, page).await) {
            Ok(Some(())) => {}
            outcome => {
                self.give_up(call, queue, target, &reference).await;
                return Ok(outcome?.is_some());
            }
        }
        // Where nobody knows whether the commit was made, the queue may live there.
        let moved = self.lives_in(call, queue, &metadata, target, &reference).await?;
        if !moved {
            self.give_up(call, queue, target, &reference).await;
        }
        Ok(moved)
    }

    /// Says that a queue lives in another pool, if nobody has changed it meanwhile.
    async fn lives_in(
        &self,
        call: &Call,
        queue: &Queue,
        metadata: &Metadata,
        target: &Member,
        reference: &QueueRef,
    ) -> Result<bool> {
        let same_pool = target.name() == queue.member.name();
        let left = FormerRecord {
            // Should a pool not tell its placements apart, the queue is the one with the later epoch.
            epoch: if same_pool { queue.reference.epoch() } else { reference.epoch() },
            pool: queue.member.name().to_owned(),
            placement: to_hex(queue.reference.placement()),
            until: self.keys_end().0,
        };
        let mut former = self.former_but(queue, target, reference.placement());
        former.push(left.clone());
        let record = QueueRecord {
            pool: target.name().to_owned(),
            placement: to_hex(reference.placement()),
            metadata: raw(&metadata.object)?,
            apart: false,
            former,
            ..queue.next_record()?
        };
        let dropping = Dropping {
            id: reference.id().text(),
            epoch: left.epoch,
            kept_until: Some(left.kept_until().0),
            pool: left.pool,
            placement: left.placement,
            project: queue.project.clone(),
            name: queue.name.clone(),
            kind: queue.kind,
            moved: true,
        };
        let mut changes = vec![
            queue.changed_to(&record)?,
            ends(queue),
            Change::put(dropping.key(), Expect::Any, dropping.to_bytes()?),
        ];
        changes.extend(dead_letter::sources(&queue.project, &queue.name, Some(&queue.metadata), Some(metadata)));
        if !same_pool {
            changes.extend(Self::moves_in(target, reference.id()));
            changes.extend(Self::moves_out(queue.member.name(), reference.id()));
        }
        if !self.commit(call, changes).await? {
            return Ok(false);
        }
        // Whoever uses it next tells its pool where this fails.
        if let Err(error) = self.configured(call, queue.named()).await {
            tracing::warn!(%error, queue = queue.name, project = queue.project, "a pool could not be told of a queue yet");
        }
        self.close(call, queue, &dropping).await;
        Ok(true)
    }

    /// Says that a queue stays where it is, unless somebody has said something else.
    async fn stay(&self, call: &Call, queue: &Queue) -> Result<()> {
        // First, so that its pool is told where it is: should this end half-way, the next who comes goes on with it.
        let apart = !dead_letter::is_brought_back(self, &self.own_call(call, STAYING), queue).await;
        let call = &self.own_call(call, STAYING);
        let record = QueueRecord { apart, ..queue.next_record()? };
        if self.commit(call, vec![queue.changed_to(&record)?, ends(queue)]).await? {
            self.configured(call, queue.named()).await?;
            if apart {
                // Whoever comes next tries again.
                self.cache.remove(&queue.project, queue.named());
            }
        }
        Ok(())
    }

    /// A queue that was moving, as it is now: perhaps it still is.
    pub(super) async fn arrived(&self, call: &Call, queue: &Queue) -> Result<Option<Arc<Queue>>> {
        let named = queue.named();
        // Whoever ends a move changes both records in one commit: so it was given up where its queue still says that
        // it moves, and has arrived where that is another record by now.
        if self.catalog.get(call, moving_key(&queue.project, queue.id())).await?.is_none()
            && let Some(now) = self.read(call, named).await?.filter(|now| now.moving && now.revision == queue.revision)
        {
            self.stay(call, &now).await?;
        }
        self.read(call, named).await
    }
}

/// Says that somebody moves a queue, for as long as that may take.
fn begins(queue: &Queue) -> Change {
    let write = Write::Put { value: Bytes::new(), expires_in: Some(ABANDONED), extensions: Extensions::new() };
    Change { key: moving_key(&queue.project, queue.id()), expect: Expect::Any, write }
}

/// Says that nobody moves it any more.
fn ends(queue: &Queue) -> Change {
    Change::delete(moving_key(&queue.project, queue.id()), Expect::Any)
}

/// What a queue holds, as far as the first page tells that has any messages. None: it is to be read again.
async fn held(call: &Call, queue: &Queue) -> Result<Option<Export>> {
    let mut from = Bytes::new();
    loop {
        let page = async { queue.pool()?.export(call, &queue.reference, from).await };
        let page = match unless_stale(page.await) {
            Ok(Some(page)) => page,
            Ok(None) => return Ok(None),
            // It was not told of the queue yet: there is nothing in it.
            Err(error) if error.kind == sdk::ErrorKind::Gone => Export { next_place: Place(1), ..Export::default() },
            Err(error) if error.kind == sdk::ErrorKind::Unsupported => {
                return Err(conflict("Its pool cannot tell what it holds."));
            }
            Err(error) => return Err(error.into()),
        };
        // A lane may have a page of its own, with nothing on it.
        match &page.next {
            Some(next) if page.messages.is_empty() => from = next.clone(),
            _ => return Ok(Some(page)),
        }
    }
}

/// What a pool answers; none where the queue, or its pool, is another one by now: then its record is to be read again.
fn unless_stale<T>(answer: sdk::Result<T>) -> sdk::Result<Option<T>> {
    match answer {
        Err(error) if error.kind == sdk::ErrorKind::Stale => Ok(None),
        answer => answer.map(Some),
    }
}

fn check_empty(held: &Export) -> Result<Place> {
    match held.messages.is_empty() && held.next.is_none() {
        true => Ok(held.next_place),
        false => Err(conflict("It holds messages.")),
    }
}

fn conflict(why: &str) -> Error {
    Error::new(ErrorKind::Conflict, why)
}
