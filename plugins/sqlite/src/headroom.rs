//! Room in the log's file ahead of what is written into it.
//!
//! A commit that makes the file longer waits for the file system's own books too, about as long as
//! for its data. So the file grows by chunks of zeros, which SQLite reads as the end of the log. It is
//! never short, so that what must go on when the disk is full has a log to be written to.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Bytes at the beginning of a log.
pub const LOG_HEAD: usize = 32;
/// By so much files grow, in bytes.
pub const CHUNK: u64 = 1 << 20;
/// It does once less than this is left.
const LOW: u64 = CHUNK / 4;
/// At least so long it is: the largest piece of work that is no post fits, unless it can wait.
const LEAST: u64 = 4 * CHUNK;
/// How long after the disk was found to be full it is asked again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// The log's file, as far as the writer has seen to its length.
pub struct Headroom {
    /// `None` where it cannot be opened: SQLite makes it longer, commit by commit.
    file: Option<File>,
    length: u64,
    /// The file is not made longer than this.
    bound: u64,
    /// Until then the disk is taken to be full.
    full_until: Option<Instant>,
}

impl Headroom {
    /// The room in the log of a database that is open in write-ahead mode.
    pub fn of(database: &Path, bound: u64) -> Headroom {
        let file = File::options().write(true).open(log_of(database)).ok();
        Headroom { file, length: 0, bound, full_until: None }
    }

    /// Sees to it that there is room behind the bytes used so far. To be called within a write
    /// transaction, which keeps everybody else from writing to the log: what lies behind its end is
    /// nobody's.
    pub fn keep(&mut self, used: u64) {
        let wanted = (used + LOW).max(LEAST).min(self.bound);
        let Some(file) = &self.file else { return };
        if wanted <= self.length || self.full_until.is_some_and(|until| Instant::now() < until) {
            return;
        }
        let (length, outcome) = lengthen(file, wanted, wanted - LOW + CHUNK);
        self.length = length;
        self.full_until = outcome.err().map(|_| Instant::now() + TRY_AGAIN);
    }

    /// Empties a log that is all copied, and leaves it as long as it is to be at least. To be called within
    /// a write transaction, as [`Headroom::keep`].
    ///
    /// # Errors
    /// The system's: the log is as it was, or empty.
    pub fn empty(&self) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        // What follows a head of zeros is no log. It must be there before the end is cut off: a part of a log
        // would be taken for all of it.
        file.write_all_at(&[0; LOG_HEAD], 0)?;
        file.sync_all()?;
        let least = LEAST.min(self.bound);
        if file.metadata()?.len() > least { file.set_len(least) } else { Ok(()) }
    }

    /// Whether the log is as long as it is to be at least.
    pub fn is_whole(&self) -> bool {
        self.file.is_none() || self.length >= LEAST.min(self.bound)
    }
}

/// Where the log of a database lies.
pub fn log_of(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push("-wal");
    PathBuf::from(path)
}

/// Sees to it that a file is so long at least, and if it is not, makes it so long, with zeros: the disk
/// has given away the room for them then. Answers how long it is, whatever comes of that.
pub fn lengthen(file: &File, least: u64, wanted: u64) -> (u64, io::Result<()>) {
    let mut length = match file.metadata() {
        Ok(metadata) => metadata.len(),
        Err(error) => return (0, Err(error)),
    };
    if length >= least {
        return (length, Ok(()));
    }
    let zeros = vec![0; CHUNK as usize];
    while length < wanted {
        let missing = usize::try_from(wanted - length).unwrap_or(usize::MAX);
        match file.write_at(&zeros[..missing.min(zeros.len())], length) {
            Ok(0) => break,
            Ok(n_written) => length += n_written as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Enough, if not as much as was wanted.
            Err(_) if length >= least => break,
            Err(error) => return (length, Err(error)),
        }
    }
    (length, Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_grows_by_chunks_behind_what_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let (database, log) = (dir.path().join("a.db"), dir.path().join("a.db-wal"));
        std::fs::write(&log, b"frames").unwrap();
        let mut headroom = Headroom::of(&database, 6 * CHUNK);
        let length = || std::fs::metadata(&log).unwrap().len();
        assert!(!headroom.is_whole());
        headroom.keep(6);
        let first = length();
        assert!(headroom.is_whole() && first >= LEAST, "{first}");
        headroom.keep(first - LOW);
        assert_eq!(length(), first);
        assert!(std::fs::read(&log).unwrap().starts_with(b"frames\0"));
        headroom.keep(first);
        assert_eq!(length(), first + CHUNK);
        headroom.keep(6 * CHUNK);
        headroom.keep(7 * CHUNK);
        assert!(length() <= 7 * CHUNK, "{} is longer than its bound", length());
    }

    #[test]
    fn a_log_that_cannot_be_opened_is_left_to_sqlite() {
        let dir = tempfile::tempdir().unwrap();
        Headroom::of(&dir.path().join("a.db"), CHUNK).keep(0);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
