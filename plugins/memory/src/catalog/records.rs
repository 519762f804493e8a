//! The records, and how a commit changes them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use sukkal_plugin_sdk::store::MAX_CHANGES;
use sukkal_plugin_sdk::{Bytes, Change, Commit, Expect, Extensions, Record, RecordKey, Result, Timestamp, Write};

use crate::own;
use crate::room::{self, OVERHEAD, Room};

/// All records of a catalog.
#[derive(Default)]
pub struct Records {
    /// By kind, then by project, then by name.
    kinds: BTreeMap<String, BTreeMap<String, BTreeMap<String, Kept>>>,
    /// When those end that do.
    ends: BTreeSet<(Timestamp, RecordKey)>,
    /// The last one given.
    revision: u64,
}

struct Kept {
    revision: u64,
    value: Bytes,
    expires: Option<Timestamp>,
    extensions: Extensions,
    /// What it takes of the catalog's room.
    bytes: u64,
}

impl Kept {
    fn lives(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| expires > now)
    }

    fn record(&self, key: RecordKey) -> Record {
        let (value, extensions) = (self.value.clone(), self.extensions.clone());
        Record { key, revision: self.revision, value, expires: self.expires, extensions }
    }
}

impl Records {
    /// Reads one record.
    pub fn get(&self, key: RecordKey, now: Timestamp) -> Option<Record> {
        let kept = self.find(&key).filter(|kept| kept.lives(now))?;
        Some(kept.record(key))
    }

    /// Reads records in the order of their names. What has expired must be removed before.
    pub fn list(&self, kind: &str, project: &str, after: Option<&str>, limit: u32) -> Vec<Record> {
        let Some(names) = self.names(kind, project) else { return Vec::new() };
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let found = names.range::<str, _>((from, Bound::Unbounded)).take(limit as usize);
        found.map(|(name, kept)| kept.record(RecordKey::new(kind, project, name.as_str()))).collect()
    }

    /// Counts records. What has expired must be removed before.
    pub fn count(&self, kind: &str, project: &str) -> u64 {
        self.names(kind, project).map_or(0, |names| names.len() as u64)
    }

    /// Makes all changes, or none.
    ///
    /// # Errors
    /// `Full`.
    pub fn commit(&mut self, room: &Room, changes: Vec<Change>, now: Timestamp) -> Result<Commit> {
        for (index, change) in (0..).zip(&changes) {
            let live = self.find(&change.key).filter(|kept| kept.lives(now)).map(|kept| kept.revision);
            let holds = match change.expect {
                Expect::Any => true,
                Expect::Absent => live.is_none(),
                Expect::Revision(revision) => live == Some(revision),
            };
            if !holds {
                return Ok(Commit::Failed(index));
            }
        }
        self.make_room(room, &changes, now)?;
        let revisions = changes.into_iter().map(|change| self.apply(change, now));
        Ok(Commit::Done(revisions.collect()))
    }

    /// Removes what has expired, in a bounded step; true while there is more.
    pub fn sweep(&mut self, room: &Room, now: Timestamp, limit: u32) -> bool {
        for _ in 0..limit.max(1) {
            match self.ends.first() {
                Some((end, _)) if *end <= now => {}
                _ => return false,
            }
            let Some((_, key)) = self.ends.pop_first() else { return false };
            if let Some(kept) = self.remove(&key) {
                room.give_back(kept.bytes, 1);
            }
        }
        true
    }

    /// Takes the room of what a commit adds, and gives back that of what it removes or replaces.
    fn make_room(&mut self, room: &Room, changes: &[Change], now: Timestamp) -> Result<()> {
        let (mut bytes, mut items) = (0_u64, 0_u64);
        let (mut freed_bytes, mut freed_items) = (0_u64, 0_u64);
        for change in changes.iter().filter(|change| !matches!(change.write, Write::Check)) {
            if let Some(kept) = self.find(&change.key) {
                freed_bytes += kept.bytes;
                freed_items += 1;
            }
            if let Some(size) = size(change) {
                bytes += size;
                items += 1;
            }
        }
        let more = (bytes.saturating_sub(freed_bytes), items.saturating_sub(freed_items));
        if room.reserve(more.0, more.1).is_err() {
            // What has expired and is not swept yet takes room that is nobody's.
            let untouched = |key: &RecordKey| changes.iter().all(|change| change.key != *key);
            self.sweep_some(room, now, untouched);
            if self.only_lets_go(changes) {
                // To delete a queue is to write down that it is to be emptied: else a full catalog stayed full.
                room.take(more.0, more.1);
            } else {
                room.reserve(more.0, more.1)?;
            }
        }
        room.give_back(freed_bytes.saturating_sub(bytes), freed_items.saturating_sub(items));
        Ok(())
    }

