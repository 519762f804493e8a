//! What a read sees.

use rusqlite::Connection;
use sukkal_plugin_sdk::{Message, Timestamp};

use super::body::{self, Pick};
use super::runs::Runs;
use crate::error::Outcome;

/// The file as of one instant, and the runs that are in memory.
#[derive(Clone, Copy)]
pub struct Snapshot<'a> {
    pub connection: &'a Connection,
    pub now: Timestamp,
    pub runs: &'a Runs,
}

impl Snapshot<'_> {
    /// Reads messages; see [`body::read`].
    ///
    /// # Errors
    /// The driver's; `Corrupt` when a body is missing.
    pub fn messages(&self, picks: Vec<Pick>) -> Outcome<Vec<Message>> {
        body::read(self.connection, self.runs, picks, self.now)
    }
}
