//! Opening a file: what each connection is set to, and why.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use sukkal_plugin_sdk::Result;

use crate::error::of_driver;
use crate::schema::Schema;
use crate::settings::{Settings, Synchronous};

/// Statements kept prepared by each connection: more than there are.
const STATEMENTS: usize = 128;
/// Only programs other than hosts (a backup, a shell) can make us wait for a lock.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// The connection that writes. Makes the file if there is none.
///
/// # Errors
/// `Invalid`: the file is not ours to open; `Unavailable`: the disk refuses.
pub fn writer(path: &Path, schema: Schema, settings: &Settings) -> Result<Connection> {
    let open = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(PATIENCE)?;
        keep_log(&connection)?;
        Ok(connection)
    };
    let connection = open().map_err(|error| of_driver(&error))?;
    // Before anything of it is changed: it may be another program's.
    schema.check(&connection)?;
    set_up(&connection, settings).map_err(|error| of_driver(&error))?;
    schema.apply(&connection)?;
    bound(&connection, settings).map_err(|error| of_driver(&error))?;
    Ok(connection)
}

fn set_up(connection: &Connection, settings: &Settings) -> rusqlite::Result<()> {
    // These two hold only for a file without tables, and must come before the log.
    connection.pragma_update(None, "page_size", settings.page_size)?;
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    tune(connection, settings, settings.cache_kib)?;
    // Copying the log into the file is the checkpointer's work, so that commits do not stall.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    // Beyond where the log is begun anew, so that its file is used again as it is.
    connection.pragma_update(None, "journal_size_limit", (i64::from(settings.checkpoint_mib) * 9) << 20)
}

/// A connection that reads.
///
/// # Errors
/// `Unavailable`: the disk refuses.
pub fn reader(path: &Path, settings: &Settings) -> Result<Connection> {
    let open = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(PATIENCE)?;
        tune(&connection, settings, settings.reader_cache_kib)?;
        Ok(connection)
    };
    open().map_err(|error| of_driver(&error))
}

/// The connection that copies the log into the file.
///
/// # Errors
/// `Unavailable`: the disk refuses.
pub fn checkpointer(path: &Path, settings: &Settings) -> Result<Connection> {
    let open = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(PATIENCE)?;
        tune(&connection, settings, 64)?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        Ok(connection)
    };
    open().map_err(|error| of_driver(&error))
}

fn tune(connection: &Connection, settings: &Settings, cache_kib: u32) -> rusqlite::Result<()> {
    let synchronous = match settings.synchronous {
        Synchronous::Full => "FULL",
        Synchronous::Normal => "NORMAL",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    // A negative number counts KiB.
    connection.pragma_update(None, "cache_size", -i64::from(cache_kib))?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // Plans must not depend on what is bound: else a statement with a bound LIMIT is prepared anew
    // each time that it is run.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    keep_log(connection)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

/// The log stays when this is closed: a disk that others have filled would have no room for another at the next start,
/// and a database that is not ours is left as it is. Ours is emptied by the writer (wal.rs).
fn keep_log(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map(drop)
}

fn bound(connection: &Connection, settings: &Settings) -> rusqlite::Result<()> {
    // The pages' size is the file's own, which an older setting may have made.
    let page_size: i64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    let pages = match settings.max_mib {
        0 => i64::from(u32::MAX) - 1,
        mib => (i64::from(mib) << 20) / page_size.max(1),
    };
    connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;
    use crate::schema::POOL;

    #[test]
    fn a_statement_is_prepared_once_whatever_its_limit() {
        let dir = tempfile::tempdir().unwrap();
        let connection = writer(&dir.path().join("p.db"), POOL, &Settings::default()).unwrap();
        for limit in [1, 2, 3] {
            let mut statement = connection
                .prepare_cached(
                    "SELECT count(*) FROM (SELECT 1 FROM block WHERE key >> 34 = ?1 AND wakes <= ?2 LIMIT ?3)",
                )
                .unwrap();
            let found: i64 = statement.query_row([1, 2, limit], |row| row.get(0)).unwrap();
            assert_eq!((found, statement.get_status(StatementStatus::RePrepare)), (0, 0));
        }
    }
}
