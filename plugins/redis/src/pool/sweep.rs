//! Settling what has fallen due in any queue.

use std::sync::atomic::Ordering;
use std::time::Instant;

use futures_util::future::try_join_all;
use redis::Value;
use sukkal_plugin_sdk::{Budget, Call, Result, Swept};

use super::shared::Shared;
use crate::error;
use crate::keys::Tag;
use crate::script::{SCRIPTS, Step};
use crate::server::Effect;

/// What is settled of one placement before another has its turn.
const STEP: u32 = 250;
/// Placements that one sweep looks at: what it costs does not grow with how many are in use.
const LOOK: usize = 64;

impl Shared {
    /// Settles placement by placement, within a budget. Looks at some of them; there is more to do
    /// until all have had their turn.
    ///
    /// # Errors
    /// The server fails.
    pub async fn sweep(&self, call: &Call, budget: Budget) -> Result<Swept> {
        let (start, mut left) = (Instant::now(), budget.items.max(1));
        let mut swept = Swept::default();
        let tags = self.tags.in_use(self, call).await?;
        let from = Some(self.sweep_from.load(Ordering::Relaxed)).filter(|from| *from < tags.len()).unwrap_or(0);
        let to = tags.len().min(from + LOOK);
        let mut due = self.due_of(call, &tags[from..to]).await?;
        while !due.is_empty() {
            let mut still = Vec::new();
            for tag in due {
                if left == 0 || start.elapsed() >= budget.time {
                    swept.more = true;
                    return Ok(swept);
                }
                let limit = left.min(STEP);
                let (more, done) = self.sweep_tag(call, tag, limit, &mut swept).await?;
                // A step counts even if nothing was to be done, so that this comes to an end.
                left = left.saturating_sub(done.max(1));
                if more {
                    still.push(tag);
                }
            }
            due = still;
        }
        swept.more = to < tags.len();
        self.sweep_from.store(if swept.more { to } else { 0 }, Ordering::Relaxed);
        Ok(swept)
    }

    async fn sweep_tag(&self, call: &Call, tag: Tag, limit: u32, swept: &mut Swept) -> Result<(bool, u32)> {
        let request = self.on_tag(&SCRIPTS.sweep, tag).arg(limit);
        let mut reply = match self.server.step(call, &request).await? {
            Step::Done(reply) => reply,
            Step::Again => return Ok((true, limit)),
            // What a cluster is moving has its turn when it is there; others need not wait for that.
            Step::Moving(_) => return Ok((false, 0)),
        };
        let more = reply.int()? == 1;
        let (expired, freed, moved) = (reply.count()?, reply.count()?, reply.count()?);
        swept.expired += expired;
        swept.freed += freed;
        swept.moved += moved;
        swept.stuck += reply.count()?;
        Ok((more, u32::try_from(expired + freed + moved).unwrap_or(limit)))
    }

    /// Those of some placements in which something has fallen due, the longest due first.
    async fn due_of(&self, call: &Call, tags: &[Tag]) -> Result<Vec<Tag>> {
        if tags.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.server_now(call).await?;
        let firsts = try_join_all(tags.iter().map(|tag| self.first_due(call, *tag))).await?;
        let mut due: Vec<_> = firsts.into_iter().flatten().filter(|(at, _)| *at <= now).collect();
        due.sort_unstable();
        Ok(due.into_iter().map(|(_, tag)| tag).collect())
    }

    async fn first_due(&self, call: &Call, tag: Tag) -> Result<Option<(i64, Tag)>> {
        let mut command = redis::cmd("ZRANGE");
        command.arg(format!("{}d", self.keys.tag(tag))).arg(0).arg(0).arg("WITHSCORES");
        let value = self.server.plain(call, Effect::Reads, &command).await?;
        let Value::Array(first) = value else { return Err(error::unexpected("no array")) };
        let score = match first.get(1) {
            None => return Ok(None),
            Some(Value::BulkString(digits)) => std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()),
            Some(Value::Double(score)) => Some(*score),
            Some(_) => None,
        };
        let score: f64 = score.ok_or_else(|| error::unexpected("no score"))?;
        Ok(Some((score as i64, tag)))
    }

    /// The server's clock, in milliseconds. Nodes of a cluster have one each: close is good enough
    /// for a look, each script reads its own.
    async fn server_now(&self, call: &Call) -> Result<i64> {
        let Value::Array(parts) = self.server.plain(call, Effect::Reads, &redis::cmd("TIME")).await? else {
            return Err(error::unexpected("no time"));
        };
        let part = |index: usize| match parts.get(index) {
            Some(Value::BulkString(digits)) => std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()),
            Some(Value::Int(number)) => Some(*number),
            _ => None,
        };
        let (seconds, micros): (Option<i64>, Option<i64>) = (part(0), part(1));
        let now = seconds.zip(micros).map(|(seconds, micros)| seconds * 1000 + micros / 1000);
        now.map(|now| now + self.shift()).ok_or_else(|| error::unexpected("no time"))
    }
}
