//! Keys that make a post safe to repeat.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use sukkal_plugin_sdk::store::refusal;
use sukkal_plugin_sdk::{Bytes, Key, Place, Posted, Result, Timestamp};

use super::queue::Visit;
use crate::own;
use crate::room::OVERHEAD;

/// The keys of a queue.
#[derive(Default)]
pub struct Keys {
    by_name: HashMap<Arc<Name>, Kept>,
    ends: BTreeSet<(Timestamp, Arc<Name>)>,
}

/// Scope and key.
type Name = (String, Bytes);

struct Kept {
    fingerprint: Bytes,
    ends: Timestamp,
    /// The places that the post got: neighbours.
    first: u64,
    places: u64,
    bytes: u64,
}

/// Bytes that a key takes, which is kept in two indexes.
pub fn size(key: &Key) -> u64 {
    2 * OVERHEAD + (key.scope.len() + key.key.len() + key.fingerprint.len()) as u64
}

impl Keys {
    /// Remembers what a post stored; answers the bytes of the key that it replaces.
    pub fn keep(&mut self, key: Key, first: u64, places: u64, now: Timestamp) -> u64 {
        let ends = now.after(key.window);
        let kept = Kept { bytes: size(&key), fingerprint: own::bytes(&key.fingerprint), ends, first, places };
        let name = Arc::new((key.scope, own::bytes(&key.key)));
        let replaced = self.remove(&name);
        self.ends.insert((ends, name.clone()));
        self.by_name.insert(name, kept);
        replaced
    }

    /// When the first one ends.
    pub fn first_end(&self) -> Option<Timestamp> {
        self.ends.first().map(|end| end.0)
    }

    /// Forgets one whose window is over; answers the bytes that it took.
    pub fn take_ended(&mut self, now: Timestamp) -> Option<u64> {
        self.ends.first().filter(|end| end.0 <= now)?;
        self.take_any()
    }

    /// Forgets one of them; answers the bytes that it took.
    pub fn take_any(&mut self) -> Option<u64> {
        let name = self.ends.first()?.1.clone();
        Some(self.remove(&name))
    }

    fn remove(&mut self, name: &Arc<Name>) -> u64 {
        let Some(kept) = self.by_name.remove(name) else { return 0 };
        self.ends.remove(&(kept.ends, name.clone()));
        kept.bytes
    }
}

impl Visit<'_> {
    /// What a post under this key stored, if its window still runs.
    ///
    /// # Errors
    /// `Conflict`: it was another post.
    pub fn posted(&self, key: &Key) -> Result<Option<Posted>> {
        let name = (key.scope.clone(), key.key.clone());
        let found = self.contents.keys.by_name.get(&name).filter(|kept| kept.ends > self.now);
        let Some(kept) = found else { return Ok(None) };
        if kept.fingerprint != key.fingerprint {
            return Err(refusal::other_fingerprint());
        }
        let places = (kept.first..kept.first.saturating_add(kept.places)).map(Place).collect();
        Ok(Some(Posted { places, repeated: true, ..Posted::default() }))
    }
}
