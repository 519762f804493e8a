//! A whole queue, page by page, and taking such pages in.

use std::collections::BTreeSet;

use sukkal_plugin_sdk::{
    Bytes, Claim, ClaimId, Cursor, Error, Export, Lane, Message, Place, Result,
};

use crate::entries::size;
use crate::error;
use crate::queue::Kept;
use crate::visit::Visit;

/// Messages of one page.
const PAGE: usize = 500;

impl Visit<'_> {
    /// One page of the queue.
    ///
    /// # Errors
    /// `Invalid`: a cursor that this pool has not given.
    pub fn export(&self, from: &Cursor) -> Result<Export> {
        let (first_lane, first_place) = position(from)?;
        let lanes = Lane::ALL
            .into_iter()
            .filter(|lane| lane.code() >= first_lane.code());
        let mut rest = lanes.flat_map(|lane| {
            let from = if lane == first_lane {
                first_place
            } else {
                Place(0)
            };
            self.queue.lane(lane).from(from)
        });
        let messages: Vec<Message> = rest.by_ref().take(PAGE).cloned().collect();
        let next = rest
            .next()
            .map(|message| cursor(message.lane, message.place));
        let ids: BTreeSet<ClaimId> = messages
            .iter()
            .filter_map(|message| message.claim)
            .collect();
        let claims = ids.into_iter().filter_map(|id| self.claim_get(id));
        let claims = claims
            .map(|claim| Claim {
                messages: Vec::new(),
                ..claim
            })
            .collect();
        Ok(Export {
            messages,
            claims,
            next_place: Place(self.queue.next_place),
            next,
            ..Export::default()
        })
    }

    /// Takes in one page. What is there already stays as it is.
    ///
    /// # Errors
    /// `Invalid`: a place that this pool cannot give. `Full`: nothing is taken in.
    pub fn import(&mut self, page: Export) -> Result<()> {
        let after_last = page
            .messages
            .iter()
            .map(|message| message.place.0.saturating_add(1))
            .max();
        let next_place = self
            .queue
            .next_place
            .max(page.next_place.0)
            .max(after_last.unwrap_or(0));
        if next_place == u64::MAX {
            return Err(Error::invalid(
                "the page holds a place that this pool cannot give",
            ));
        }
        let new = |message: &Message| self.queue.lane(message.lane).get(message.place).is_none();
        let messages: Vec<Message> = page.messages.into_iter().filter(new).collect();
        if messages.iter().map(size).sum::<u64>() > self.room {
            return Err(error::full());
        }
        for claim in page.claims {
            self.import_claim(claim, &messages);
        }
        for message in messages {
            let body = Bytes::copy_from_slice(&message.body);
            self.queue
                .lane_mut(message.lane)
                .put(Message { body, ..message }, self.now);
        }
        self.queue.next_place = next_place;
        Ok(())
    }

    fn import_claim(&mut self, claim: Claim, messages: &[Message]) {
        let held = messages
            .iter()
            .filter(|message| message.claim == Some(claim.id));
        let (mut ends, mut kept) = self.queue.claims.remove(&claim.id).unwrap_or_else(|| {
            let kept = Kept {
                renewed: claim.renewed,
                ttl: claim.ttl,
                places: Vec::new(),
                extensions: claim.extensions,
            };
            (claim.renewed.after(claim.ttl), kept)
        });
        for message in held {
            ends = ends.max(message.claimed_until);
            kept.places.push(message.place);
        }
        self.queue.claims.insert(claim.id, ends, kept);
    }
}

/// Lane and place of the next message.
fn cursor(lane: Lane, place: Place) -> Cursor {
    let mut cursor = lane.code().to_be_bytes().to_vec();
    cursor.extend(place.0.to_be_bytes());
    cursor.into()
}

fn position(cursor: &Cursor) -> Result<(Lane, Place)> {
    if cursor.is_empty() {
        return Ok((Lane::Main, Place(0)));
    }
    let [l0, l1, l2, l3, place @ ..] = &**cursor else {
        return Err(unknown_cursor());
    };
    let place = place.try_into().map_err(|_| unknown_cursor())?;
    Ok((
        Lane::from_code(u32::from_be_bytes([*l0, *l1, *l2, *l3])),
        Place(u64::from_be_bytes(place)),
    ))
}

fn unknown_cursor() -> Error {
    Error::invalid("the cursor is not one of this pool's")
}
