//! The end of a deletion: no host shows the queue any more, or stores to it.

use std::sync::Arc;
use std::time::Duration;

use sukkal_plugin_sdk::{self as sdk, Budget, Call, Change, Commit, Expect, Header, QueueRef, Write};

use super::Directory;
use super::record::Dropping;
use crate::error::{Error, ErrorKind, Result};
use crate::name::Named;
use crate::pools::Member;

/// How long a pool may take to be told.
const PATIENCE: Duration = Duration::from_secs(2);
/// The pause before a pool that did not answer is told again.
const PAUSE: Duration = Duration::from_millis(50);

impl Directory {
    /// Tells the pool of the queue of this name that was deleted last, as long as anything is left of it, so that
    /// hosts which still know its record are refused. Returns the revision of what says that it was deleted.
    ///
    /// # Errors
    /// `Unavailable`: the pool does not answer. Hosts that still reach it, or do again before this one, may
    /// serve the queue until a janitor has told it; so the deletion is not answered with success.
    pub(super) async fn end_deleted(&self, call: &Call, named: Named<'_>) -> Result<Option<u64>> {
        let key = Dropping::key_of(call.project(), named);
        let mut attempts = self.attempts(call);
        loop {
            let Some(record) = self.catalog.get(call, key.clone()).await? else { return Ok(None) };
            let dropping = Dropping::from_bytes(&record.value)?;
            let member = self.pools.get(call, &dropping.pool).await?;
            self.tell(call, &member, &dropping).await?;
            // All that is left may have been removed before the pool was told, which then has a header anew. Whoever is
            // at that forgets nothing that has changed since they began.
            let told = Change::put(key.clone(), Expect::Revision(record.revision), record.value);
            if let Commit::Done(revisions) = self.catalog.commit(call, vec![told]).await? {
                return Ok(revisions.first().copied());
            }
            if member.exists() {
                abandon(call, &member, &dropping.reference()?).await;
            }
            attempts.again_or(|| Error::contended("queue")).await?;
        }
    }

    /// The changes that forget a queue, for when nothing is left of it. They fail where a repeated deletion tells its
    /// pool of it meanwhile, which may make its header anew.
    pub async fn forget_deleted(&self, call: &Call, dropping: &Dropping) -> Result<Vec<Change>> {
        let mut changes = vec![Change::delete(dropping.key(), Expect::Any)];
        if !dropping.moved {
            changes.extend(Self::is_gone_from(&dropping.pool, dropping.reference()?.id()));
        }
        let key = Dropping::key_of(&dropping.project, dropping.named());
        // Another one of its name may have been deleted since.
        if !dropping.moved
            && let Some(record) = self.catalog.get(call, key.clone()).await?
            && Dropping::from_bytes(&record.value)?.id == dropping.id
        {
            changes.push(Change::delete(key, Expect::Revision(record.revision)));
        }
        Ok(changes)
    }

    /// Ends the deletion of the queue of this name that was deleted last, for whoever makes one anew: a host that
    /// still served the old one would acknowledge what is dropped with it. Returns a check that nobody has deleted
    /// another one since.
    ///
    /// # Errors
    /// Those of [`Directory::end_deleted`].
    pub(super) async fn check_ended(&self, call: &Call, named: Named<'_>) -> Result<Change> {
        let expect = self.end_deleted(call, named).await?.map_or(Expect::Absent, Expect::Revision);
        Ok(Change { key: Dropping::key_of(call.project(), named), expect, write: Write::Check })
    }

    /// Tells the pool that a queue is deleted, over and over where it does not answer. One that is not
    /// registered any more has nobody to serve it.
    pub(super) async fn tell(&self, call: &Call, member: &Arc<Member>, dropping: &Dropping) -> Result<()> {
        if !member.exists() {
            return Ok(());
        }
        let reference = dropping.reference()?;
        let told = async {
            loop {
                let configure = async { member.pool()?.configure(call, &reference, dropping.header()).await };
                match configure.await {
                    // Somebody was quicker.
                    Err(error) if error.kind == sdk::ErrorKind::Stale => return Ok(()),
                    Err(error) if is_away(&error) => tokio::time::sleep(PAUSE).await,
                    outcome => return outcome,
                }
            }
        };
        match tokio::time::timeout(PATIENCE, told).await {
            Ok(told) => Ok(told?),
            Err(_) => Err(Error::new(
                ErrorKind::Unavailable,
                "The queue is being deleted, and its pool does not answer. Repeat the request.",
            )),
        }
    }
}

/// Removes a queue from a pool where it does not live. Where that fails, an empty header stays.
/// The epoch is its own: a later one is that of a queue that lives there.
pub(super) async fn abandon(call: &Call, member: &Member, reference: &QueueRef) {
    let dropped = async {
        let pool = member.pool()?;
        pool.configure(call, reference, left(reference)).await?;
        pool.drop_queue(call, reference, Budget { items: 100, time: Duration::from_millis(50) }).await?;
        Ok(())
    };
    warn(reference, dropped.await);
}

/// Says that a queue does not live in a pool, and leaves there what it has left behind.
pub(super) async fn leave(call: &Call, member: &Member, reference: &QueueRef) {
    let told = async { member.pool()?.configure(call, reference, left(reference)).await };
    warn(reference, told.await);
}

fn left(reference: &QueueRef) -> Header {
    Header { epoch: reference.epoch(), dropping: true, ..Header::default() }
}

fn warn(reference: &QueueRef, outcome: sdk::Result<()>) {
    match outcome {
        Err(error) if error.kind != sdk::ErrorKind::Stale => {
            let queue_id = reference.id().text();
            tracing::warn!(%error, queue_id, "a queue could not be removed from a pool where it does not live");
        }
        _ => {}
    }
}

fn is_away(error: &sdk::Error) -> bool {
    matches!(error.kind, sdk::ErrorKind::Unavailable | sdk::ErrorKind::TimedOut)
}
