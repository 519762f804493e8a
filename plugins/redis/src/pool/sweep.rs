//! Settling what has fallen due in any queue.

use std::collections::{BTreeSet, VecDeque};
use std::pin::pin;
use std::sync::{MutexGuard, PoisonError};
use std::time::Instant;

use futures_util::future::{Either, FutureExt, select};
use futures_util::stream::{FuturesUnordered, StreamExt};
use sukkal_plugin_sdk::tokio::time::timeout;
use sukkal_plugin_sdk::{Budget, Bytes, Call, Error, Result, Swept, tracing};

use super::shared::Shared;
use crate::keys::Tag;
use crate::script::{SCRIPTS, Step};

/// What is settled of one placement before another has its turn.
const STEP: u32 = 250;
/// Placements that are looked at in one sweep, beside as many late ones: what it costs does not grow with how many are in
/// use.
const LOOK: usize = 64;
/// Queues that cannot be swept that are told of at the most.
const TOLD: usize = 1_000;

/// A pass over all placements in use, which takes as many sweeps as their budgets ask for.
#[derive(Default)]
pub struct Pass {
    /// The last that had its turn.
    after: Option<Tag>,
    /// Those that did not say whether something is due when they were asked last: they are asked again at the end.
    late: VecDeque<Tag>,
    /// One of them, and how it failed. No sweep succeeds until it answers, so that what is told of the pool does not
    /// change with how far the pass is.
    failed: Option<(Tag, Error)>,
}

/// Who is asked in one sweep.
struct Turns {
    /// First the one that failed, then all from where the pass has come to.
    tags: Vec<Tag>,
    late: Vec<Tag>,
    /// Whether nobody is left then.
    is_rest: bool,
    n_used: usize,
}

/// What came of one sweep.
#[derive(Default)]
struct Round {
    swept: Swept,
    /// Whether all have had their turn.
    is_end: bool,
    after: Option<Tag>,
    silent: BTreeSet<Tag>,
    failed: Option<(Tag, Error)>,
}

impl Pass {
    /// Takes whoever is to be asked.
    fn turns(&mut self, used: &[Tag]) -> Turns {
        let failed = self.failed.as_ref().map(|(tag, _)| *tag);
        let known: BTreeSet<_> = self.late.iter().copied().chain(failed).collect();
        // Where a sweep is going to fail, it is the only one for a while.
        let most = if failed.is_some() { used.len() } else { LOOK };
        let mut others = used.iter().copied().filter(|tag| Some(*tag) > self.after && !known.contains(tag));
        let tags = failed.into_iter().chain(others.by_ref().take(most)).collect();
        let is_rest = others.next().is_none();
        self.late.retain(|tag| Some(*tag) != failed);
        let n_late = if is_rest { self.late.len().min(LOOK) } else { 0 };
        Turns { tags, late: self.late.drain(..n_late).collect(), is_rest, n_used: used.len() }
    }

    /// Notes what came of asking. Whether some are still to be asked.
    fn note(&mut self, round: Round) -> bool {
        let failed = self.failed.take().filter(|(tag, _)| round.silent.contains(tag));
        self.failed = round.failed.or(failed);
        self.late.extend(round.silent);
        if !round.swept.more {
            self.after = round.after.filter(|_| !round.is_end);
        }
        round.swept.more || !round.is_end || !self.late.is_empty()
    }
}

impl Shared {
    /// Settles placement by placement, within a budget. There is more to do until all have had their turn.
    ///
    /// # Errors
    /// The server of a placement fails, or did when it was asked last. Others have had their turn all the same.
    pub async fn sweep(&self, call: &Call, budget: Budget) -> Result<Swept> {
        let turns = self.pass().turns(&self.tags.used());
        let (n_used, is_rest) = (turns.n_used, turns.is_rest);
        let sweeping = pin!(self.sweep_some(call, budget, turns));
        // Whether other hosts use more of them is asked beside: who cannot tell holds up none of those that are known.
        let asking = pin!(async { if is_rest { Some(self.tags.in_use(self, call).await) } else { None } });
        let (round, asked) = match select(sweeping, asking).await {
            Either::Left((round, asking)) if round.is_end => (round, asking.await),
            Either::Left((round, _)) => (round, None),
            Either::Right((asked, sweeping)) => (sweeping.await, asked),
        };
        let swept = round.swept;
        let mut pass = self.pass();
        let goes_on = pass.note(round);
        if let Some((_, error)) = &pass.failed {
            return Err(error.clone());
        }
        let has_more = asked.transpose()?.is_some_and(|tags| tags.len() > n_used);
        Ok(Swept { more: goes_on || has_more, ..swept })
    }

