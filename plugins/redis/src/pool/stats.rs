//! Counting: a queue, and all that the pool holds.

use futures_util::future::try_join_all;
use redis::{Cmd, Value};
use sukkal_plugin_sdk::{Call, QueueRef, Result, Spot, Stats, Timestamp, Usage};

use super::shared::Shared;
use crate::error;
use crate::keys::Tag;
use crate::script::{Reply, SCRIPTS};
use crate::server::{Answer, Effect};

impl Shared {
    /// The counts of a queue's main lane.
    ///
    /// # Errors
    /// `Gone`, `Stale`.
    pub async fn stats(&self, call: &Call, queue: &QueueRef) -> Result<Stats> {
        let mut reply = self.server.run(call, self.on(&SCRIPTS.stats, queue)?).await?;
        Ok(Stats {
            now: Timestamp(reply.int()?),
            free: reply.count()?,
            claimed: reply.count()?,
            exhausted: reply.count()?,
            oldest: spot(&mut reply)?,
            newest: spot(&mut reply)?,
            ..Stats::default()
        })
    }

    /// What the pool holds in all, without what a cluster is moving. Expired messages count until they are swept.
    ///
    /// # Errors
    /// The server fails.
    pub async fn usage(&self, call: &Call) -> Result<Usage> {
        let tags = self.tags.in_use(self, call).await?;
        let counts = try_join_all(tags.into_iter().map(|tag| self.count(call, tag))).await?;
        let (mut queues, mut messages) = (0, 0);
        for (of_queues, of_messages) in counts {
            queues += of_queues;
            messages += of_messages;
        }
        let (bytes, free_bytes) = self.server.memory(call).await?;
        Ok(Usage { queues, messages, bytes, free_bytes, ..Usage::default() })
    }

    async fn count(&self, call: &Call, tag: Tag) -> Result<(u64, u64)> {
        let base = self.keys.tag(tag);
        let (mut queues, mut messages) = (redis::cmd("ZCARD"), redis::cmd("GET"));
        queues.arg(format!("{base}q"));
        messages.arg(format!("{base}n"));
        Ok((self.number(call, &queues).await?, self.number(call, &messages).await?))
    }

    async fn number(&self, call: &Call, command: &Cmd) -> Result<u64> {
        match self.server.send(call, Effect::Reads, command).await? {
            Answer::Value(value) => number(&value),
            Answer::Moving(_) | Answer::NoScript => Ok(0),
        }
    }
}

fn spot(reply: &mut Reply) -> Result<Option<Spot>> {
    if reply.is_empty() {
        return Ok(None);
    }
    Ok(Some(Spot { place: reply.place()?, posted: Timestamp(reply.int()?) }))
}

fn number(value: &Value) -> Result<u64> {
    let number = match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        Value::BulkString(digits) => std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()),
        Value::Nil => Some(0),
        _ => None,
    };
    number.ok_or_else(|| error::unexpected("no count"))
}
