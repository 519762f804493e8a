//! Bodies whose messages are gone, in runs in which others stay, and when they go.
//!
//! Deleting bodies one by one would write the same pages to the disk again for each; so a run waits
//! until all of its messages are gone. One in which half of what is left has gone is not waited for
//! long: it is written anew without them. So garbage is at most about half of what the file holds,
//! and each message is written again about once at the most.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};
use sukkal_plugin_sdk::Timestamp;

use super::ledger::Ledger;
use crate::error::Outcome;

pub const LOAD: &str = "SELECT run, count, bits, cleaned FROM gone";
pub const GET: &str = "SELECT run, count, bits, cleaned FROM gone WHERE run = ?1";
pub const PUT: &str = "INSERT OR REPLACE INTO gone (run, count, bits, cleaned) VALUES (?1, ?2, ?3, ?4)";
pub const DELETE: &str = "DELETE FROM gone WHERE run = ?1";

/// How long a run that is half garbage may wait for the rest of its messages to go.
const KEPT: Duration = Duration::from_secs(10);
/// Runs that one step cleans.
const RUNS: usize = 64;
/// Accounts in memory, some 100 bytes each, beside those of runs that are soon to be cleaned. Tests have
/// few, so that they have the others too.
const MOST: usize = if cfg!(test) { 16 } else { 65_536 };

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

    /// Whether it is to be cleaned before long.
    fn is_dated(&self) -> bool {
        self.due.is_some_and(|due| due < NEVER)
    }

    /// Reads a row of [`LOAD`] or [`GET`]: a run, and its account.
    fn of_row(row: &Row<'_>) -> rusqlite::Result<(i64, Account)> {
        let bits = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
        let mut account = Account { count: row.get(1)?, gone: bits(2)?, cleaned: bits(3)?, due: None };
        // What is half garbage has waited long enough.
        account.schedule(Timestamp(0));
        Ok((row.get(0)?, account))
    }

    /// Says that these are gone too, as of now.
    pub fn bury(&mut self, bits: u64, now: Timestamp) {
        self.gone |= bits;
        self.schedule(now.after(KEPT));
    }

    /// Says when it is to be cleaned, if by now it is half garbage.
    fn schedule(&mut self, then: Timestamp) {
        let garbage = (self.gone & !self.cleaned).count_ones();
        let left = u32::from(self.count).saturating_sub(self.cleaned.count_ones());
        let due = if garbage * 2 >= left { then } else { NEVER };
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

/// The accounts of runs of which some messages are gone and others are left: a row each in the file, and
/// mostly in memory too.
pub struct Garbage {
    /// Those of all runs that are soon to be cleaned, and of as many others as there is room for.
    accounts: HashMap<i64, Account>,
    /// A run without an account here has none.
    all_known: bool,
    due: BTreeSet<(Timestamp, i64)>,
    /// Those that the transaction has changed, as they were before it.
    before: HashMap<i64, Option<Account>>,
}

impl Garbage {
    /// Reads what there is room for, when the file is opened.
    ///
    /// # Errors
    /// The driver's.
    pub fn load(connection: &Connection) -> rusqlite::Result<Garbage> {
        let (accounts, due, before) = (HashMap::new(), BTreeSet::new(), HashMap::new());
        let mut garbage = Garbage { accounts, all_known: true, due, before };
        let mut statement = connection.prepare(LOAD)?;
        for row in statement.query_map([], Account::of_row)? {
            let (run, account) = row?;
            if account.is_dated() || garbage.accounts.len() < MOST {
                garbage.set(run, Some(account));
                garbage.before.clear();
            } else {
                garbage.all_known = false;
            }
        }
        Ok(garbage)
    }

    /// The transaction is committed. When there are too many, those that are not soon to be cleaned are
    /// looked up from then on.
    pub fn committed(&mut self) {
        self.before.clear();
        if self.accounts.len() > MOST {
            let n_before = self.accounts.len();
            self.accounts.retain(|_, account| account.is_dated());
            self.due.retain(|(due, _)| *due < NEVER);
            self.all_known &= self.accounts.len() == n_before;
        }
    }

    /// The transaction is rolled back, or could not be begun.
    pub fn forget(&mut self) {
        for (run, before) in std::mem::take(&mut self.before) {
            self.set(run, before);
        }
        self.before.clear();
    }

    /// The account of a run.
    ///
    /// # Errors
    /// The driver's.
    pub fn get(&self, connection: &Connection, run: i64) -> Outcome<Option<Account>> {
        let known = self.accounts.get(&run).copied();
        if known.is_some() || self.all_known {
            return Ok(known);
        }
        let row = connection.prepare_cached(GET)?.query_row([run], Account::of_row).optional()?;
        Ok(row.map(|(_, account)| account))
    }

    /// Writes the account of a run, in which some messages are left.
    ///
    /// # Errors
    /// The driver's.
    pub fn put(&mut self, connection: &Connection, run: i64, account: Account) -> Outcome<()> {
        let (gone, cleaned) = (account.gone.cast_signed(), account.cleaned.cast_signed());
        connection.prepare_cached(PUT)?.execute(params![run, account.count, gone, cleaned])?;
        self.set(run, Some(account));
        Ok(())
    }

    /// Removes the account of a run that is deleted.
    ///
    /// # Errors
    /// The driver's.
    pub fn remove(&mut self, connection: &Connection, run: i64) -> Outcome<()> {
        if self.accounts.contains_key(&run) || !self.all_known {
            connection.prepare_cached(DELETE)?.execute([run])?;
            self.set(run, None);
        }
        Ok(())
    }

    /// Runs that are to be cleaned by an instant, in the order of that; of those that are not dated, the
    /// ones in memory.
    fn due(&self, until: Timestamp) -> Vec<i64> {
        self.due.iter().take_while(|(due, _)| *due <= until).map(|(_, run)| *run).take(RUNS).collect()
    }

    fn set(&mut self, run: i64, account: Option<Account>) {
        let before = match account {
            Some(account) => self.accounts.insert(run, account),
            None => self.accounts.remove(&run),
        };
        self.before.entry(run).or_insert(before);
        let date = |account: Option<Account>| Some((account?.due?, run));
        if date(before) == date(account) {
            return;
        }
        if let Some(date) = date(before) {
            self.due.remove(&date);
        }
        self.due.extend(date(account));
    }
}

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
    ledger.blocks.write(&ledger.connection)?;
    let runs = ledger.blocks.bodies.garbage.due(until);
    for run in &runs {
        ledger.blocks.bodies.clean(&ledger.connection, *run)?;
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
    fn what_a_transaction_changed_is_as_before_once_it_is_rolled_back() {
        let connection = Connection::open_in_memory().unwrap();
        crate::schema::POOL.apply(&connection).unwrap();
        let mut garbage = Garbage::load(&connection).unwrap();
        let half = |count| {
            let mut account = Account::new(count);
            account.bury(0b11, Timestamp(1000));
            account
        };
        garbage.put(&connection, 1, half(4)).unwrap();
        garbage.put(&connection, 2, half(64)).unwrap();
        let due = Timestamp(1000).after(KEPT);
        garbage.committed();
        garbage.remove(&connection, 1).unwrap();
        garbage.put(&connection, 2, half(3)).unwrap();
        garbage.put(&connection, 3, half(4)).unwrap();
        assert_eq!(garbage.due(due), [2, 3]);
        // The second time, there is nothing to take back.
        garbage.forget();
        garbage.forget();
        let known = [1, 2, 3].map(|run| garbage.get(&connection, run).unwrap());
        assert_eq!(known, [Some(half(4)), Some(half(64)), None]);
        assert_eq!((garbage.due(due), garbage.due(NEVER)), (vec![1], vec![1, 2]));
    }

    #[test]
    fn what_there_is_no_room_for_is_looked_up() {
        let connection = Connection::open_in_memory().unwrap();
        crate::schema::POOL.apply(&connection).unwrap();
        let account = |bits: u64| {
            let mut account = Account::new(64);
            account.bury(bits, Timestamp(1000));
            account
        };
        let mut garbage = Garbage::load(&connection).unwrap();
        let runs = 2 * MOST as i64;
        for run in 0..runs {
            garbage.put(&connection, run, account(1 << run)).unwrap();
        }
        garbage.put(&connection, runs, account(u64::MAX >> 8)).unwrap();
        garbage.committed();
        for garbage in [&mut garbage, &mut Garbage::load(&connection).unwrap()] {
            assert!(garbage.accounts.len() <= MOST + 1);
            for run in 0..runs {
                assert_eq!(garbage.get(&connection, run).unwrap(), Some(account(1 << run)));
            }
            assert_eq!(garbage.due(Timestamp(1000).after(KEPT)), [runs]);
        }
        let last = runs - 1;
        garbage.put(&connection, last, account(0b11)).unwrap();
        garbage.committed();
        garbage.remove(&connection, last).unwrap();
        assert_eq!(garbage.get(&connection, last).unwrap(), None);
        garbage.remove(&connection, 0).unwrap();
        assert_eq!(garbage.get(&connection, 0).unwrap(), None);
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
