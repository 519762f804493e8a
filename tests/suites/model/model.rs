//! The model: a list of messages, looked through each time.

use std::collections::HashMap;

use proptest::prop_assert_eq;
use proptest::test_runner::TestCaseError;
use sukkal_plugin_sdk::{ClaimId, Message, Place, Timestamp};

use crate::queue::{GRACE, Pool};

/// A message that is alive.
pub struct Known {
    pub place: Place,
    pub expires: Timestamp,
    pub due: Timestamp,
    pub held: Option<(ClaimId, Timestamp)>,
    pub claims: u32,
}

#[derive(Default)]
pub struct Model {
    pub messages: Vec<Known>,
    /// Claims and when they end.
    pub claims: HashMap<ClaimId, Timestamp>,
}

impl Model {
    /// Time passes until an instant.
    pub fn pass(&mut self, now: Timestamp) {
        self.messages.retain(|message| message.expires > now);
        self.claims.retain(|_, ends| *ends > now);
        for message in &mut self.messages {
            message.held = message.held.filter(|held| held.1 > now);
        }
    }

    /// What can be claimed.
    pub fn free(&self, now: Timestamp) -> Vec<Place> {
        let free = self.messages.iter().filter(|message| message.held.is_none() && message.due <= now);
        free.map(|message| message.place).collect()
    }

    /// What a claim holds.
    pub fn held(&self, claim: ClaimId) -> Vec<Place> {
        let held = self.messages.iter().filter(|message| message.held.is_some_and(|held| held.0 == claim));
        held.map(|message| message.place).collect()
    }

    /// When the next hidden message falls due; of those alone that are still alive then, or of all.
    pub fn next_due(&self, alive: bool) -> Option<Timestamp> {
        let dates =
            self.messages.iter().map(|message| (message.held.map_or(message.due, |held| held.1), message.expires));
        dates.filter(|(due, expires)| !alive || due < expires).map(|(due, _)| due).min()
    }

    pub fn of(&mut self, place: Place) -> &mut Known {
        self.messages.iter_mut().find(|message| message.place == place).expect("a store gives what is there")
    }

    /// A claim takes messages until an instant; what would end before that by a second or more lives
    /// on for grace.
    pub fn hold(&mut self, places: &[Place], claim: ClaimId, until: Timestamp) {
        self.claims.insert(claim, until);
        for place in places {
            let message = self.of(*place);
            message.held = Some((claim, until));
            match until.0 - message.expires.0 {
                ..=0 => {}
                1..1000 => message.expires = until,
                _ => message.expires = until.after(GRACE),
            }
        }
    }

    /// What readers see is what the model has.
    pub fn compare(&mut self, pool: &Pool) -> Result<(), TestCaseError> {
        let listed = pool.list(false, false);
        self.pass(listed.now);
        prop_assert_eq!(places(&listed.messages), self.free(listed.now), "the listing");
        let all = pool.list(true, true);
        self.pass(all.now);
        let known: Vec<_> = self.messages.iter().map(|message| message.place).collect();
        prop_assert_eq!(places(&all.messages), known, "the listing of everything");
        let stats = pool.stats();
        self.pass(stats.now);
        let held = self.messages.iter().filter(|message| message.held.is_some()).count();
        let free = self.messages.len() - held;
        prop_assert_eq!((stats.claimed, stats.free), (held as u64, free as u64), "claimed and free");
        prop_assert_eq!(stats.oldest.map(|spot| spot.place), self.messages.first().map(|message| message.place));
        prop_assert_eq!(stats.newest.map(|spot| spot.place), self.messages.last().map(|message| message.place));
        Ok(())
    }
}

pub fn places(messages: &[Message]) -> Vec<Place> {
    messages.iter().map(|message| message.place).collect()
}
