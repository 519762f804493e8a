//! Storing messages, and remembering under which key.

use std::ops::Range;

use sukkal_plugin_sdk::store::refusal;
use sukkal_plugin_sdk::{
    Bytes, Error, ErrorKind, Extensions, Key, Lane, Message, NewMessage, Place, Post, Posted,
    Result, Timestamp,
};

use crate::entries::size;
use crate::error;
use crate::queue::{OVERHEAD, Used};
use crate::visit::Visit;

impl Visit<'_> {
    /// Stores a batch, all or nothing; with it go the lane entries that it settles.
    ///
    /// # Errors
    /// `Full`, `Conflict`, `Stale`: nothing is stored.
    pub fn post(&mut self, post: Post) -> Result<Posted> {
        for (lane, _) in &post.settles {
            self.check_fence(*lane, post.fence)?;
        }
        if let Some(key) = &post.key
            && let Some(posted) = self.posted(key)?
        {
            return Ok(posted);
        }
        let places = self.next_places(post.messages.len())?;
        let messages = (places.clone()).zip(post.messages).map(|(place, new)| {
            let place = Place(place);
            message(place, post.lane, new, &post.client, self.now)
        });
        let mut messages: Vec<Message> = messages.collect();
        if post.outbox && post.lane == Lane::Main {
            let copies: Vec<_> = messages
                .iter()
                .map(|message| Message {
                    lane: Lane::Outbox,
                    ..message.clone()
                })
                .collect();
            messages.extend(copies);
        }
        let keys = post.key.iter().len() as u64 * OVERHEAD;
        if messages.iter().map(size).sum::<u64>() + keys > self.room {
            return Err(error::full());
        }
        // From here on nothing fails: all of it happens.
        for (lane, place) in post.settles {
            self.queue.lane_mut(lane).take(place);
        }
        for message in messages {
            self.queue.lane_mut(message.lane).put(message, self.now);
        }
        self.queue.next_place = places.end;
        if let Some(key) = post.key {
            let used = Used {
                fingerprint: Bytes::copy_from_slice(&key.fingerprint),
                places: places.clone(),
            };
            let ends = self.now.after(key.window);
            self.queue.keys.insert(name(&key), ends, used);
        }
        Ok(Posted {
            places: places.map(Place).collect(),
            ..Posted::default()
        })
    }

    /// What a post under this key stored, if its window still runs.
    ///
    /// # Errors
    /// `Conflict`: it was another post.
    pub fn posted(&self, key: &Key) -> Result<Option<Posted>> {
        match self.queue.keys.get(&name(key)) {
            None => Ok(None),
            Some(used) if used.fingerprint != key.fingerprint => Err(refusal::other_fingerprint()),
            Some(used) => {
                let places = used.places.clone().map(Place).collect();
                Ok(Some(Posted {
                    places,
                    repeated: true,
                    ..Posted::default()
                }))
            }
        }
    }

    fn next_places(&self, count: usize) -> Result<Range<u64>> {
        let first = self.queue.next_place;
        // The last number of all is no place: nothing could sort after it.
        let end = first
            .checked_add(count as u64)
            .filter(|end| *end < u64::MAX);
        let end = end.ok_or_else(|| {
            Error::new(ErrorKind::Full, "the queue has given out all of its places")
        })?;
        Ok(first..end)
    }
}

/// Scope and key, as they are kept.
fn name(key: &Key) -> (String, Bytes) {
    (key.scope.clone(), Bytes::copy_from_slice(&key.key))
}

/// What a call brings are slices of a whole request, which must not stay in memory for them.
fn message(place: Place, lane: Lane, new: NewMessage, client: &str, now: Timestamp) -> Message {
    Message {
        place,
        lane,
        body: Bytes::copy_from_slice(&new.body),
        client: client.to_owned(),
        posted: now,
        ttl: new.ttl,
        expires: now.after(new.ttl),
        due: now.after(new.delay),
        claim: None,
        claimed_until: now,
        claims: 0,
        origin: None,
        extensions: Extensions::from_bytes(&new.extensions.to_bytes()),
    }
}