    /// Whether a commit deletes, and makes no record larger that stays.
    fn only_lets_go(&self, changes: &[Change]) -> bool {
        let grows = |change: &Change| self.find(&change.key).zip(size(change)).is_some_and(|(was, is)| is > was.bytes);
        changes.iter().any(|change| matches!(change.write, Write::Delete)) && !changes.iter().any(grows)
    }

    fn sweep_some(&mut self, room: &Room, now: Timestamp, wanted: impl Fn(&RecordKey) -> bool) {
        /// Enough for any commit, and a bounded step.
        const SOME: usize = 2 * MAX_CHANGES;
        let expired: Vec<_> = self.ends.iter().take(SOME).take_while(|end| end.0 <= now).cloned().collect();
        for end in expired.into_iter().filter(|end| wanted(&end.1)) {
            if let Some(kept) = self.remove(&end.1) {
                room.give_back(kept.bytes, 1);
            }
            self.ends.remove(&end);
        }
    }

    /// Makes one change; answers the record's revision from then on. Its room is taken already.
    fn apply(&mut self, change: Change, now: Timestamp) -> u64 {
        let bytes = size(&change).unwrap_or(0);
        match change.write {
            Write::Check => self.find(&change.key).filter(|kept| kept.lives(now)).map_or(0, |kept| kept.revision),
            Write::Delete => {
                if let Some(end) = self.remove(&change.key).and_then(|kept| kept.expires) {
                    self.ends.remove(&(end, change.key));
                }
                0
            }
            Write::Put { value, expires_in, extensions } => {
                self.revision += 1;
                let expires = expires_in.map(|life| now.after(life));
                let (value, extensions) = (own::bytes(&value), own::extensions(&extensions));
                let kept = Kept { revision: self.revision, value, expires, extensions, bytes };
                self.put(change.key, kept);
                self.revision
            }
        }
    }

    fn put(&mut self, key: RecordKey, kept: Kept) {
        if let Some(end) = kept.expires {
            self.ends.insert((end, key.clone()));
        }
        let expires = kept.expires;
        let names = self.kinds.entry(key.kind.clone()).or_default().entry(key.project.clone()).or_default();
        let end = names.insert(key.name.clone(), kept).and_then(|before| before.expires);
        if let Some(end) = end.filter(|end| Some(*end) != expires) {
            self.ends.remove(&(end, key));
        }
    }

    fn remove(&mut self, key: &RecordKey) -> Option<Kept> {
        let projects = self.kinds.get_mut(&key.kind)?;
        let names = projects.get_mut(&key.project)?;
        let kept = names.remove(&key.name);
        if names.is_empty() {
            projects.remove(&key.project);
        }
        if projects.is_empty() {
            self.kinds.remove(&key.kind);
        }
        kept
    }

    fn names(&self, kind: &str, project: &str) -> Option<&BTreeMap<String, Kept>> {
        self.kinds.get(kind)?.get(project)
    }

    fn find(&self, key: &RecordKey) -> Option<&Kept> {
        self.names(&key.kind, &key.project)?.get(&key.name)
    }
}

/// What a change's record takes of the room; none if it makes no record.
fn size(change: &Change) -> Option<u64> {
    let Write::Put { value, extensions, .. } = &change.write else { return None };
    let RecordKey { kind, project, name } = &change.key;
    let names = kind.len() + project.len() + name.len();
    // The names are kept twice where the record ends.
    Some(OVERHEAD + 2 * names as u64 + value.len() as u64 + room::extensions(extensions))
}
