//! Claiming and popping. What has fallen due is settled before.

use std::collections::VecDeque;

use mongodb::bson::{Document, doc};
use sukkal_plugin_sdk::{Batch, Claimed, Lane, NewClaim, Result, Timestamp, millis};

use super::find::Find;
use super::id;
use super::message::{messages, name, number, place};
use super::state::{CLAIM, State, code};
use super::visit::Visit;
use crate::error::Fail;
use crate::server::binary;

/// Ready messages that were read ahead of being taken, for all who want some.
#[derive(Default)]
pub struct Ahead {
    documents: VecDeque<Document>,
    /// The place of the last one that was read.
    last: i64,
    /// Whether there are no more.
    ended: bool,
}

/// By how much a message must outlive its claim's end not to be held longer: clients count whole
/// seconds (spec: semantics, Claims).
const A_SECOND: i64 = 1_000;

/// How the end of a message changes that is claimed until an instant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    /// It lives long enough.
    Same,
    /// It lives as long as the claim.
    Stretched,
    /// It outlives the claim by its grace.
    Anew,
}

impl Life {
    fn of(expires: i64, until: i64) -> Life {
        match expires {
            _ if expires.saturating_add(A_SECOND) <= until => Life::Anew,
            _ if expires < until => Life::Stretched,
            _ => Life::Same,
        }
    }
}

impl Visit<'_> {
    /// Claims the oldest available messages.
    ///
    /// # Errors
    /// The server's.
    pub async fn claim(&mut self, new: &NewClaim) -> Result<Claimed, Fail> {
        if let Some(known) = self.live_claim(new.id).await? {
            // Repeated under its id, it is the same claim.
            self.confirms = true;
            let held = self.held(&known, new.id, None, true).await?;
            return Ok(Claimed { batch: self.batch(held)?, ..Claimed::default() });
        }
        let mut taken = self.oldest(new.limit).await?;
        if taken.is_empty() {
            return Ok(Claimed { batch: self.batch(taken)?, next_due: self.next_due().await?, ..Claimed::default() });
        }
        let until = self.at().after(new.ttl).0;
        let fields = doc! {
            "s": code(Lane::Main, State::Claimed),
            "k": new.id.to_string(),
            "n": { "$add": ["$n", i64::from(!new.uncounted)] },
        };
        self.hold(&mut taken, fields, until, millis(new.ttl), millis(new.grace)).await?;
        for document in &mut taken {
            let claims = number(document, "n")? + i64::from(!new.uncounted);
            document.extend(doc! { "s": code(Lane::Main, State::Claimed), "k": new.id.to_string(), "n": claims });
        }
        self.moved(taken.len(), (Lane::Main, State::Ready), (Lane::Main, State::Claimed));
        let places: Vec<_> = taken.iter().map(|document| number(document, "p")).collect::<Result<_>>()?;
        let mut claim = doc! {
            "_id": id::claim(self.id(), new.id),
            "q": self.id().text(),
            "s": CLAIM,
            "t": until,
            "a": self.now,
            "y": millis(new.ttl),
            "n": places.len() as i64,
            "places": places,
        };
        if !new.extensions.is_empty() {
            claim.insert("o", binary(new.extensions.to_bytes()));
        }
        self.put(id::claim(self.id(), new.id), claim).await?;
        self.falls_due(until);
        Ok(Claimed { batch: self.batch(taken)?, ..Claimed::default() })
    }

    /// Takes the oldest available messages out.
    ///
    /// # Errors
    /// The server's.
    pub async fn pop(&mut self, limit: u32) -> Result<Batch, Fail> {
        let taken = self.oldest(limit).await?;
        self.remove(&taken)?;
        Ok(self.batch(taken)?)
    }

    /// Messages that were read together.
    ///
    /// # Errors
    /// One is none that this plugin wrote.
    pub fn batch(&self, documents: Vec<Document>) -> Result<Batch> {
        Ok(Batch { now: self.at(), messages: messages(documents, self.now)?, ..Batch::default() })
    }

    /// Lets a claim hold messages until an instant: sets that, and further fields. The documents change
    /// with what is stored, but for those fields.
    ///
    /// # Errors
    /// The server's.
    pub async fn hold(
        &mut self,
        held: &mut [Document],
        fields: Document,
        until: i64,
        ttl: i64,
        grace: i64,
    ) -> Result<(), Fail> {
        let (anew, life) = (until.saturating_add(grace), ttl.saturating_add(grace));
        let kinds =
            held.iter().map(|document| Ok(Life::of(number(document, "x")?, until))).collect::<Result<Vec<_>>>()?;
        for kind in [Life::Same, Life::Stretched, Life::Anew] {
            // None of them ends before the claim does.
            let mut change = doc! { "w": until, "t": until };
            match kind {
                Life::Same => {}
                Life::Stretched => drop(change.insert("x", until)),
                Life::Anew => change.extend(doc! { "x": anew, "y": life }),
            }
            let mut names = Vec::new();
            for (document, _) in held.iter_mut().zip(&kinds).filter(|(_, its)| **its == kind) {
                names.push(name(document)?.to_owned());
                document.extend(change.clone());
            }
            change.extend(fields.clone());
            self.change(names, change).await?;
        }
        Ok(())
    }

    async fn oldest(&mut self, limit: u32) -> Result<Vec<Document>, Fail> {
        let limit = limit as usize;
        let mut ahead = self.ahead.take().unwrap_or_default();
        if ahead.documents.len() < limit && !ahead.ended {
            let want = self.wanted.max(limit as i64) - ahead.documents.len() as i64;
            let ready = vec![code(Lane::Main, State::Ready)];
            let found = self.find(Find::by_place(ready, ahead.last).limit(want)).await?;
            ahead.ended = (found.len() as i64) < want;
            if let Some(last) = found.last() {
                ahead.last = place(last)?.0.cast_signed();
            }
            ahead.documents.extend(found);
        }
        let taken = ahead.documents.drain(..limit.min(ahead.documents.len())).collect();
        self.wanted -= limit as i64;
        self.ahead = Some(ahead);
        Ok(taken)
    }

    /// When the next message falls due: its delay or its claim ends.
    async fn next_due(&mut self) -> Result<Option<Timestamp>, Fail> {
        let hidden = vec![code(Lane::Main, State::Delayed), code(Lane::Main, State::Claimed)];
        // What expires first never falls due.
        let find = Find::by_time(hidden).with("$expr", doc! { "$lt": ["$t", "$x"] }).limit(1).only(&["t"]);
        let found = self.find(find).await?;
        Ok(found.first().map(|first| number(first, "t")).transpose()?.map(Timestamp))
    }
}