    fn pass(&self) -> MutexGuard<'_, Pass> {
        self.pass.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Settles what has fallen due in some placements. There is more to do where the budget is used up. One that does
    /// not answer is waited for when all others have had their turn.
    async fn sweep_some(&self, call: &Call, budget: Budget, turns: Turns) -> Round {
        let (start, mut left) = (Instant::now(), budget.items.max(1));
        let look = |tag| async move { (tag, self.first_due(call, tag).await) };
        let (mut tags, mut late) = (turns.tags.into_iter(), turns.late);
        let mut round = Round { silent: late.iter().copied().collect(), ..Round::default() };
        let mut looks = FuturesUnordered::new();
        // The longest due first; each has a turn before one has the next.
        let mut due = BTreeSet::new();
        let mut n_done = 0;
        loop {
            for tag in tags.by_ref().take(LOOK.saturating_sub(looks.len())) {
                round.silent.insert(tag);
                round.after = Some(tag);
                looks.push(look(tag));
            }
            round.is_end = turns.is_rest && tags.as_slice().is_empty();
            if round.is_end {
                looks.extend(late.drain(..).map(look));
            }
            let looked = match due.is_empty() {
                true if round.is_end => looks.next().await,
                true => timeout(budget.time.saturating_sub(start.elapsed()), looks.next()).await.unwrap_or(None),
                false => looks.next().now_or_never().flatten(),
            };
            if let Some((tag, first)) = looked {
                match first {
                    Ok(first) => {
                        round.silent.remove(&tag);
                        due.extend(first.map(|at| (0, at, tag)));
                    }
                    Err(error) => round.failed = round.failed.or(Some((tag, error))),
                }
                continue;
            }
            let Some((turn, at, tag)) = due.pop_first() else { break };
            // One has its turn though the looks have taken all the time, so that this comes to an end.
            if n_done > 0 && (left == 0 || start.elapsed() >= budget.time) {
                round.swept.more = true;
                break;
            }
            n_done += 1;
            match self.sweep_tag(call, tag, left.min(STEP), &mut round.swept).await {
                Ok((more, done)) => {
                    // A step counts even if nothing was to be done, so that this comes to an end.
                    left = left.saturating_sub(done.max(1));
                    due.extend(more.then_some((turn + 1, at, tag)));
                }
                Err(error) => {
                    round.silent.insert(tag);
                    round.failed = round.failed.or(Some((tag, error)));
                }
            }
        }
        round
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
        while let Some(queue) = reply.bytes()? {
            self.tell_of_foreign(queue);
        }
        Ok((more, u32::try_from(expired + freed + moved).unwrap_or(limit)))
    }

    /// Tells once of a queue that cannot be swept.
    fn tell_of_foreign(&self, queue: Bytes) {
        let mut told = self.foreign.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < TOLD && told.insert(queue.clone()) {
            let queue_id = String::from_utf8_lossy(&queue);
            tracing::warn!(
                %queue_id,
                "a key of this queue, or of its dead letter queue, holds what somebody else has put there: what has \
                 expired in it is not removed; delete that key"
            );
        }
    }

    /// When something in a placement fell due first, if anything has.
    async fn first_due(&self, call: &Call, tag: Tag) -> Result<Option<i64>> {
        match self.server.step(call, &self.on_tag(&SCRIPTS.look, tag)).await? {
            Step::Done(mut reply) if !reply.is_empty() => reply.int().map(Some),
            Step::Done(_) | Step::Again | Step::Moving(_) => Ok(None),
        }
    }
}
