//! The end of a deletion: no host shows the queue any more, or stores to it.

use std::sync::Arc;
use std::time::Duration;

use sukkal_plugin_sdk::{self as sdk, Call, Change, Expect};

use super::record::Dropping;
use super::{Directory, Queue};
use crate::error::{Error, ErrorKind, Result};
use crate::name::Named;
use crate::pools::Member;

/// How long a pool may take to be told.
const PATIENCE: Duration = Duration::from_secs(2);
/// The pause before a pool that did not answer is told again.
const PAUSE: Duration = Duration::from_millis(50);

/// A queue that was deleted.
pub struct Deleted {
    /// What it was.
    pub queue: Arc<Queue>,
    /// Whether its pool was told, so that nobody serves it any more.
    pub told: Result<()>,
}

impl Directory {
    /// Tells the pool of the queue of this name that was deleted last, as long as anything is left of it, so that
    /// hosts which still know its record are refused. Returns the revision of what says that it was deleted.
    ///
    /// # Errors
    /// `Unavailable`: the pool does not answer. Hosts that still reach it, or do again before this one, may
    /// serve the queue until a janitor has told it; so the deletion is not answered with success.
    pub(super) async fn end_deleted(&self, call: &Call, named: Named<'_>) -> Result<Option<u64>> {
        let Some(record) = self.catalog.get(call, Dropping::key_of(call.project(), named)).await? else {
            return Ok(None);
        };
        let dropping = Dropping::from_bytes(&record.value)?;
        let member = self.pools.get(call, &dropping.pool).await?;
        self.tell(call, &member, &dropping).await?;
        Ok(Some(record.revision))
    }

    /// The changes that forget a queue of which nothing is left.
    pub async fn forget_deleted(&self, call: &Call, dropping: &Dropping) -> Result<Vec<Change>> {
        let mut changes = vec![Change::delete(dropping.key(), Expect::Any)];
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

fn is_away(error: &sdk::Error) -> bool {
    matches!(error.kind, sdk::ErrorKind::Unavailable | sdk::ErrorKind::TimedOut)
}
