//! Room that is held back: a full disk, or a full file, still takes claims, releases and deletes.
//!
//! What these write must fit into blocks that the files have already. The log has its own (headroom.rs),
//! and is begun anew once it is copied; so the database's file must not have to grow for copying. It is as
//! long as its pages, and the reserve more, before a commit adds pages; and what stores something new
//! leaves the reserve whole, or is refused.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;

use crate::error::{Fail, Outcome};
use crate::headroom::{CHUNK, lengthen};

/// Bytes held back, unless the file's bound is small.
const RESERVE: u64 = 1 << 20;
/// Of a bound, at most this part is held back.
const PART: u64 = 16;

/// How much of the reserve a transaction leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leaves {
    /// Nothing: it stores nothing new, and must go on.
    #[default]
    Nothing,
    /// Half of it: it can be put off.
    Half,
    /// All of it: it stores something new.
    All,
}

/// The reserve of one file.
pub struct Reserve {
    /// The database's file. It must be closed after all connections to it: the system takes all locks
    /// on a file from a process that closes it.
    file: Arc<File>,
    page_size: u64,
    /// The most pages that the file may have.
    bound: u64,
    /// Pages held back.
    pages: u64,
    /// Whether the disk refused more when it was asked last.
    tight: AtomicBool,
    /// Whether it was longer than its pages need, when it was looked at last.
    too_long: AtomicBool,
}

impl Reserve {
    /// The reserve of a file that a connection has open.
    ///
    /// # Errors
    /// The driver's.
    pub fn of(connection: &Connection, file: Arc<File>) -> rusqlite::Result<Reserve> {
        let page_size = number(connection, "PRAGMA page_size")?.max(512);
        let bound = number(connection, "PRAGMA max_page_count")?;
        let [tight, too_long] = [false, false].map(AtomicBool::new);
        Ok(Reserve { file, page_size, bound, pages: pages_held(page_size, bound), tight, too_long })
    }

    /// Sees to it, before a commit, that the file is long enough for its pages and the reserve.
    ///
    /// # Errors
    /// `Full`: less of it would be left than must be; the driver's.
    pub fn hold(&self, connection: &Connection, leaves: Leaves) -> Outcome<()> {
        let used = number(connection, "PRAGMA page_count")?;
        let free = number(connection, "PRAGMA freelist_count")?;
        let least = (used + self.pages.saturating_sub(free)).min(self.bound) * self.page_size;
        let wanted = (least + CHUNK).min(self.bound.saturating_mul(self.page_size));
        let (length, outcome) = lengthen(&self.file, least, wanted);
        self.tight.store(outcome.is_err(), Ordering::Relaxed);
        self.too_long.store(length > (used + self.pages) * self.page_size + CHUNK, Ordering::Relaxed);
        let there = (length / self.page_size).min(self.bound);
        let left = match leaves {
            Leaves::Nothing => 0,
            Leaves::Half => self.pages / 2,
            Leaves::All => self.pages,
        };
        if there < used || there - used + free < left {
            return Err(Fail::Full);
        }
        Ok(())
    }

    /// Whether the disk refused more when it was asked last.
    pub fn is_tight(&self) -> bool {
        self.tight.load(Ordering::Relaxed)
    }

    /// Whether it has given pages back that the file still holds: only copying the log makes it shorter.
    pub fn is_too_long(&self) -> bool {
        self.too_long.load(Ordering::Relaxed)
    }
}

/// How many pages are held back of a file of at most so many.
pub fn pages_held(page_size: u64, bound: u64) -> u64 {
    (RESERVE / page_size).min(bound / PART).max(1)
}

/// Opens the file of a database, for its reserve. SQLite takes a file without a log to have as many pages
/// as it is long, the reserve of its last life included: so that length must outlive a power cut.
///
/// # Errors
/// The system's.
pub fn open(path: &Path) -> std::io::Result<Arc<File>> {
    let file = File::options().write(true).open(path)?;
    file.sync_all()?;
    Ok(Arc::new(file))
}

fn number(connection: &Connection, pragma: &str) -> rusqlite::Result<u64> {
    let value: i64 = connection.prepare_cached(pragma)?.query_row([], |row| row.get(0))?;
    Ok(u64::try_from(value).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection;
    use crate::schema::POOL;
    use crate::settings::Settings;

    #[test]
    fn what_stores_something_new_leaves_the_reserve_to_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p.db");
        std::fs::write(&path, "").unwrap();
        let file = open(&path).unwrap();
        let connection = connection::writer(&path, POOL, &Settings { max_mib: 1, ..Settings::default() }).unwrap();
        let reserve = Reserve::of(&connection, file).unwrap();
        let holds = |leaves| reserve.hold(&connection, leaves).is_ok();
        connection.execute_batch("CREATE TABLE filled (bytes)").unwrap();
        let grow = || connection.execute("INSERT INTO filled VALUES (zeroblob(4000))", []).unwrap();
        while holds(Leaves::All) {
            let length = std::fs::metadata(&path).unwrap().len() / reserve.page_size;
            assert!(length >= number(&connection, "PRAGMA page_count").unwrap() + reserve.pages);
            grow();
        }
        assert!(holds(Leaves::Half) && holds(Leaves::Nothing));
        for _ in 0..reserve.pages / 2 {
            grow();
        }
        assert!(!holds(Leaves::Half) && holds(Leaves::Nothing));
    }
}
