//! Storing messages, and the keys that make it safe to repeat.

use std::collections::HashSet;
use std::time::Duration;

use mongodb::bson::{DateTime, Document, doc};
use sukkal_plugin_sdk::store::refusal;
use sukkal_plugin_sdk::{Error, ErrorKind, Key, Lane, Place, Post, Posted, Result, millis};

use super::find::Find;
use super::message::{self, number};
use super::state::{KEY, State};
use super::visit::Visit;
use super::{MAX_BATCH, id};
use crate::error::Fail;
use crate::server::{binary, take_bytes};

/// For how much longer than its window a key is kept: the server's clock and a failover's may differ.
const LONGER: Duration = Duration::from_secs(60);

impl Visit<'_> {
    /// Stores a batch, all or nothing; with it goes what it settles.
    ///
    /// # Errors
    /// `Conflict`, `Stale`, `Full`: nothing is stored.
    pub async fn post(&mut self, post: &Post) -> Result<Posted, Fail> {
        self.check_fences(post)?;
        if let Some(key) = &post.key
            && let Some(known) = self.kept(id::key(self.id(), key)).await?
            && let Some(posted) = posted(known, key, self.now)?
        {
            self.confirms = true;
            return Ok(posted);
        }
        let first = self.head.last + 1;
        let last = self.head.last.checked_add(post.messages.len() as i64).filter(|last| *last < i64::MAX);
        let last = last.ok_or_else(no_more_places)?;
        self.settle_replaced(post).await?;
        self.store(post.lane, post, first);
        if post.outbox && post.lane != Lane::Outbox {
            self.store(Lane::Outbox, post, first);
        }
        self.head.last = last;
        if let Some(key) = &post.key {
            self.keep_key(key, first, post.messages.len()).await?;
        }
        let places = (first..=last).map(|place| Place(place.cast_unsigned())).collect();
        Ok(Posted { places, ..Posted::default() })
    }

    fn check_fences(&self, post: &Post) -> Result<()> {
        for (lane, _) in &post.settles {
            self.head.check_fence(*lane, post.fence)?;
        }
        let fenced = post.settles.is_empty() && post.fence.is_some() && post.lane != Lane::Main;
        if fenced { self.head.check_fence(post.lane, post.fence) } else { Ok(()) }
    }

    async fn settle_replaced(&mut self, post: &Post) -> Result<(), Fail> {
        if post.settles.is_empty() {
            return Ok(());
        }
        let names: HashSet<_> =
            post.settles.iter().map(|(lane, place)| id::message(self.id(), *lane, *place)).collect();
        let there = self.find(Find::named(names.into_iter().collect()).only(&["s"])).await?;
        Ok(self.remove(&there)?)
    }

    fn store(&mut self, lane: Lane, post: &Post, first: i64) {
        let (mut ready, mut due) = (false, self.head.due);
        for (place, new) in (first..).zip(&post.messages) {
            let place = Place(place.cast_unsigned());
            let document = message::of_new(self.id(), lane, place, new, &post.client, self.now);
            let delayed = millis(new.delay) > 0;
            let state = if delayed { State::Delayed } else { State::Ready };
            self.head.counts[(lane, state)] += 1;
            ready |= !delayed;
            due = due.min(document.get_i64("t").unwrap_or(due));
            self.inserts.push(document);
        }
        self.head.due = due;
        if ready {
            self.stir();
        }
    }

    async fn keep_key(&mut self, key: &Key, first: i64, count: usize) -> Result<(), Fail> {
        let name = id::key(self.id(), key);
        let ends = self.at().after(key.window);
        // By the server's clock, which is the one that it removes documents by.
        let gone = ends.after(LONGER).0.saturating_sub(self.shared.server.host().shift());
        let document = doc! {
            "_id": &name,
            "q": self.id().text(),
            "s": KEY,
            "x": ends.0,
            "p": first,
            "n": count as i64,
            "o": binary(key.fingerprint.to_vec()),
            "gone": DateTime::from_millis(gone.min(i64::from(u32::MAX) * 1_000)),
        };
        self.put(name, document).await
    }
}

/// What a post under a key stored, as its document says; none, if its window is over.
///
/// # Errors
/// `Conflict`: it was another post.
pub fn posted(mut known: Document, key: &Key, now: i64) -> Result<Option<Posted>> {
    if number(&known, "x")? <= now {
        return Ok(None);
    }
    if take_bytes(&mut known, "o")? != key.fingerprint {
        return Err(refusal::other_fingerprint());
    }
    let (first, count) = (number(&known, "p")?.cast_unsigned(), number(&known, "n")?.cast_unsigned());
    let places = (first..first.saturating_add(count)).map(Place).collect();
    Ok(Some(Posted { places, repeated: true, ..Posted::default() }))
}

/// Whether this pool takes a post of this size.
///
/// # Errors
/// `TooLarge`.
pub fn check(post: &Post) -> Result<()> {
    if post.messages.len() > MAX_BATCH as usize || post.settles.len() > MAX_BATCH as usize {
        let text = format!("a post has at most {MAX_BATCH} messages in this pool; send several");
        return Err(Error::new(ErrorKind::TooLarge, text));
    }
    Ok(())
}

fn no_more_places() -> Error {
    Error::new(ErrorKind::Full, "the queue has given out all of its places; delete it and make it anew")
}
