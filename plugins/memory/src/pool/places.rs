//! A set of places that knows whose messages lie there, so that a reader who leaves out its own
//! steps over long runs of them.
//!
//! Places are dense numbers: neighbours share a chunk, a bit each. A chunk also counts its
//! messages by client; one that holds a single client's alone is passed over in one step.

use std::collections::BTreeMap;

use sukkal_plugin_sdk::Place;

use super::clients::Client;

/// Places of one chunk.
const SPAN: u64 = 512;
const WORDS: usize = (SPAN / 64) as usize;

/// The set.
#[derive(Default)]
pub struct Places {
    /// Boxed, so that a set of few places is small: the map makes room for several at once.
    chunks: BTreeMap<u64, Box<Chunk>>,
    len: u64,
}

#[derive(Default)]
struct Chunk {
    bits: [u64; WORDS],
    /// How many are each client's; no client with none.
    clients: Vec<(Client, u32)>,
}

impl Places {
    /// How many.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// True without any.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a place that is not in it.
    pub fn insert(&mut self, place: Place, client: Client) {
        let chunk = self.chunks.entry(place.0 / SPAN).or_default();
        let (word, bit) = position(place);
        chunk.bits[word] |= bit;
        match chunk.clients.iter_mut().rev().find(|counted| counted.0 == client) {
            Some(counted) => counted.1 += 1,
            None => chunk.clients.push((client, 1)),
        }
        self.len += 1;
    }

    /// Removes a place that is in it.
    pub fn remove(&mut self, place: Place, client: Client) {
        let number = place.0 / SPAN;
        let Some(chunk) = self.chunks.get_mut(&number) else { return };
        let (word, bit) = position(place);
        chunk.bits[word] &= !bit;
        if let Some(index) = chunk.clients.iter().position(|counted| counted.0 == client) {
            chunk.clients[index].1 -= 1;
            if chunk.clients[index].1 == 0 {
                chunk.clients.swap_remove(index);
            }
        }
        if chunk.clients.is_empty() {
            self.chunks.remove(&number);
        }
        self.len -= 1;
    }

    /// The first one.
    pub fn first(&self) -> Option<Place> {
        self.next(Place(0), None)
    }

    /// The first one from a place on, past all chunks that hold nothing but one client's. It may
    /// still be that client's, among others'.
    pub fn next(&self, from: Place, without: Option<Client>) -> Option<Place> {
        let others = |chunk: &Chunk| !matches!((&chunk.clients[..], without), ([only], Some(own)) if only.0 == own);
        let mut chunks = self.chunks.range(from.0 / SPAN..).filter(|(_, chunk)| others(chunk));
        chunks.find_map(|(number, chunk)| {
            let start = number * SPAN;
            chunk.next(from.0.saturating_sub(start)).map(|offset| Place(start + offset))
        })
    }
}

fn position(place: Place) -> (usize, u64) {
    let offset = place.0 % SPAN;
    ((offset / 64) as usize, 1 << (offset % 64))
}

impl Chunk {
    /// The first place from an offset on, as an offset.
    fn next(&self, from: u64) -> Option<u64> {
        let first = (from / 64) as usize;
        (first..WORDS).find_map(|word| {
            let hidden = if word == first { (1 << (from % 64)) - 1 } else { 0 };
            let left = self.bits[word] & !hidden;
            (left != 0).then(|| word as u64 * 64 + u64::from(left.trailing_zeros()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(places: &Places, without: Option<Client>) -> Vec<u64> {
        let mut found = Vec::new();
        let mut from = Place(0);
        while let Some(place) = places.next(from, without) {
            found.push(place.0);
            from = Place(place.0 + 1);
        }
        found
    }

    #[test]
    fn what_is_put_in_is_found_in_order_until_it_is_taken_out() {
        let mut places = Places::default();
        let put: Vec<u64> = [1, 63, 64, 511, 512, 100_000, u64::MAX - 1].into();
        for place in put.iter().rev() {
            places.insert(Place(*place), Client(0));
        }
        assert_eq!(all(&places, None), put);
        for (index, place) in put.iter().enumerate() {
            assert_eq!(places.first(), Some(Place(*place)));
            places.remove(Place(*place), Client(0));
            assert_eq!(places.len(), (put.len() - index - 1) as u64);
        }
        assert!(places.is_empty() && places.chunks.is_empty());
    }

    #[test]
    fn a_run_of_ones_own_is_passed_over_chunk_by_chunk() {
        let mut places = Places::default();
        for place in 0..100 * SPAN {
            places.insert(Place(place), Client(7));
        }
        let other = 50 * SPAN + 3;
        places.remove(Place(other), Client(7));
        places.insert(Place(other), Client(8));
        let chunk: Vec<u64> = (50 * SPAN..51 * SPAN).collect();
        assert_eq!(all(&places, Some(Client(7))), chunk);
        assert_eq!(all(&places, Some(Client(9))).len() as u64, 100 * SPAN);
    }
}
