//! Storing messages.

use sukkal_plugin_sdk::{Error, ErrorKind, Lane, NewMessage, Place, Post, Posted, Result, Swept};

use super::entry::{Entry, State, size};
use super::key;
use super::queue::Visit;
use super::settle::STEP;
use crate::own;

/// What of a post needs no lock: its contents get memory of their own.
pub fn prepare(mut post: Post) -> Post {
    for message in &mut post.messages {
        message.body = own::bytes(&message.body);
        message.extensions = own::extensions(&message.extensions);
    }
    post
}

impl Visit<'_> {
    /// Stores a batch that is prepared, all or nothing; with it goes what it settles.
    ///
    /// # Errors
    /// `Full`, `Conflict`, `Stale`: nothing is stored.
    pub fn post(&mut self, mut post: Post) -> Result<Posted> {
        self.check_fences(&post)?;
        if let Some(key) = &post.key
            && let Some(posted) = self.posted(key)?
        {
            return Ok(posted);
        }
        let count = post.messages.len() as u64;
        let first = self.contents.next_place;
        // The last number of all is no place: nothing could sort after it.
        let next = first.checked_add(count).filter(|next| *next < u64::MAX).ok_or_else(no_more_places)?;
        self.settle_replaced(&mut post)?;
        if post.outbox && post.lane != Lane::Outbox {
            self.store(Lane::Outbox, &post.client, post.messages.clone());
        }
        self.store(post.lane, &post.client, post.messages);
        self.contents.next_place = next;
        if let Some(key) = post.key {
            let replaced = self.contents.keys.keep(key, first, count, self.now);
            self.pool.room.give_back(replaced, 0);
        }
        Ok(Posted { places: (first..next).map(Place).collect(), repeated: false, ..Posted::default() })
    }

    fn check_fences(&self, post: &Post) -> Result<()> {
        if post.settles.is_empty() && (post.fence.is_none() || post.lane == Lane::Main) {
            return Ok(());
        }
        for lane in Lane::ALL {
            let settles = post.settles.iter().any(|(settled, _)| *settled == lane);
            if settles || (post.settles.is_empty() && post.lane == lane) {
                self.check_fence(lane, post.fence)?;
            }
        }
        Ok(())
    }

    /// Takes the room that a post needs beyond what it replaces, then removes what it replaces.
    fn settle_replaced(&mut self, post: &mut Post) -> Result<()> {
        post.settles.sort_unstable_by_key(|(lane, place)| (lane.code(), *place));
        post.settles.dedup();
        let copies = if post.outbox && post.lane != Lane::Outbox { 2 } else { 1 };
        let entry = |message: &NewMessage| size(&message.body, &post.client, &message.extensions, None);
        let bytes = post.messages.iter().map(entry).sum::<u64>() * copies + post.key.as_ref().map_or(0, key::size);
        let items = post.messages.len() as u64 * copies;
        let there = post.settles.iter().filter_map(|(lane, place)| self.contents.lane(*lane).get(*place));
        let (freed_bytes, freed_items) = there.fold((0, 0), |freed, entry| (freed.0 + entry.bytes, freed.1 + 1));
        let more = (bytes.saturating_sub(freed_bytes), items.saturating_sub(freed_items));
        if self.pool.room.reserve(more.0, more.1).is_err() {
            self.make_room(post, more)?;
        }
        for (lane, place) in post.settles.drain(..) {
            // Not given back: it is part of what the post takes.
            self.contents.lane_mut(lane).remove(place);
        }
        self.pool.room.give_back(freed_bytes.saturating_sub(bytes), freed_items.saturating_sub(items));
        Ok(())
    }

    /// Tries again once what has expired is removed, which takes room that is nobody's.
    fn make_room(&mut self, post: &Post, more: (u64, u64)) -> Result<()> {
        if post.settles.is_empty() {
            self.settle(STEP, &mut Swept::default());
        }
        self.pool.room.reserve(more.0, more.1)
    }

    fn store(&mut self, lane: Lane, client: &str, messages: Vec<NewMessage>) {
        if messages.is_empty() {
            return;
        }
        let (first, now) = (self.contents.next_place, self.now);
        let entries = self.contents.lane_mut(lane);
        let number = entries.clients.hold(client, messages.len() as u64);
        let mut ready = false;
        for (place, message) in (first..).map(Place).zip(messages) {
            let bytes = size(&message.body, client, &message.extensions, None);
            let entry = Box::new(Entry::new(message, number, bytes, now));
            ready |= entry.state == State::Ready;
            entries.insert(place, entry);
        }
        self.stirred |= ready;
    }
}

fn no_more_places() -> Error {
    Error::new(ErrorKind::Full, "the queue has given out all of its places; delete it and make it anew")
}
