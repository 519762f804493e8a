//! Settling what has fallen due in any queue.

use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::time::Instant;

use futures_util::future::{FutureExt, join};
use futures_util::stream::{FuturesUnordered, StreamExt};
use sukkal_plugin_sdk::tokio::time::timeout;
use sukkal_plugin_sdk::{Budget, Call, Error, Result, Swept};

use super::shared::Shared;
use crate::keys::Tag;
use crate::script::{SCRIPTS, Step};

/// What is settled of one placement before another has its turn.
const STEP: u32 = 250;
/// Placements that one sweep looks at: what it costs does not grow with how many are in use.
const LOOK: usize = 64;

/// A pass over all placements in use, which takes as many sweeps as there are.
#[derive(Default)]
pub struct Pass {
    /// Where the next sweep begins.
    from: usize,
    /// Those that have not said in time whether something is due: they are asked again at the end.
    late: Vec<Tag>,
    /// What failed so far.
    failed: Option<Error>,
}

/// What came of some placements.
struct Round {
    swept: Swept,
    late: Vec<Tag>,
    failed: Option<Error>,
}

impl Shared {
    /// Settles placement by placement, within a budget. Looks at some of them; there is more to do
    /// until all have had their turn.
    ///
    /// # Errors
    /// The server of a placement fails. It is told once all others have had their turn.
    pub async fn sweep(&self, call: &Call, budget: Budget) -> Result<Swept> {
        let pass = || self.pass.lock().unwrap_or_else(PoisonError::into_inner);
        let tags = self.tags.used();
        let from = Some(pass().from).filter(|from| *from < tags.len()).unwrap_or(0);
        let to = tags.len().min(from + LOOK);
        let is_last = to == tags.len();
        let mut some = tags[from..to].to_vec();
        if is_last {
            some.extend_from_slice(&pass().late);
        }
        let sweeping = self.sweep_some(call, budget, &some, is_last);
        // Whether other hosts use more of them is asked beside: who cannot tell holds up none of those that are known.
        let asking =
            async { if is_last { Ok(self.tags.in_use(self, call).await?.len() > tags.len()) } else { Ok(true) } };
        let (Round { swept, mut late, failed }, asked) = join(sweeping, asking).await;
        let mut pass = pass();
        pass.failed = pass.failed.take().or(failed);
        if swept.more {
            return Ok(swept);
        }
        pass.from = if is_last { 0 } else { to };
        match is_last {
            true => pass.late.clear(),
            false => pass.late.append(&mut late),
        }
        match pass.failed.take_if(|_| is_last) {
            Some(error) => Err(error),
            None => asked.map(|more| Swept { more, ..swept }),
        }
    }

    /// Settles what has fallen due in some placements. There is more to do where the budget is used up. One that does
    /// not answer is waited for when all others are done, where it is `awaited` at all, and else is late once the
    /// budget is over.
    async fn sweep_some(&self, call: &Call, budget: Budget, tags: &[Tag], awaited: bool) -> Round {
        let (start, mut left) = (Instant::now(), budget.items.max(1));
        let (mut swept, mut failed) = (Swept::default(), None);
        let mut late: BTreeSet<_> = tags.iter().copied().collect();
        let look = |tag: &Tag| {
            let tag = *tag;
            async move { (tag, self.first_due(call, tag).await) }
        };
        let mut looks: FuturesUnordered<_> = tags.iter().map(look).collect();
        // The longest due first; each has a turn before one has the next.
        let mut due = BTreeSet::new();
        let mut n_done = 0;
        loop {
            let looked = match due.is_empty() {
                true if awaited => looks.next().await,
                true => timeout(budget.time.saturating_sub(start.elapsed()), looks.next()).await.unwrap_or(None),
                false => looks.next().now_or_never().flatten(),
            };
            if let Some((tag, first)) = looked {
                late.remove(&tag);
                match first {
                    Ok(first) => due.extend(first.map(|at| (0, at, tag))),
                    Err(error) => failed = failed.or(Some(error)),
                }
                continue;
            }
            let Some((turn, at, tag)) = due.pop_first() else { break };
            // One has its turn though the looks have taken all the time, so that this comes to an end.
            if n_done > 0 && (left == 0 || start.elapsed() >= budget.time) {
                swept.more = true;
                break;
            }
            n_done += 1;
            match self.sweep_tag(call, tag, left.min(STEP), &mut swept).await {
                Ok((more, done)) => {
                    // A step counts even if nothing was to be done, so that this comes to an end.
                    left = left.saturating_sub(done.max(1));
                    due.extend(more.then_some((turn + 1, at, tag)));
                }
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        Round { swept, late: late.into_iter().collect(), failed }
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

    /// When something in a placement fell due first, if anything has.
    async fn first_due(&self, call: &Call, tag: Tag) -> Result<Option<i64>> {
        match self.server.step(call, &self.on_tag(&SCRIPTS.look, tag)).await? {
            Step::Done(mut reply) if !reply.is_empty() => reply.int().map(Some),
            Step::Done(_) | Step::Again | Step::Moving(_) => Ok(None),
        }
    }
}
