//! The records, and how a commit changes them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use sukkal_plugin_sdk::store::check_changes;
use sukkal_plugin_sdk::{
    Bytes, Change, Commit, Error, ErrorKind, Expect, Extensions, Record, RecordKey, Result,
    Timestamp, Write,
};

/// Bytes that a record takes beside what it holds: an estimate of keys and indexes.
const OVERHEAD: u64 = 512;

/// All records. The order of their keys (kind, project, name, each bytewise) is that of listings.
pub struct Records {
    by_key: BTreeMap<RecordKey, Record>,
    /// When those end that do.
    ends: BTreeSet<(Timestamp, RecordKey)>,
    /// How many there are, by kind and project, so that nothing is counted one by one.
    counts: HashMap<(String, String), u64>,
    /// The last one given: over all records, so that one made anew gets none of its old ones.
    revision: u64,
    bytes: u64,
    max_bytes: u64,
}

impl Records {
    /// No records, and room for so many bytes.
    pub fn new(max_bytes: u64) -> Self {
        Records {
            by_key: BTreeMap::new(),
            ends: BTreeSet::new(),
            counts: HashMap::new(),
            revision: 0,
            bytes: 0,
            max_bytes,
        }
    }

    /// Removes what has expired, at most so many; true while there is more.
    pub fn expire(&mut self, now: Timestamp, limit: usize) -> bool {
        for _ in 0..limit {
            match self.ends.first().filter(|(end, _)| *end <= now).cloned() {
                Some((_, key)) => drop(self.remove(&key)),
                None => return false,
            }
        }
        self.ends.first().is_some_and(|(end, _)| *end <= now)
    }

    /// Reads one record.
    pub fn get(&self, key: &RecordKey) -> Option<&Record> {
        self.by_key.get(key)
    }

    /// Reads records of a kind and project by name, `after` excluded, which need not exist.
    pub fn list(
        &self,
        kind: String,
        project: String,
        after: Option<String>,
        limit: usize,
    ) -> Vec<Record> {
        let from = RecordKey::new(kind, project, after.clone().unwrap_or_default());
        let start = if after.is_some() {
            Bound::Excluded(&from)
        } else {
            Bound::Included(&from)
        };
        let range = self
            .by_key
            .range::<RecordKey, _>((start, Bound::Unbounded))
            .map(|(_, record)| record);
        let same = |record: &&Record| {
            (&record.key.kind, &record.key.project) == (&from.kind, &from.project)
        };
        range.take_while(same).take(limit).cloned().collect()
    }

    /// Counts the records of a kind and project.
    pub fn count(&self, kind: String, project: String) -> u64 {
        self.counts.get(&(kind, project)).copied().unwrap_or(0)
    }

    /// Makes all changes, or none. What has expired must be removed before.
    ///
    /// # Errors
    /// `TooLarge`: more than 100 changes. `Invalid`: two of one record. `Full`: no room.
    pub fn commit(&mut self, changes: Vec<Change>, now: Timestamp) -> Result<Commit> {
        check_changes(&changes)?;
        if let Some(index) = changes.iter().position(|change| !self.holds(change)) {
            return Ok(Commit::Failed(index as u32));
        }
        self.check_room(&changes)?;
        Ok(Commit::Done(
            changes
                .into_iter()
                .map(|change| self.apply(change, now))
                .collect(),
        ))
    }

    fn holds(&self, change: &Change) -> bool {
        let revision = self.get(&change.key).map(|record| record.revision);
        match change.expect {
            Expect::Any => true,
            Expect::Absent => revision.is_none(),
            Expect::Revision(expected) => revision == Some(expected),
        }
    }

    fn check_room(&self, changes: &[Change]) -> Result<()> {
        // To delete a queue is to write down that it is to be emptied: else a full catalog stayed full.
        let deletes = changes
            .iter()
            .any(|change| matches!(change.write, Write::Delete));
        if deletes && !changes.iter().any(|change| self.grows(change)) {
            return Ok(());
        }
        let (mut more, mut less) = (0, 0);
        for change in changes
            .iter()
            .filter(|change| !matches!(change.write, Write::Check))
        {
            less += self.get(&change.key).map_or(0, size);
            if let Write::Put {
                value, extensions, ..
            } = &change.write
            {
                more += size_of(&change.key, value, extensions);
            }
        }
        // Whatever makes a catalog smaller is welcome, also in one that is full.
        if more > less && self.bytes + more - less > self.max_bytes {
            return Err(Error::new(
                ErrorKind::Full,
                "no room is left for records; delete some or raise max_mib",
            ));
        }
        Ok(())
    }

    /// Whether a change makes a record larger that stays.
    fn grows(&self, change: &Change) -> bool {
        let Write::Put {
            value, extensions, ..
        } = &change.write
        else {
            return false;
        };
        let is = size_of(&change.key, value, extensions);
        self.get(&change.key).is_some_and(|was| is > size(was))
    }

    /// Makes one change; the record's revision from then on, 0 for none.
    fn apply(&mut self, change: Change, now: Timestamp) -> u64 {
        match change.write {
            Write::Check => self.get(&change.key).map_or(0, |record| record.revision),
            Write::Delete => {
                self.remove(&change.key);
                0
            }
            Write::Put {
                value,
                expires_in,
                extensions,
            } => {
                self.revision += 1;
                let expires = expires_in.map(|life| now.after(life));
                // What a call brings is a slice of something larger, which must not stay for it.
                let value = Bytes::copy_from_slice(&value);
                self.put(Record {
                    key: change.key,
                    revision: self.revision,
                    value,
                    expires,
                    extensions,
                });
                self.revision
            }
        }
    }

    fn put(&mut self, record: Record) {
        self.remove(&record.key);
        if let Some(end) = record.expires {
            self.ends.insert((end, record.key.clone()));
        }
        *self.counts.entry(group(&record.key)).or_default() += 1;
        self.bytes += size(&record);
        self.by_key.insert(record.key.clone(), record);
    }

    fn remove(&mut self, key: &RecordKey) -> Option<Record> {
        let record = self.by_key.remove(key)?;
        if let Some(end) = record.expires {
            self.ends.remove(&(end, record.key.clone()));
        }
        if let Some(count) = self.counts.get_mut(&group(key)) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&group(key));
            }
        }
        self.bytes -= size(&record);
        Some(record)
    }
}

fn group(key: &RecordKey) -> (String, String) {
    (key.kind.clone(), key.project.clone())
}

fn size(record: &Record) -> u64 {
    size_of(&record.key, &record.value, &record.extensions)
}

fn size_of(key: &RecordKey, value: &Bytes, extensions: &Extensions) -> u64 {
    let names = key.kind.len() + key.project.len() + key.name.len();
    let extensions: usize = extensions.iter().map(|(_, value)| value.len()).sum();
    OVERHEAD + (names + value.len() + extensions) as u64
}
