//! Bodies whose messages are gone, in runs in which others stay, and when they go.
//!
//! Deleting bodies one by one would write the same pages to the disk again for each; so a run waits
//! until all of its messages are gone. One in which half of what is left has gone is not waited for
//! long: it is written anew without them. So garbage is at most about half of what the file holds,
//! and each message is written again about once at the most.

use std::time::Duration;

use rusqlite::params;
use sukkal_plugin_sdk::Timestamp;

use super::ledger::Ledger;
use crate::error::Outcome;

pub const DUE: &str = "SELECT run FROM gone WHERE due <= ?1 ORDER BY due LIMIT ?2";

/// How long a run that is half garbage may wait for the rest of its messages to go.
const KEPT: Duration = Duration::from_secs(10);
/// Runs that one step cleans.
const RUNS: usize = 64;

/// Which messages of a run are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// How many there were.
    pub count: u8,
    /// Those that are gone, a bit each.
    pub gone: u64,
    /// Of these: whose bodies are no longer in the file.
    pub cleaned: u64,
    /// When it is to be cleaned; [`NEVER`] while there is too little to gain, unless the file is full.
    /// `None`: it holds no garbage.
    pub due: Option<Timestamp>,
}

impl Account {
    /// That of a run of so many messages.
    pub fn new(count: u8) -> Account {
        Account { count, gone: 0, cleaned: 0, due: None }
    }

    /// Whether none of its messages is left.
    pub fn is_all_gone(&self) -> bool {
        self.gone.count_ones() >= u32::from(self.count)
    }

    /// Says that these are gone too, as of now.
    pub fn bury(&mut self, bits: u64, now: Timestamp) {
        self.gone |= bits;
        let garbage = (self.gone & !self.cleaned).count_ones();
        let left = u32::from(self.count).saturating_sub(self.cleaned.count_ones());
        let due = if garbage * 2 >= left { now.after(KEPT) } else { NEVER };
        self.due = (garbage > 0).then(|| self.due.map_or(due, |before| before.min(due)));
    }

    /// Says that the bodies of what is gone are no longer in the file.
    pub fn clean(&mut self) {
        self.cleaned = self.gone;
        self.due = None;
    }
}

/// Later than any instant.
const NEVER: Timestamp = Timestamp::MAX;

/// Cleans what has lain long enough, in a bounded step; true if there is more.
///
/// # Errors
/// The driver's; `Corrupt`.
pub fn sweep(ledger: &mut Ledger) -> Outcome<bool> {
    Ok(clean(ledger, ledger.now)? >= RUNS)
}

/// Cleans some garbage, however new and little; false if there is none.
///
/// # Errors
/// The driver's; `Corrupt`.
pub fn make_room(ledger: &mut Ledger) -> Outcome<bool> {
    Ok(clean(ledger, NEVER)? > 0)
}

fn clean(ledger: &mut Ledger, until: Timestamp) -> Outcome<usize> {
    let connection = &ledger.connection;
    ledger.blocks.write(connection)?;
    let mut statement = connection.prepare_cached(DUE)?;
    let runs = statement.query_map(params![until.0, RUNS as i64], |row| row.get(0))?;
    let runs = runs.collect::<Result<Vec<i64>, _>>()?;
    for run in &runs {
        ledger.blocks.bodies.clean(connection, *run)?;
    }
    Ok(runs.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_cleaned_once_half_of_what_is_left_is_gone() {
        let (now, later) = (Timestamp(1000), Timestamp(2000));
        let mut account = Account::new(8);
        account.bury(0b0000_0111, now);
        assert_eq!(account.due, Some(NEVER));
        account.bury(0b0000_1000, now);
        account.bury(0b0001_0000, later);
        assert_eq!(account.due, Some(now.after(KEPT)), "since the first half was gone");
        account.clean();
        assert_eq!(account.due, None);
        account.bury(0b0010_0000, now);
        assert_eq!(account.due, Some(NEVER));
        account.bury(0b0100_0000, later);
        assert_eq!(account.due, Some(later.after(KEPT)));
    }

    #[test]
    fn a_run_of_the_largest_size_can_be_all_gone() {
        let mut account = Account::new(64);
        account.bury(u64::MAX >> 1, Timestamp(0));
        assert!(!account.is_all_gone());
        account.bury(1 << 63, Timestamp(0));
        assert!(account.is_all_gone());
    }
}
