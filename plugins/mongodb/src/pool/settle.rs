//! Bringing a queue up to date: what has expired goes, claims and delays end, and messages are held
//! against a rule that has changed. Each is met once, in bounded steps.

use std::collections::HashMap;

use mongodb::bson::{Document, doc};
use sukkal_plugin_sdk::{Lane, Result, Swept};

use super::find::Find;
use super::head::NEVER;
use super::message::{name, number, state};
use super::state::{EMPTIED, State, code, is, timed};
use super::visit::Visit;
use crate::error::Fail;

/// Messages that change their state, by what they were and what they become.
type Moves = HashMap<((Lane, State), State), Vec<String>>;

/// What has fallen due, by name.
#[derive(Default)]
struct Due {
    moves: Moves,
    /// Messages that had used up their claims when their end came.
    parting: Vec<String>,
}

impl Visit<'_> {
    /// Settles what has fallen due, at most so much; how much it was. Less than that means that nothing
    /// is left.
    ///
    /// # Errors
    /// The server's.
    pub async fn settle(&mut self, limit: u32, swept: &mut Swept) -> Result<u32, Fail> {
        if self.head.due > self.now {
            return Ok(0);
        }
        let most = i64::from(limit.max(1));
        let find = Find::by_time(timed()).with("t", doc! { "$lte": self.now }).limit(most);
        let due = self.find(find.only(&["s", "x", "n", "t"])).await?;
        let mut settled = due.len() as u32;
        let mut sorted = Due::default();
        for document in &due {
            self.settle_one(document, &mut sorted, swept)?;
        }
        self.carry_out(sorted.moves).await?;
        self.part(sorted.parting, swept).await?;
        if settled < limit {
            settled += self.recheck(limit - settled).await?;
        }
        self.head.due = if settled < limit { self.first_due().await? } else { self.now };
        Ok(settled)
    }

    fn settle_one(&mut self, document: &Document, due: &mut Due, swept: &mut Swept) -> Result<()> {
        let name = name(document)?.to_owned();
        let Ok(of) = state(document) else {
            // A claim whose time is over.
            self.head.emptied -= i64::from(is(document, EMPTIED));
            self.kept.insert(name.clone(), None);
            self.deletes.push(name);
            return Ok(());
        };
        let worn = of.0 == Lane::Main && self.head.is_worn(number(document, "n")?);
        let ended = number(document, "x")? <= self.now;
        if ended && worn {
            due.parting.push(name);
            return Ok(());
        }
        if ended {
            swept.expired += 1;
            self.head.counts[of] -= 1;
            self.deletes.push(name);
            return Ok(());
        }
        swept.freed += u64::from(of.1 == State::Claimed);
        let to = if worn { State::Exhausted } else { State::Ready };
        due.moves.entry((of, to)).or_default().push(name);
        Ok(())
    }

    async fn carry_out(&mut self, moves: Moves) -> Result<(), Fail> {
        for ((from, to), names) in moves {
            let count = names.len();
            self.change(names, doc! { "s": code(from.0, to), "t": "$x" }).await?;
            self.moved(count, from, (from.0, to));
            if from.0 == Lane::Main {
                // Who remembers a run of its own messages must look again: others' may be back in it.
                self.head.came_back += 1;
            }
        }
        Ok(())
    }

    /// Holds messages against the rule as it is now, at most so many; how many it looked at.
    async fn recheck(&mut self, limit: u32) -> Result<u32, Fail> {
        let Some(from) = self.head.recheck else { return Ok(0) };
        let free = [State::Ready, State::Delayed, State::Exhausted].map(|state| code(Lane::Main, state));
        let find = Find::by_place(free.to_vec(), from).limit(limit.into());
        let found = self.find(find.only(&["s", "n", "p"])).await?;
        let mut moves = Moves::new();
        for document in &found {
            let (of, worn) = (state(document)?, self.head.is_worn(number(document, "n")?));
            let to = match of.1 {
                State::Exhausted if !worn => State::Ready,
                State::Ready | State::Delayed if worn => State::Exhausted,
                _ => continue,
            };
            moves.entry((of, to)).or_default().push(name(document)?.to_owned());
        }
        self.carry_out(moves).await?;
        let more = found.len() == limit as usize;
        let last = found.last().map(|last| number(last, "p")).transpose()?;
        self.head.recheck = if more { last } else { None };
        Ok(found.len() as u32)
    }

    /// When something falls due next.
    ///
    /// # Errors
    /// The server's.
    pub async fn first_due(&mut self) -> Result<i64, Fail> {
        let first = self.find(Find::by_time(timed()).limit(1).only(&["t"])).await?;
        let mut at = first.first().map(|first| number(first, "t")).transpose()?.unwrap_or(NEVER);
        let head = &self.head;
        if head.header.dead_letter.is_some() && head.counts[(Lane::Main, State::Exhausted)] > 0 {
            at = at.min(head.again.max(self.now));
        }
        Ok(at)
    }
}
