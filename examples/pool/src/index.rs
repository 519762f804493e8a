//! Places in order, and by client.

use std::collections::btree_set::Range;
use std::collections::{BTreeMap, BTreeSet};

use sukkal_plugin_sdk::Place;

/// The places of some messages.
#[derive(Default)]
pub struct Index {
    all: BTreeSet<Place>,
    by_client: BTreeMap<String, BTreeSet<Place>>,
}

impl Index {
    /// Adds the place of a client's message.
    pub fn insert(&mut self, place: Place, client: &str) {
        self.all.insert(place);
        match self.by_client.get_mut(client) {
            Some(own) => drop(own.insert(place)),
            None => drop(
                self.by_client
                    .insert(client.to_owned(), BTreeSet::from([place])),
            ),
        }
    }

    /// Removes it.
    pub fn remove(&mut self, place: Place, client: &str) {
        self.all.remove(&place);
        if let Some(own) = self.by_client.get_mut(client) {
            own.remove(&place);
            if own.is_empty() {
                self.by_client.remove(client);
            }
        }
    }

    /// Ranges from a place on that hold everything but a client's own, merged in order; some of its
    /// own may be among them. It costs what is less: one range for each other client, or passing
    /// over the own ones one by one.
    pub fn ranges(&self, from: Place, without: Option<&str>) -> Vec<Range<'_, Place>> {
        let own = without
            .and_then(|client| self.by_client.get(client))
            .map_or(0, BTreeSet::len);
        if own <= self.by_client.len() {
            return vec![self.all.range(from..)];
        }
        let others = self
            .by_client
            .iter()
            .filter(|(client, _)| Some(client.as_str()) != without);
        others.map(|(_, places)| places.range(from..)).collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }
}
