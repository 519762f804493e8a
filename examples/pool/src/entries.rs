//! The messages of one lane, and the indexes that make each operation on them cheap.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use sukkal_plugin_sdk::{Message, Place, Swept, Timestamp};

use crate::index::Index;

/// Bytes that a message takes beside what it holds: an estimate of its fields and indexes.
const OVERHEAD: usize = 512;

/// What a message is, once everything that has fallen due is settled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Available.
    Ready,
    /// Hidden by a delay.
    Delayed,
    /// Held by a claim.
    Claimed,
    /// Has used up its claims, and waits for its dead letter queue.
    Exhausted,
}

/// The messages of one lane. They are changed here alone, so that the indexes always fit.
#[derive(Default)]
pub struct Entries {
    by_place: BTreeMap<Place, (State, Message)>,
    by_state: [Index; 4],
    /// When each ends.
    ends: BTreeSet<(Timestamp, Place)>,
    /// When the delays and claims of those end that are delayed or claimed.
    wakes: BTreeSet<(Timestamp, Place)>,
    /// Those that were claimed before and are free: a new bound on claims may concern them.
    used: BTreeSet<Place>,
    /// Those that had used up their claims when their end came: they are here no more, and on their
    /// way to the dead letter queue.
    parting: Vec<Message>,
    max_claims: Option<u32>,
    bytes: u64,
}

impl Entries {
    /// Puts a message there.
    pub fn put(&mut self, message: Message, now: Timestamp) {
        let (place, state) = (message.place, self.state_of(&message, now));
        self.by_state[state as usize].insert(place, &message.client);
        self.ends.insert((message.expires, place));
        if let Some(until) = wakes(state, &message) {
            self.wakes.insert((until, place));
        }
        if message.claims > 0 && state != State::Claimed {
            self.used.insert(place);
        }
        self.bytes += size(&message);
        self.by_place.insert(place, (state, message));
    }

    /// Takes a message out.
    pub fn take(&mut self, place: Place) -> Option<Message> {
        let (state, message) = self.by_place.remove(&place)?;
        self.by_state[state as usize].remove(place, &message.client);
        self.ends.remove(&(message.expires, place));
        if let Some(until) = wakes(state, &message) {
            self.wakes.remove(&(until, place));
        }
        self.used.remove(&place);
        self.bytes -= size(&message);
        Some(message)
    }

    /// Changes a message, and gives it as it is then.
    pub fn change(
        &mut self,
        place: Place,
        now: Timestamp,
        change: impl FnOnce(&mut Message),
    ) -> Option<Message> {
        let mut message = self.take(place)?;
        change(&mut message);
        self.put(message.clone(), now);
        Some(message)
    }

    /// Sets how often a message may be claimed, also those that are there.
    pub fn set_max_claims(&mut self, max_claims: Option<u32>, now: Timestamp) {
        if self.max_claims != max_claims {
            self.max_claims = max_claims;
            for place in self.used.clone() {
                self.change(place, now, |_| ());
            }
        }
    }

    /// Settles what has fallen due, at most so many messages; how many it was.
    pub fn settle(&mut self, now: Timestamp, limit: usize, swept: &mut Swept) -> usize {
        let mut done = 0;
        while done < limit
            && let Some(place) = first_due(&self.ends, now)
        {
            let ended = self.take(place);
            let (worn, others): (Vec<_>, Vec<_>) =
                ended.into_iter().partition(|message| self.is_worn(message));
            self.parting.extend(worn);
            swept.expired += others.len() as u64;
            done += 1;
        }
        while done < limit
            && let Some(place) = first_due(&self.wakes, now)
        {
            let mut freed = false;
            self.change(place, now, |message| freed = message.claim.take().is_some());
            swept.freed += u64::from(freed);
            done += 1;
        }
        done
    }

    /// Gives up those that are on their way to the dead letter queue.
    pub fn take_parting(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.parting)
    }

    /// When the next thing falls due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.ends
            .first()
            .into_iter()
            .chain(self.next_wake_entry())
            .map(|(at, _)| *at)
            .min()
    }

    /// When the next message becomes available by itself.
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.next_wake_entry().map(|(at, _)| *at)
    }

    fn next_wake_entry(&self) -> Option<&(Timestamp, Place)> {
        self.wakes.first()
    }

    /// A message.
    pub fn get(&self, place: Place) -> Option<&Message> {
        self.by_place.get(&place).map(|(_, message)| message)
    }

    /// The places of some states from one on, in order. What is in other states costs nothing, and
    /// what is a client's own, which the caller leaves out, next to nothing.
    pub fn places(
        &self,
        states: &[State],
        from: Place,
        without: Option<&str>,
    ) -> impl Iterator<Item = Place> + use<'_> {
        let indexes = states.iter().map(|state| &self.by_state[*state as usize]);
        let mut ranges: Vec<_> = indexes
            .flat_map(|index| index.ranges(from, without))
            .collect();
        let firsts = ranges.iter_mut().enumerate();
        let firsts = firsts.filter_map(|(at, range)| Some(Reverse((*range.next()?, at))));
        let mut next: BinaryHeap<_> = firsts.collect();
        std::iter::from_fn(move || {
            let Reverse((place, at)) = next.pop()?;
            next.extend(
                ranges
                    .get_mut(at)?
                    .next()
                    .map(|place| Reverse((*place, at))),
            );
            Some(place)
        })
    }

    /// All messages from a place on, in order.
    pub fn from(&self, place: Place) -> impl Iterator<Item = &Message> {
        self.by_place
            .range(place..)
            .map(|(_, (_, message))| message)
    }

    /// The first message.
    pub fn first(&self) -> Option<&Message> {
        self.by_place
            .first_key_value()
            .map(|(_, (_, message))| message)
    }

    /// The last message.
    pub fn last(&self) -> Option<&Message> {
        self.by_place
            .last_key_value()
            .map(|(_, (_, message))| message)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_place.len()
    }

    /// How many there are of a state.
    pub fn count(&self, state: State) -> usize {
        self.by_state[state as usize].len()
    }

    /// Bytes that they take.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    fn is_worn(&self, message: &Message) -> bool {
        self.max_claims
            .is_some_and(|max_claims| message.claims >= max_claims)
    }

    fn state_of(&self, message: &Message, now: Timestamp) -> State {
        if message.claim.is_some() {
            State::Claimed
        } else if self.is_worn(message) {
            State::Exhausted
        } else if message.due > now {
            State::Delayed
        } else {
            State::Ready
        }
    }
}

/// Until when a message is not available, if that ends by itself.
fn wakes(state: State, message: &Message) -> Option<Timestamp> {
    match state {
        State::Delayed => Some(message.due),
        State::Claimed => Some(message.claimed_until),
        State::Ready | State::Exhausted => None,
    }
}

fn first_due(dates: &BTreeSet<(Timestamp, Place)>, now: Timestamp) -> Option<Place> {
    dates
        .first()
        .filter(|(at, _)| *at <= now)
        .map(|(_, place)| *place)
}

/// Bytes that a message takes.
pub fn size(message: &Message) -> u64 {
    let extensions: usize = message
        .extensions
        .iter()
        .map(|(_, value)| value.len())
        .sum();
    (OVERHEAD + message.body.len() + message.client.len() + extensions) as u64
}
