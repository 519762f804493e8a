//! Where a queue was before it moved: the keys of its posts stay there, and are looked up there as long as
//! a post may be repeated. What was left there is removed afterwards.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sukkal_plugin_sdk::{self as sdk, Call, ErrorKind, Header, Key, Posted, QueueRef, Timestamp};

use super::queues::Queue;
use super::record::{label, reference, to_hex};
use super::{Directory, deletion};
use crate::error::Result;
use crate::pools::Member;

/// How many such places are remembered. One more move has to wait.
pub const MOST: usize = 8;
/// How much longer what was left is kept: hosts' clocks differ.
const SLACK: Duration = Duration::from_secs(60);

/// A place where a queue was.
pub struct Former {
    /// The pool, be it open or not.
    member: Arc<Member>,
    /// How it knew the queue at last.
    reference: QueueRef,
    /// Until when its keys count.
    until: Timestamp,
}

/// The stored form.
#[derive(Clone, Serialize, Deserialize)]
pub struct FormerRecord {
    /// The queue's epoch when it left.
    pub epoch: u64,
    /// The pool's name.
    pub pool: String,
    /// The pool's token, in hexadecimal.
    pub placement: String,
    /// Until when its keys count, in ms.
    pub until: i64,
}

impl FormerRecord {
    /// Until when what is there is kept.
    pub fn kept_until(&self) -> Timestamp {
        Timestamp(self.until).after(SLACK)
    }
}

impl Former {
    /// The stored form.
    pub fn record(&self) -> FormerRecord {
        FormerRecord {
            epoch: self.reference.epoch(),
            pool: self.member.name().to_owned(),
            placement: to_hex(self.reference.placement()),
            until: self.until.0,
        }
    }

    fn is(&self, member: &Member, placement: &[u8]) -> bool {
        self.member.name() == member.name() && self.reference.placement() == placement
    }

    async fn posted(&self, call: &Call, queue: &Queue, key: &Key) -> sdk::Result<Option<Posted>> {
        let pool = self.member.pool()?;
        let ask = || pool.posted(call, &self.reference, key.clone());
        let is_of_another = |error: &sdk::Error| matches!(error.kind, ErrorKind::Gone | ErrorKind::Stale);
        let posted = match ask().await {
            // Whoever moved the queue has died before it could tell the pool.
            Err(error) if error.kind == ErrorKind::Gone => {
                let (epoch, label) = (self.reference.epoch(), label(&queue.project, queue.named()));
                let header = Header { epoch, label, dropping: true, ..Header::default() };
                match pool.configure(call, &self.reference, header).await {
                    Ok(()) => ask().await,
                    Err(error) => Err(error),
                }
            }
            posted => posted,
        };
        match posted {
            // It is removed already, or lives there again: then that is asked anyway.
            Err(error) if is_of_another(&error) => Ok(None),
            posted => posted,
        }
    }
}

impl Directory {
    /// What a post under this key stored where the queue was before, if that may be repeated still. Whoever
    /// asks after it has read that the queue lives elsewhere gets an answer that does not change.
    ///
    /// # Errors
    /// `Conflict`: it was another post. Those of the pool.
    pub async fn posted_before(&self, call: &Call, queue: &Queue, key: &Key) -> sdk::Result<Option<Posted>> {
        let now = (self.clock)();
        // One that was taken out of use has taken its keys with it.
        for former in queue.former.iter().filter(|former| former.until > now && former.member.exists()) {
            if let Some(posted) = former.posted(call, queue, key).await? {
                return Ok(Some(posted));
            }
        }
        Ok(None)
    }

    /// Until when keys count that a queue leaves behind now: no post repeats any of them later.
    pub(super) fn keys_end(&self) -> Timestamp {
        let limits = &self.current.load().limits;
        (self.clock)().after(Duration::from_secs(limits.idempotency_window.max(limits.request_timeout)))
    }

    /// How many places there are where keys of a queue still count.
    pub(super) fn former_places(&self, queue: &Queue) -> usize {
        let now = (self.clock)();
        queue.former.iter().filter(|former| former.until > now).count()
    }

    /// Those places, but for the one to which the queue goes now.
    pub(super) fn former_but(&self, queue: &Queue, member: &Member, placement: &[u8]) -> Vec<FormerRecord> {
        let now = (self.clock)();
        let still = queue.former.iter().filter(|former| former.until > now && !former.is(member, placement));
        still.map(Former::record).collect()
    }

    /// A former place as its record says.
    pub(super) async fn former(&self, call: &Call, queue: &str, record: FormerRecord) -> Result<Former> {
        Ok(Former {
            reference: reference(queue, record.epoch, &record.placement)?,
            member: self.pools.get(call, &record.pool).await?,
            until: Timestamp(record.until),
        })
    }

    /// Takes a queue out of a pool to which it could not move after all. Where it was before it leaves its keys.
    pub(super) async fn give_up(&self, call: &Call, queue: &Queue, target: &Member, reference: &QueueRef) {
        if queue.former.iter().any(|former| former.is(target, reference.placement())) {
            deletion::leave(call, target, reference).await;
        } else {
            deletion::abandon(call, target, reference).await;
        }
    }
}
