//! What became of lines: counted one by one, and lost ones told once.

use std::fmt::Display;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sukkal_plugin_sdk::tracing;

/// Once lines have been written for so long, no more are lost.
const OVER: Duration = Duration::from_secs(1);

/// What became of lines.
#[derive(Clone, Copy)]
pub enum Written {
    /// They are in the file.
    Whole,
    /// They are in no file.
    Lost,
}

/// Counts lines, and tells of those that are lost: once, and not for every line.
pub struct Losses {
    path: PathBuf,
    counted: Box<dyn Fn(Written, u64) + Send + Sync>,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    n_lost: u64,
    last: Option<Instant>,
    /// Lines go to a file that was moved away.
    is_moved: bool,
}

impl Losses {
    /// Of the file at a path. `counted` hears what became of so many lines.
    pub fn new(path: PathBuf, counted: impl Fn(Written, u64) + Send + Sync + 'static) -> Self {
        Losses { path, counted: Box::new(counted), told: Mutex::default() }
    }

    /// So many lines are in the file.
    pub fn written(&self, n_lines: u64) {
        if n_lines == 0 {
            return;
        }
        (self.counted)(Written::Whole, n_lines);
        let mut told = self.told();
        // A full disk may still take a short line now and then.
        if told.last.is_some_and(|last| last.elapsed() >= OVER) {
            tracing::warn!(lost = told.n_lost, path = %self.path.display(), "audit lines are written again");
            (told.n_lost, told.last) = (0, None);
        }
    }

    /// So many lines are lost, and why.
    pub fn lost(&self, n_lines: u64, error: &dyn Display) {
        if n_lines > 0 {
            (self.counted)(Written::Lost, n_lines);
        }
        let mut told = self.told();
        if told.last.is_none() {
            tracing::error!(%error, path = %self.path.display(), "audit lines are lost");
        }
        told.last = Some(Instant::now());
        told.n_lost += n_lines;
    }

    /// Whether the file under the path could be opened after it was moved away, if it was.
    pub fn found_again(&self, found: &io::Result<()>) {
        let was_moved = std::mem::replace(&mut self.told().is_moved, found.is_err());
        let path = self.path.display();
        match found {
            Err(error) if !was_moved => {
                tracing::error!(%error, %path, "the audit file was moved away and cannot be made anew, the old one is written on");
            }
            Ok(()) if was_moved => tracing::warn!(%path, "the audit file is there again"),
            _ => {}
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        // Nothing under this lock can panic half-way.
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
