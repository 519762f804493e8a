//! Runs kept in memory, for the writer and all readers: who claims or lists messages one page after
//! the other reads each run from the file once, and what was just posted not at all.

use std::sync::Arc;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use rusqlite::Connection;

use super::run::{self, Run};
use crate::error::{Fail, Outcome};

/// Bytes of the most that one run has, about, by which the cache guesses how many it will hold.
const USUAL: usize = 32 << 10;
/// The share that is for runs which are read again and again. The others stay for the rest of it: a run
/// that a claim has read is wanted by those behind it, and among all that is posted meanwhile.
const READ_OFTEN: f64 = 0.5;

/// Runs kept in memory, up to a number of bytes.
///
/// A run is right for whoever looks at any snapshot of the file in which its messages are: what is
/// in it never changes, only less of it is kept, and such a thinned one is not kept here. Its number
/// is never given to another run while the file is open.
pub struct Runs(Cache<i64, Arc<Run>, ByBytes>);

#[derive(Clone)]
struct ByBytes;

impl Weighter<i64, Arc<Run>> for ByBytes {
    fn weight(&self, _: &i64, run: &Arc<Run>) -> u64 {
        run.bytes() as u64
    }
}

/// A message is there and its body is not.
pub const MISSING: Fail = Fail::Corrupt("a message has no body");

impl Runs {
    /// None yet, and never more than so many bytes of them.
    pub fn new(bytes: usize) -> Runs {
        // One shard: a run must fit into it, and only a few threads come here.
        let options = OptionsBuilder::new()
            .shards(1)
            .estimated_items_capacity((bytes / USUAL).max(16))
            .weight_capacity(bytes as u64)
            .hot_allocation(READ_OFTEN)
            .build();
        let cache = match options {
            Ok(options) => {
                Cache::with_options(options, ByBytes, DefaultHashBuilder::default(), DefaultLifecycle::default())
            }
            // Says what is missing of the options; nothing is.
            Err(_) => Cache::with_weighter(bytes / USUAL, bytes as u64, ByBytes),
        };
        Runs(cache)
    }

    /// A run, from memory or from the file.
    ///
    /// # Errors
    /// The driver's; `Corrupt` when there is none.
    pub fn get(&self, connection: &Connection, number: i64) -> Outcome<Arc<Run>> {
        if let Some(run) = self.0.get(&number) {
            return Ok(run);
        }
        let run = Arc::new(run::get(connection, number)?.ok_or(MISSING)?);
        if run.is_whole() {
            self.0.insert(number, run.clone());
        }
        Ok(run)
    }

    /// How many messages a stored run had when it was stored; `None` if there is no such run.
    ///
    /// # Errors
    /// The driver's; `Corrupt`.
    pub fn count(&self, connection: &Connection, number: i64) -> Outcome<Option<u8>> {
        match self.0.peek(&number) {
            Some(run) => Ok(Some(run.count())),
            None => run::count(connection, number),
        }
    }

    /// Keeps a run that was just stored.
    pub fn keep(&self, number: i64, run: Run) {
        self.0.insert(number, Arc::new(run));
    }

    /// Lets go of a run, all of whose messages are gone.
    pub fn forget(&self, number: i64) {
        self.0.remove(&number);
    }
}
