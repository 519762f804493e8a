//! Whether the files that are open are still those at their paths.
//!
//! A file that was removed, or over which another was moved, goes on for the process that has it open:
//! every commit succeeds, and all of it is gone with the process. So it is looked for before what is
//! written is acknowledged, at most once in [`EVERY`].

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sukkal_plugin_sdk::{Error, Result, tracing};

use crate::headroom;

/// What is acknowledged within so long after a look may be in a file that was removed since.
const EVERY: Duration = Duration::from_secs(1);

/// The database and its log, as they were opened.
pub struct Presence {
    files: [Opened; 2],
    looked: Option<Instant>,
    /// What is wrong, as of the last look.
    missing: Option<Error>,
}

struct Opened {
    path: PathBuf,
    identity: (u64, u64),
}

impl Presence {
    /// Of a database that was just opened.
    ///
    /// # Errors
    /// The system's.
    pub fn of(database: &Path) -> io::Result<Presence> {
        let opened = |path: PathBuf| identity(&path).map(|identity| Opened { path, identity });
        let files = [opened(database.to_owned())?, opened(headroom::log_of(database))?];
        Ok(Presence { files, looked: None, missing: None })
    }

    /// Looks, if the last look is long enough ago. What was moved away and is back again is as before.
    ///
    /// # Errors
    /// `Unavailable`: what is written now would be lost.
    pub fn check(&mut self, now: Instant) -> Result<()> {
        if self.looked.is_none_or(|looked| now.saturating_duration_since(looked) >= EVERY) {
            self.looked = Some(now);
            let missing = self.files.iter().find_map(Opened::missing);
            match (&missing, &self.missing) {
                (Some(error), None) => tracing::error!(%error, "nothing is written any more"),
                (None, Some(_)) => tracing::info!("the file of this store is at its path again"),
                _ => {}
            }
            self.missing = missing;
        }
        self.missing.clone().map_or(Ok(()), Err)
    }
}

impl Opened {
    fn missing(&self) -> Option<Error> {
        let why = match identity(&self.path) {
            Ok(found) if found == self.identity => return None,
            Ok(_) => "another file is there".to_owned(),
            Err(error) => error.to_string(),
        };
        let message = "the file of this store was removed or replaced while it was open, and what is written now would be \
             lost; put it back, or restart the host to go on with what is there";
        Some(Error::unavailable(message).detail(format_args!("{}: {why}", self.path.display())))
    }
}

/// Device and inode: what a file is, under whatever name.
///
/// # Errors
/// The system's.
pub fn identity(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::metadata(path).map(|found| (found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_gone_or_another_is_told_at_the_next_look_until_it_is_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let moved = |from: &str, to: &str| std::fs::rename(path(from), path(to)).unwrap();
        for name in ["a.db", "a.db-wal", "other"] {
            std::fs::write(path(name), "").unwrap();
        }
        let mut presence = Presence::of(&path("a.db")).unwrap();
        let mut now = Instant::now();
        let mut looks_after = |time| {
            now += time;
            presence.check(now).is_ok()
        };
        assert!(looks_after(EVERY));
        moved("a.db-wal", "elsewhere");
        assert!(!looks_after(EVERY), "the log is gone");
        moved("elsewhere", "a.db-wal");
        assert!(looks_after(EVERY));
        moved("a.db", "elsewhere");
        moved("other", "a.db");
        assert!(!looks_after(EVERY), "another is in its place");
        moved("elsewhere", "a.db");
        assert!(looks_after(EVERY));
        std::fs::remove_file(path("a.db")).unwrap();
        assert!(looks_after(Duration::ZERO), "it is not looked for again at once");
        assert!(!looks_after(EVERY));
    }
}
