//! Room in the log's file ahead of what is written into it.
//!
//! A commit that makes the file longer waits for the file system's own books too, about as long as
//! for its data. So the file grows by chunks of zeros, which SQLite reads as the end of the log.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// By so much the file grows, in bytes.
const CHUNK: u64 = 1 << 20;
/// It does once less than this is left.
const LOW: u64 = CHUNK / 4;

/// The log's file, as far as the writer has seen to its length.
pub struct Headroom {
    /// `None` where it cannot be made longer: SQLite does so, commit by commit.
    file: Option<File>,
    length: u64,
    /// The file is not made longer than this.
    bound: u64,
}

impl Headroom {
    /// The room in the log of a database that is open in write-ahead mode.
    pub fn of(database: &Path, bound: u64) -> Headroom {
        let mut path = database.as_os_str().to_owned();
        path.push("-wal");
        Headroom { file: File::options().write(true).open(path).ok(), length: 0, bound }
    }

    /// Sees to it that there is room behind the bytes used so far. To be called within a write
    /// transaction, which keeps everybody else from writing to the log: what lies behind its end is
    /// nobody's.
    pub fn keep(&mut self, used: u64) {
        if used + LOW <= self.length || self.length >= self.bound {
            return;
        }
        if let Some(file) = &self.file {
            match extend(file, used) {
                Ok(length) => self.length = length,
                // A full disk, for instance: the commit itself will tell.
                Err(_) => self.file = None,
            }
        }
    }
}

/// Adds a chunk, unless the file is long enough; answers how long it is.
fn extend(file: &File, used: u64) -> io::Result<u64> {
    let length = file.metadata()?.len();
    if used + LOW <= length {
        return Ok(length);
    }
    file.write_all_at(&vec![0; CHUNK as usize], length)?;
    Ok(length + CHUNK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_grows_by_chunks_behind_what_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let (database, log) = (dir.path().join("a.db"), dir.path().join("a.db-wal"));
        std::fs::write(&log, b"frames").unwrap();
        let mut headroom = Headroom::of(&database, 2 * CHUNK);
        let length = || std::fs::metadata(&log).unwrap().len();
        headroom.keep(6);
        headroom.keep(CHUNK / 2);
        assert_eq!(length(), 6 + CHUNK);
        assert!(std::fs::read(&log).unwrap().starts_with(b"frames\0"));
        headroom.keep(CHUNK);
        headroom.keep(CHUNK * 2);
        assert_eq!(length(), 6 + CHUNK * 2, "no longer than its bound");
    }

    #[test]
    fn a_log_that_cannot_be_opened_is_left_to_sqlite() {
        let dir = tempfile::tempdir().unwrap();
        Headroom::of(&dir.path().join("a.db"), CHUNK).keep(0);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
