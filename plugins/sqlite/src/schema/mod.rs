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
    /// The steps from one version to the next; their number is the present version.
    steps: &'static [&'static str],
}

/// A pool's file.
pub const POOL: Schema =
    Schema { role: "pool", application: i32::from_be_bytes(*b"SukP"), steps: &[include_str!("pool.sql")] };

/// A catalog's file.
pub const CATALOG: Schema =
    Schema { role: "catalog", application: i32::from_be_bytes(*b"SukC"), steps: &[include_str!("catalog.sql")] };

impl Schema {
    /// Brings a file to the present version: makes the tables of a new one, migrates an old one.
    ///
    /// # Errors
    /// `Invalid`: the file is somebody else's, of the other kind, or of a newer version.
    pub fn apply(&self, connection: &Connection) -> Result<()> {
        let number = |pragma: &str| {
            connection.query_row(pragma, [], |row| row.get::<_, i64>(0)).map_err(|error| of_driver(&error))
        };
        let application = number("PRAGMA application_id")?;
        let version = number("PRAGMA user_version")?;
        let tables = number("SELECT count(*) FROM sqlite_schema")?;
        let steps = i64::try_from(self.steps.len()).unwrap_or(i64::MAX);
        if application == 0 && version == 0 && tables == 0 {
            return self.migrate(connection, 0);
        }
        if application != i64::from(self.application) {
            let what = [POOL, CATALOG].into_iter().find(|other| i64::from(other.application) == application);
            let what = what.map_or("another program's database", |other| other.role);
            return Err(Error::invalid(format!("the file is no {} but {what}; name another file", self.role)));
        }
        if version > steps {
            let message = format!(
                "the file was written by a newer sukkal (layout {version}, this one knows {steps}); upgrade this host"
            );
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        self.migrate(connection, usize::try_from(version).unwrap_or(0))
    }

    fn migrate(&self, connection: &Connection, from: usize) -> Result<()> {
        for (index, step) in self.steps.iter().enumerate().skip(from) {
            let sql = format!(
                "BEGIN IMMEDIATE; {step} PRAGMA application_id = {}; PRAGMA user_version = {}; COMMIT;",
                self.application,
                index + 1
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
        assert!(refused.message.contains("layout 99, this one knows 1"), "{}", refused.message);
        let stranger = Connection::open_in_memory().unwrap();
        stranger.execute_batch("CREATE TABLE a (b)").unwrap();
        assert!(POOL.apply(&stranger).unwrap_err().message.contains("another program's"));
    }
}
