//! Which placements are in use: who sweeps need not look at the others.
//!
//! The server keeps a bit for each. It is set before the first queue of a placement is made. Should it
//! be lost, for instance at a failover, whoever uses the placement sets it again.

use std::sync::atomic::{AtomicU64, Ordering};

use redis::Value;
use sukkal_plugin_sdk::{Call, Result, tracing};

use super::shared::Shared;
use crate::error;
use crate::keys::{TAGS, Tag};
use crate::server::Effect;

const WORDS: usize = TAGS as usize / 64;

/// The placements in use, as far as this host knows.
pub struct Tags {
    /// Used by this host, or seen on the server.
    used: Bits,
    /// Seen on the server when it was asked last, or set there since.
    known: Bits,
}

struct Bits([AtomicU64; WORDS]);

impl Default for Tags {
    fn default() -> Self {
        let none = || Bits(std::array::from_fn(|_| AtomicU64::new(0)));
        Tags { used: none(), known: none() }
    }
}

impl Bits {
    fn has(&self, tag: Tag) -> bool {
        self.0[tag.number() / 64].load(Ordering::Relaxed) & (1 << (tag.number() % 64)) != 0
    }

    fn set(&self, tag: Tag) {
        self.0[tag.number() / 64].fetch_or(1 << (tag.number() % 64), Ordering::Relaxed);
    }

    fn clear(&self, tag: Tag) {
        self.0[tag.number() / 64].fetch_and(!(1 << (tag.number() % 64)), Ordering::Relaxed);
    }
}

fn all() -> impl Iterator<Item = Tag> {
    (0..TAGS).filter_map(Tag::from_number)
}

impl Tags {
    /// Notes that a placement is used.
    pub fn note(&self, tag: Tag) {
        if !self.used.has(tag) {
            self.used.set(tag);
        }
    }

    /// Those that are used, as far as this host knows.
    pub fn used(&self) -> Vec<Tag> {
        all().filter(|tag| self.used.has(*tag)).collect()
    }

    /// Sees to it that the server knows that a placement is used.
    ///
    /// # Errors
    /// The server cannot be told.
    pub async fn make_known(&self, shared: &Shared, call: &Call, tag: Tag) -> Result<()> {
        self.note(tag);
        if !self.known.has(tag) {
            let mut command = redis::cmd("SETBIT");
            command.arg(shared.keys.tags()).arg(tag.number()).arg(1);
            shared.server.plain(call, Effect::Lasts, &command).await?;
            self.known.set(tag);
        }
        Ok(())
    }

    /// All placements in use, by any host.
    ///
    /// # Errors
    /// The server does not say.
    pub async fn in_use(&self, shared: &Shared, call: &Call) -> Result<Vec<Tag>> {
        let mut command = redis::cmd("GET");
        command.arg(shared.keys.tags());
        let bytes = match shared.server.plain(call, Effect::Reads, &command).await? {
            Value::BulkString(bytes) => bytes,
            Value::Nil => Vec::new(),
            _ => return Err(error::unexpected("no bits")),
        };
        for tag in all() {
            let set = bytes.get(tag.number() / 8).is_some_and(|byte| byte & (0x80 >> (tag.number() % 8)) != 0);
            if set {
                self.known.set(tag);
                self.note(tag);
            } else {
                self.known.clear(tag);
            }
        }
        let used = self.used();
        for tag in &used {
            if let Err(error) = self.make_known(shared, call, *tag).await {
                // Without memory, for instance: what is swept now gives some back.
                tracing::debug!(%error, "a placement in use could not be noted on the server");
            }
        }
        Ok(used)
    }
}
