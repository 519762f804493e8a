//! Bodies whose messages are gone, and when they go.
//!
//! A message that is deleted leaves its block at once, and with that it is gone for every reader. Its
//! body stays until those of the whole block can go together: deleting a few at a time would write
//! the same pages to the disk again for every few. A block whose messages do not all go in a while
//! is cleaned here.

use std::time::Duration;

use rusqlite::{Connection, params};
use sukkal_plugin_sdk::Timestamp;

use super::ledger::Ledger;
use super::run;
use crate::error::Outcome;

pub const DUE: &str = "SELECT key FROM block WHERE garbage <= ?1 ORDER BY garbage LIMIT ?2";

/// How long garbage may lie.
const KEPT: Duration = Duration::from_secs(10);
/// About so many bytes of garbage are too many.
const TOO_MUCH: u64 = 64 << 20;
/// More garbage than this is too much once it is a quarter of all bodies.
const LITTLE: u64 = 8 << 20;
/// Blocks that one step cleans.
const BLOCKS: usize = 64;

/// How many bodies in the file are garbage.
#[derive(Debug, Default)]
pub struct Garbage {
    /// Not known after opening and after a rollback, until all of it is cleaned.
    bodies: Option<u64>,
}

impl Garbage {
    /// What a block holds of it has changed.
    pub fn change(&mut self, before: u32, after: u32) {
        if let Some(bodies) = &mut self.bodies {
            *bodies = (*bodies + u64::from(after)).saturating_sub(before.into());
        }
    }

    /// Whether it should go without waiting, in a file of so many messages and bytes.
    fn is_too_much(&self, messages: u64, bytes: u64) -> bool {
        let Some(garbage) = self.bodies else { return true };
        let all = messages.saturating_add(garbage).max(1);
        let bytes = u64::try_from(u128::from(bytes) * u128::from(garbage) / u128::from(all)).unwrap_or(u64::MAX);
        bytes > TOO_MUCH || (bytes > LITTLE && garbage > all / 4)
    }
}

/// Cleans what has lain long enough, or all if it is too much, in a bounded step; true if there is
/// more.
///
/// # Errors
/// The driver's; `Corrupt`.
pub fn sweep(ledger: &mut Ledger) -> Outcome<bool> {
    let everything = ledger.blocks.garbage.is_too_much(ledger.messages(), used_bytes(&ledger.connection)?);
    let until =
        if everything { Timestamp::MAX } else { Timestamp(ledger.now.0.saturating_sub(KEPT.as_millis() as i64)) };
    let n_cleaned = clean(ledger, until)?;
    if everything && n_cleaned < BLOCKS {
        ledger.blocks.garbage.bodies = Some(0);
    }
    Ok(n_cleaned >= BLOCKS)
}

/// Cleans some garbage, however new; false if there is none.
///
/// # Errors
/// The driver's; `Corrupt`.
pub fn make_room(ledger: &mut Ledger) -> Outcome<bool> {
    Ok(clean(ledger, Timestamp::MAX)? > 0)
}

fn clean(ledger: &mut Ledger, until: Timestamp) -> Outcome<usize> {
    let connection = &ledger.connection;
    ledger.blocks.write(connection)?;
    let mut statement = connection.prepare_cached(DUE)?;
    let keys = statement.query_map(params![until.0, BLOCKS as i64], |row| row.get(0))?;
    let keys = keys.collect::<Result<Vec<i64>, _>>()?;
    for key in &keys {
        let Some(block) = ledger.blocks.change(connection, *key)? else { continue };
        let live = block.entries().iter().fold(0, |live, entry| live | 1 << entry.offset);
        block.take_garbage();
        run::keep_only(connection, *key, live)?;
    }
    Ok(keys.len())
}

fn used_bytes(connection: &Connection) -> Outcome<u64> {
    let number = |pragma: &str| connection.prepare_cached(pragma)?.query_row([], |row| row.get::<_, i64>(0));
    let pages = number("PRAGMA page_count")? - number("PRAGMA freelist_count")?;
    Ok(u64::try_from(pages * number("PRAGMA page_size")?).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_is_too_much_unless_it_is_little_in_all() {
        let garbage = |bodies| Garbage { bodies: Some(bodies) };
        assert!(Garbage::default().is_too_much(0, 0), "it is not known");
        assert!(!garbage(0).is_too_much(0, u64::MAX));
        assert!(!garbage(100).is_too_much(0, LITTLE));
        assert!(garbage(100).is_too_much(0, LITTLE + 1));
        assert!(garbage(100).is_too_much(299, 100 << 20));
        assert!(!garbage(100).is_too_much(300, 100 << 20));
        assert!(garbage(100).is_too_much(900, (TOO_MUCH + 1) * 10));
    }

    #[test]
    fn what_is_not_known_does_not_change() {
        let mut garbage = Garbage::default();
        garbage.change(3, 5);
        assert_eq!(garbage.bodies, None);
        garbage.bodies = Some(10);
        garbage.change(3, 5);
        assert_eq!(garbage.bodies, Some(12));
        garbage.change(64, 0);
        assert_eq!(garbage.bodies, Some(0));
    }
}
