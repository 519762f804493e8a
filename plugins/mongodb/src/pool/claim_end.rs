//! How claims go on, and how they end.

use mongodb::bson::{Bson, Document, doc};
use sukkal_plugin_sdk::{ClaimId, Lane, Place, Release, Renewal, Result, millis};

use super::find::Find;
use super::id;
use super::message::{claim, name, number, state};
use super::state::{CLAIM, EMPTIED, State, code, is};
use super::visit::Visit;
use crate::error::Fail;

/// How many claims a queue keeps that hold nothing any more. Others end early, or clients that are done
/// with everything would fill the store with claims of a long ttl.
const EMPTIES: i64 = 1_000;

/// The names of messages that a claim was given, all or some.
///
/// # Errors
/// It is none that this plugin wrote.
pub fn held_names(queue: sukkal_plugin_sdk::QueueId, known: &Document, some: Option<&[Place]>) -> Vec<String> {
    let places = known.get_array("places").map(Vec::as_slice).unwrap_or_default();
    let places = places.iter().filter_map(Bson::as_i64).map(|place| Place(place.cast_unsigned()));
    let wanted = places.filter(|place| some.is_none_or(|some| some.contains(place)));
    wanted.map(|place| id::message(queue, Lane::Main, place)).collect()
}

/// Whether a live claim holds a message.
pub fn is_held(document: &Document, by: ClaimId, now: i64) -> bool {
    let later = |key| document.get_i64(key).is_ok_and(|instant| instant > now);
    let claimed = state(document).is_ok_and(|state| state == (Lane::Main, State::Claimed));
    claimed && claim(document) == Some(by) && later("w") && later("x")
}

impl Visit<'_> {
    /// A claim, if it lives.
    ///
    /// # Errors
    /// The server's.
    pub async fn live_claim(&mut self, claim: ClaimId) -> Result<Option<Document>, Fail> {
        let known = self.kept(id::claim(self.id(), claim)).await?;
        let now = self.now;
        Ok(known.filter(|known| known.get_i64("t").is_ok_and(|ends| ends > now)))
    }

    /// What a claim holds, all or some of it, in queue order; without bodies unless they are asked for.
    ///
    /// # Errors
    /// The server's.
    pub async fn held(
        &mut self,
        known: &Document,
        by: ClaimId,
        some: Option<&[Place]>,
        whole: bool,
    ) -> Result<Vec<Document>, Fail> {
        let find = Find::named(held_names(self.id(), known, some));
        let find = if whole { find } else { find.only(&["s", "k", "w", "x", "n", "t"]) };
        let mut found = self.find(find).await?;
        found.retain(|document| is_held(document, by, self.now));
        Ok(found)
    }

    /// Renews a live claim, or some of its messages; false without such a claim.
    ///
    /// # Errors
    /// The server's.
    pub async fn renew(&mut self, id: ClaimId, renewal: &Renewal) -> Result<bool, Fail> {
        let Some(mut known) = self.live_claim(id).await? else { return Ok(false) };
        let until = self.at().after(renewal.ttl).0;
        let mut held = self.held(&known, id, renewal.places.as_deref(), false).await?;
        self.hold(&mut held, doc! {}, until, millis(renewal.ttl), millis(renewal.grace)).await?;
        let change = match &renewal.places {
            None => doc! { "t": until, "a": self.now, "y": millis(renewal.ttl) },
            // The claim itself lives on as it did, but not shorter than what it holds.
            Some(_) => doc! { "t": until.max(number(&known, "t")?) },
        };
        let claim = id::claim(self.id(), id);
        self.change(vec![claim.clone()], change.clone()).await?;
        known.extend(change);
        self.kept.insert(claim, Some(known));
        // A ttl can be shorter than what was left.
        self.falls_due(until);
        Ok(true)
    }

    /// Ends a claim, or frees some of its messages; nothing without such a claim.
    ///
    /// # Errors
    /// The server's.
    pub async fn release(&mut self, id: ClaimId, release: &Release) -> Result<(), Fail> {
        let Some(known) = self.live_claim(id).await? else { return Ok(()) };
        let held = self.held(&known, id, release.places.as_deref(), false).await?;
        self.free(&held, release).await?;
        if release.places.is_none() {
            let claim = id::claim(self.id(), id);
            self.flush().await?;
            self.deletes.push(claim.clone());
            self.kept.insert(claim, None);
            self.head.emptied -= i64::from(is(&known, EMPTIED));
        } else {
            self.let_go(id, held.len() as i64).await?;
        }
        Ok(())
    }

    /// Puts released messages into the state that each comes to.
    async fn free(&mut self, held: &[Document], release: &Release) -> Result<(), Fail> {
        let due = self.at().after(release.delay).0;
        let delayed = millis(release.delay) > 0;
        let mut to = [(State::Ready, Vec::new()), (State::Delayed, Vec::new()), (State::Exhausted, Vec::new())];
        for document in held {
            let claims = (number(document, "n")? - i64::from(release.uncounted)).max(0);
            let index = if self.head.is_worn(claims) { 2 } else { usize::from(delayed) };
            to[index].1.push(name(document)?.to_owned());
        }
        for (state, names) in to.into_iter().filter(|(_, names)| !names.is_empty()) {
            let mut change = doc! { "s": code(Lane::Main, state), "t": "$x" };
            if state == State::Delayed {
                change.extend(doc! { "u": due, "t": { "$min": ["$x", due] } });
                self.falls_due(due);
            }
            if release.uncounted {
                change.insert("n", doc! { "$max": [{ "$subtract": ["$n", 1_i64] }, 0_i64] });
            }
            let count = names.len();
            self.change(names, change).await?;
            self.moved(count, (Lane::Main, State::Claimed), (Lane::Main, state));
            self.head.came_back += 1;
            if state == State::Exhausted {
                self.falls_due(self.head.again.max(self.now));
            }
        }
        Ok(())
    }

    /// Notes that a claim holds fewer messages. Of those that hold none only so many are kept.
    ///
    /// # Errors
    /// The server's.
    pub async fn let_go(&mut self, by: ClaimId, count: i64) -> Result<(), Fail> {
        let name = id::claim(self.id(), by);
        let Some(mut known) = self.kept(name.clone()).await? else { return Ok(()) };
        let left = number(&known, "n")? - count;
        let empty = left <= 0 && is(&known, CLAIM);
        let change = if empty {
            doc! { "n": left, "s": EMPTIED }
        } else {
            doc! { "n": left }
        };
        self.change(vec![name.clone()], change.clone()).await?;
        known.extend(change);
        self.kept.insert(name, Some(known));
        self.head.emptied += i64::from(empty);
        if self.head.emptied > EMPTIES {
            let first = self.find(Find::by_time(vec![EMPTIED]).limit(1).only(&["s"])).await?;
            for ended in first {
                let name = super::message::name(&ended)?.to_owned();
                self.head.emptied -= 1;
                self.deletes.push(name.clone());
                self.kept.insert(name, None);
            }
        }
        Ok(())
    }
}
