//! Queues that are waited for and are not there yet. Who waits hears of it when this host makes one; for
//! those that another host makes, one task of the host looks into the catalog, for many names at once.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sukkal_plugin_sdk::{self as sdk, Call, RecordKey, RequestId};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::Directory;
use super::cache::Name;
use super::record::kind_of;
use crate::error::Result;
use crate::name::Named;

/// How many names are looked for at once.
const MOST: usize = 100;

/// The names of queues that are waited for.
#[derive(Default)]
pub struct Awaited(Mutex<State>);

#[derive(Default)]
struct State {
    names: BTreeMap<Arc<Name>, Spot>,
    /// Whether a task looks for them.
    looked_for: bool,
    /// The last one that was looked for.
    last: Option<Arc<Name>>,
}

/// Those who wait for one name.
#[derive(Default)]
struct Spot {
    made: Arc<Notify>,
    waiters: usize,
}

/// One of those who wait for a name, for as long as it is held.
pub struct Awaiting<'a> {
    all: &'a Awaited,
    name: Arc<Name>,
    made: Arc<Notify>,
}

impl Awaited {
    /// Waits for a queue of a project.
    pub fn join(&self, project: &str, named: Named<'_>) -> Awaiting<'_> {
        let name = Arc::new(Name::of(project, named));
        let mut state = self.lock();
        let spot = state.names.entry(name.clone()).or_default();
        spot.waiters += 1;
        Awaiting { all: self, name, made: spot.made.clone() }
    }

    /// A queue may be there now: all who wait for it look.
    pub fn tell(&self, project: &str, named: Named<'_>) {
        let state = self.lock();
        if !state.names.is_empty()
            && let Some(spot) = state.names.get(&Name::of(project, named))
        {
            spot.made.notify_waiters();
        }
    }

    /// Whether somebody has to begin to look for them.
    pub fn begin_to_look(&self) -> bool {
        !std::mem::replace(&mut self.lock().looked_for, true)
    }

    /// The names that are to be looked for next, each in its turn. `None`: nobody waits, and nobody looks any more.
    fn turn(&self) -> Option<Vec<Arc<Name>>> {
        let mut state = self.lock();
        if state.names.is_empty() {
            state.looked_for = false;
            return None;
        }
        let from = state.last.take().map_or(Bound::Unbounded, Bound::Excluded);
        let later = state.names.range((from.clone(), Bound::Unbounded));
        let earlier = state.names.iter().take_while(|(name, _)| match &from {
            Bound::Excluded(last) => *name <= last,
            _ => false,
        });
        let names: Vec<_> = later.chain(earlier).map(|(name, _)| name.clone()).take(MOST).collect();
        state.last = names.last().cloned();
        Some(names)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Awaiting<'_> {
    /// Waits until there may be such a queue.
    pub fn made(&self) -> Notified<'_> {
        self.made.notified()
    }
}

impl Drop for Awaiting<'_> {
    fn drop(&mut self) {
        let mut state = self.all.lock();
        if let Some(spot) = state.names.get_mut(&self.name) {
            spot.waiters -= 1;
            if spot.waiters == 0 {
                state.names.remove(&self.name);
            }
        }
    }
}

impl Directory {
    /// Looks once for queues that are waited for, and tells those who wait for one that is there. `false`:
    /// nobody waits any more.
    ///
    /// # Errors
    /// The catalog's.
    pub async fn look_for_awaited(&self, call: &Call) -> Result<bool> {
        let Some(names) = self.awaited.turn() else { return Ok(false) };
        let keys: Vec<_> = names.iter().map(|name| key(name)).collect();
        for found in self.there(call, keys).await? {
            let Some(name) = names.iter().find(|name| key(name) == found) else { continue };
            let named = Named { kind: name.kind, name: &name.name };
            let call = Call::new(RequestId(rand::random()), &name.project, call.deadline());
            // Now it is remembered, so that those who wait find it without asking the catalog each.
            if let Err(error) = self.find(&call, named).await {
                tracing::debug!(%error, queue = name.name, project = name.project, "a queue that is waited for cannot be read");
            }
            self.awaited.tell(&name.project, named);
        }
        Ok(true)
    }

    /// Which of these records are there.
    pub(super) async fn there(&self, call: &Call, keys: Vec<RecordKey>) -> Result<Vec<RecordKey>> {
        let records = match self.catalog.get_many(call, keys.clone()).await {
            Err(error) if error.kind == sdk::ErrorKind::Unsupported => {
                let mut records = Vec::new();
                for key in keys {
                    records.extend(self.catalog.get(call, key).await?);
                }
                records
            }
            records => records?,
        };
        Ok(records.into_iter().map(|record| record.key).collect())
    }
}

fn key(name: &Name) -> RecordKey {
    RecordKey::new(kind_of(name.kind), name.project.clone(), name.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(awaited: &Awaited) -> Option<Vec<String>> {
        awaited.turn().map(|names| names.iter().map(|name| name.name.clone()).collect())
    }

    #[test]
    fn each_name_that_is_waited_for_has_its_turn_however_many_there_are() {
        let awaited = Awaited::default();
        let all: Vec<_> = (0..250).map(|number| format!("q{number:03}")).collect();
        let waiting: Vec<_> = all.iter().map(|name| awaited.join("p", Named::queue(name))).collect();
        assert!(awaited.begin_to_look() && !awaited.begin_to_look());
        let turns: Vec<_> = (0..5).map(|_| names(&awaited).expect("somebody waits")).collect();
        assert_eq!(turns.concat(), [&all[..], &all[..]].concat());
        drop(waiting);
        assert_eq!(names(&awaited), None);
        assert!(awaited.begin_to_look(), "whoever looked has ended");
    }

    #[test]
    fn a_name_is_looked_for_once_for_all_who_wait_for_it() {
        let awaited = Awaited::default();
        let (one, other) = (awaited.join("p", Named::queue("a")), awaited.join("p", Named::queue("a")));
        assert_eq!(names(&awaited).expect("two wait"), ["a"]);
        drop(one);
        assert_eq!(names(&awaited).expect("one waits"), ["a"]);
        drop(other);
        assert_eq!(names(&awaited), None);
    }
}
