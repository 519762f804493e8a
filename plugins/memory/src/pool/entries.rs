//! The messages of one lane, by place, and its indexes.

use std::collections::{BTreeMap, BTreeSet};

use sukkal_plugin_sdk::{Lane, Message, Place, Timestamp};

use super::clients::{Client, Clients};
use super::entry::{Entry, Mark, State};
use super::places::Places;

/// The messages of one lane. Every change goes through here, so that the indexes always fit.
#[derive(Default)]
pub struct Entries {
    by_place: BTreeMap<Place, Box<Entry>>,
    by_state: [Places; State::ALL.len()],
    expiries: BTreeSet<(Timestamp, Place)>,
    /// Delayed and claimed ones, by when that ends.
    wakes: BTreeSet<(Timestamp, Place)>,
    /// See [`Mark::used`].
    used: BTreeSet<Place>,
    /// The clients that they are from.
    pub clients: Clients,
}

impl Entries {
    /// Adds a message whose client is held for it; there must be none at its place.
    pub fn insert(&mut self, place: Place, entry: Box<Entry>) {
        self.index(place, entry.client, entry.mark());
        self.by_place.insert(place, entry);
    }

    /// Removes a message.
    pub fn remove(&mut self, place: Place) -> Option<Box<Entry>> {
        let entry = self.by_place.remove(&place)?;
        self.unindex(place, entry.client, entry.mark());
        self.clients.release(entry.client);
        Some(entry)
    }

    /// Changes a message.
    pub fn change(&mut self, place: Place, change: impl FnOnce(&mut Entry)) {
        let Some(entry) = self.by_place.get_mut(&place) else { return };
        let before = entry.mark();
        change(entry);
        let (client, after) = (entry.client, entry.mark());
        if before != after {
            self.reindex(place, client, before, after);
        }
    }

    /// Reads a message.
    pub fn get(&self, place: Place) -> Option<&Entry> {
        self.by_place.get(&place).map(|entry| &**entry)
    }

    /// A message as readers see it.
    pub fn message(&self, lane: Lane, place: Place) -> Option<Message> {
        let entry = self.get(place)?;
        Some(entry.message(place, lane, self.clients.name(entry.client)))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_place.len()
    }

    /// From a place on, in order.
    pub fn from(&self, place: Place) -> impl Iterator<Item = Place> {
        self.by_place.range(place..).map(|(place, _)| *place)
    }

    /// The first message.
    pub fn first(&self) -> Option<(Place, &Entry)> {
        self.by_place.first_key_value().map(|(place, entry)| (*place, &**entry))
    }

    /// The last message.
    pub fn last(&self) -> Option<(Place, &Entry)> {
        self.by_place.last_key_value().map(|(place, entry)| (*place, &**entry))
    }

    /// Those of one state.
    pub fn in_state(&self, state: State) -> &Places {
        &self.by_state[state as usize]
    }

    /// Those of some states in the order of their places, from one on. Runs of what is one
    /// client's alone are passed over as far as they are seen cheaply.
    pub fn merged(&self, states: &[State], from: Place, without: Option<Client>) -> Merged<'_> {
        let head = |state: &State| {
            let places = self.in_state(*state);
            (places, places.next(from, without))
        };
        Merged { heads: states.iter().map(head).collect(), without }
    }

    /// The next message to expire, and when.
    pub fn first_expiry(&self) -> Option<(Timestamp, Place)> {
        self.expiries.first().copied()
    }

    /// The next message whose delay or claim ends, and when.
    pub fn first_wake(&self) -> Option<(Timestamp, Place)> {
        self.wakes.first().copied()
    }

    /// Those that are not held and have been claimed before, from a place on.
    pub fn used_from(&self, place: Place) -> impl Iterator<Item = Place> {
        self.used.range(place..).copied()
    }

    fn index(&mut self, place: Place, client: Client, mark: Mark) {
        self.by_state[mark.state as usize].insert(place, client);
        self.expiries.insert((mark.expires, place));
        if let Some(wakes) = mark.wakes {
            self.wakes.insert((wakes, place));
        }
        if mark.used {
            self.used.insert(place);
        }
    }

    fn unindex(&mut self, place: Place, client: Client, mark: Mark) {
        self.by_state[mark.state as usize].remove(place, client);
        self.expiries.remove(&(mark.expires, place));
        if let Some(wakes) = mark.wakes {
            self.wakes.remove(&(wakes, place));
        }
        if mark.used {
            self.used.remove(&place);
        }
    }

    /// Only what differs: a claim changes no expiry, as a rule.
    fn reindex(&mut self, place: Place, client: Client, before: Mark, after: Mark) {
        if before.state != after.state {
            self.by_state[before.state as usize].remove(place, client);
            self.by_state[after.state as usize].insert(place, client);
        }
        if before.expires != after.expires {
            self.expiries.remove(&(before.expires, place));
            self.expiries.insert((after.expires, place));
        }
        if before.wakes != after.wakes {
            before.wakes.map(|wakes| self.wakes.remove(&(wakes, place)));
            after.wakes.map(|wakes| self.wakes.insert((wakes, place)));
        }
        match (before.used, after.used) {
            (true, false) => self.used.remove(&place),
            (false, true) => self.used.insert(place),
            (true, true) | (false, false) => false,
        };
    }
}

#[cfg(test)]
impl Entries {
    /// Holds every index against the messages.
    pub fn check(&self) {
        let mut made = Entries::default();
        for (place, entry) in &self.by_place {
            made.index(*place, entry.client, entry.mark());
        }
        assert_eq!((&self.expiries, &self.wakes, &self.used), (&made.expiries, &made.wakes, &made.used));
        for state in State::ALL {
            let all = |entries: &Entries| entries.merged(&[state], Place(0), None).collect::<Vec<_>>();
            assert_eq!(all(self), all(&made), "{state:?}");
            assert_eq!(self.in_state(state).len(), made.in_state(state).len());
        }
    }
}

/// See [`Entries::merged`].
pub struct Merged<'e> {
    heads: Vec<(&'e Places, Option<Place>)>,
    without: Option<Client>,
}

impl Iterator for Merged<'_> {
    type Item = Place;

    fn next(&mut self) -> Option<Place> {
        let head = self.heads.iter_mut().filter(|head| head.1.is_some()).min_by_key(|head| head.1)?;
        let place = head.1.take()?;
        head.1 = place.0.checked_add(1).and_then(|next| head.0.next(Place(next), self.without));
        Some(place)
    }
}
