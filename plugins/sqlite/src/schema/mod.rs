//! The layouts of the two kinds of file, and how a file comes to have one.

use rusqlite::Connection;
use sukkal_plugin_sdk::{Error, ErrorKind, Result};

use crate::error::of_driver;

/// The layout of one kind of file.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// What the file is called in messages, with its article.
    pub role: &'static str,
    /// SQLite's `application_id`, which tells the kinds of file from each other and from strangers'.
    application: i32,
    /// The version that the first step makes; of the ones before it, no release has made files.
    first: i64,
    /// The steps from one version to the next.
    steps: &'static [&'static str],
}

/// A pool's file.
pub const POOL: Schema = Schema {
    role: "pool",
    application: i32::from_be_bytes(*b"SukP"),
    first: 4,
    steps: &[include_str!("pool.sql"), include_str!("pool_5.sql")],
};

/// A catalog's file.
pub const CATALOG: Schema = Schema {
    role: "catalog",
    application: i32::from_be_bytes(*b"SukC"),
    first: 1,
    steps: &[include_str!("catalog.sql")],
};

impl Schema {
    /// Brings a file to the present version: makes the tables of a new one, migrates an old one.
    ///
    /// # Errors
    /// [`Schema::check`]'s, and the driver's.
    pub fn apply(&self, connection: &Connection) -> Result<()> {
        let version = self.check(connection)?;
        self.migrate(connection, version)
    }

    /// The version of a file, which is only looked at; that before the first where it is a new one.
    ///
    /// # Errors
    /// `Invalid`: the file is somebody else's, of the other kind, or of a version that is not known.
    pub fn check(&self, connection: &Connection) -> Result<i64> {
        let number = |pragma: &str| {
            connection.query_row(pragma, [], |row| row.get::<_, i64>(0)).map_err(|error| of_driver(&error))
        };
        let application = number("PRAGMA application_id")?;
        let version = number("PRAGMA user_version")?;
        let tables = number("SELECT count(*) FROM sqlite_schema")?;
        let present = self.version_after(self.steps.len().saturating_sub(1));
        if application == 0 && version == 0 && tables == 0 {
            return Ok(self.first - 1);
        }
        if application != i64::from(self.application) {
            let what = [POOL, CATALOG].into_iter().find(|other| i64::from(other.application) == application);
            let what = what.map_or("another program's database", |other| other.role);
            return Err(Error::invalid(format!("the file is no {} but {what}; name another file", self.role)));
        }
        if version > present {
            let message = format!(
                "the file was written by a newer sukkal (layout {version}, this one knows {present}); upgrade this host"
            );
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        if version < self.first {
            let message = format!(
                "the file is of layout {version}, from before the first release; name another file, or remove this one"
            );
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        Ok(version)
    }

    fn version_after(&self, step: usize) -> i64 {
        self.first.saturating_add(i64::try_from(step).unwrap_or(i64::MAX))
    }

    /// Takes the steps that lead on from a version.
    fn migrate(&self, connection: &Connection, from: i64) -> Result<()> {
        for (index, step) in self.steps.iter().enumerate() {
            let version = self.version_after(index);
            if version <= from {
                continue;
            }
            let sql = format!(
                "BEGIN IMMEDIATE; {step} PRAGMA application_id = {}; PRAGMA user_version = {version}; COMMIT;",
                self.application
            );
            connection.execute_batch(&sql).map_err(|error| of_driver(&error))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_another_kind_or_a_newer_version_is_refused_in_words() {
        let connection = Connection::open_in_memory().unwrap();
        POOL.apply(&connection).unwrap();
        POOL.apply(&connection).unwrap();
        let refused = CATALOG.apply(&connection).unwrap_err();
        assert_eq!(refused.message, "the file is no catalog but pool; name another file");
        connection.execute_batch("PRAGMA user_version = 99").unwrap();
        let refused = POOL.apply(&connection).unwrap_err();
        assert!(refused.message.contains("layout 99, this one knows 5"), "{}", refused.message);
        connection.execute_batch("PRAGMA user_version = 1").unwrap();
        let refused = POOL.apply(&connection).unwrap_err();
        assert!(refused.message.contains("layout 1, from before the first release"), "{}", refused.message);
        let stranger = Connection::open_in_memory().unwrap();
        stranger.execute_batch("CREATE TABLE a (b)").unwrap();
        assert!(POOL.apply(&stranger).unwrap_err().message.contains("another program's"));
    }
}
