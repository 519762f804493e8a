//! Another program that uses a SQLite file.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

/// Reads a pool's file, in one transaction that lasts until this is dropped.
///
/// # Panics
/// When it cannot be read.
pub fn reading(pool: &Path) -> Connection {
    let reader = Connection::open_with_flags(pool, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("it can be opened");
    reader.execute_batch("BEGIN").expect("a transaction can be begun");
    reader.query_row("SELECT count(*) FROM queue", [], |row| row.get::<_, i64>(0)).expect("it can be read");
    reader
}
