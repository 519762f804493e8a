//! The file, written by a thread of its own: a slow disk holds no thread of the host.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sukkal_plugin_sdk::tokio::sync::mpsc::error::TrySendError;
use sukkal_plugin_sdk::tokio::sync::mpsc::{Receiver, Sender, channel};
use sukkal_plugin_sdk::tokio::sync::oneshot;
use sukkal_plugin_sdk::{Error, Result};

use crate::lines::Lines;
use crate::losses::{Losses, Written};

/// At most so many lines in one write.
const TOGETHER: usize = 1_000;
/// After a write, lines gather for so long: then a busy host wakes the writer a few hundred times a
/// second, in place of once for each request.
const GATHER: Duration = Duration::from_millis(2);

/// The file.
pub struct Trail {
    lines: Mutex<Option<Sender<Vec<u8>>>>,
    /// Told once everything is written.
    ended: Mutex<Option<oneshot::Receiver<()>>>,
    losses: Arc<Losses>,
}

impl Trail {
    /// Opens the file to append to it. `counted` is told what became of so many lines.
    ///
    /// # Errors
    /// `Unavailable`: it cannot be written.
    pub async fn open(
        path: PathBuf,
        backlog: usize,
        counted: impl Fn(Written, u64) + Send + Sync + 'static,
    ) -> Result<Self> {
        let text = format!("the audit file {} cannot be written", path.display());
        let (sender, receiver) = channel(backlog);
        let (ends, ended) = oneshot::channel::<()>();
        let (tells, opened) = oneshot::channel();
        let losses = Arc::new(Losses::new(path.clone(), counted));
        let told = losses.clone();
        let write = move || {
            let _ends = ends;
            let (file, outcome) = match Lines::open(path) {
                Ok(file) => (Some(file), Ok(())),
                Err(error) => (None, Err(error)),
            };
            // Whoever waits no longer has no lines either.
            let _ = tells.send(outcome);
            if let Some(file) = file {
                write_all(file, receiver, &told);
            }
        };
        std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(write)
            .map_err(|error| Error::unavailable("no thread is left for the audit").detail(error))?;
        // A pipe that nobody reads does not open: the host bounds the wait, and no thread of its own is held.
        match opened.await {
            Ok(Ok(())) => Ok(Trail { lines: Mutex::new(Some(sender)), ended: Mutex::new(Some(ended)), losses }),
            Ok(Err(error)) => Err(Error::unavailable(text).detail(error)),
            Err(_) => Err(Error::internal(text)),
        }
    }

    /// Hands a line over; waits while too many wait for the disk. The line is lost if it is not waited for.
    ///
    /// # Errors
    /// `Unavailable`: the file was closed, and the line is lost.
    pub async fn write(&self, line: Vec<u8>) -> Result<()> {
        let mut waiting = Waiting { losses: &self.losses, lost_by: Some(TOO_LONG) };
        let sender = lock(&self.lines).clone();
        let sent = match sender {
            Some(sender) => sender.send(line).await.is_ok(),
            None => false,
        };
        waiting.lost_by = (!sent).then_some(CLOSED);
        if sent { Ok(()) } else { Err(Error::unavailable(CLOSED)) }
    }

    /// Hands a line over that is lost if too many wait for the disk.
    ///
    /// # Errors
    /// `Unavailable`: the file was closed, and the line is lost.
    pub fn offer(&self, line: Vec<u8>) -> Result<()> {
        let sent = lock(&self.lines).as_ref().map(|sender| sender.try_send(line));
        match sent {
            Some(Ok(())) => Ok(()),
            Some(Err(TrySendError::Full(_))) => {
                self.losses.lost(1, &NOT_WAITED_FOR);
                Ok(())
            }
            Some(Err(TrySendError::Closed(_))) | None => {
                self.losses.lost(1, &CLOSED);
                Err(Error::unavailable(CLOSED))
            }
        }
    }

    /// Writes what waits, and closes the file. A disk that hangs is not waited for longer than the caller does.
    pub async fn close(&self) {
        lock(&self.lines).take();
        let ended = lock(&self.ended).take();
        if let Some(ended) = ended {
            // Told by being dropped, also where the writer panics.
            let _ = ended.await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Nothing under these locks can panic half-way.
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

const CLOSED: &str = "the audit file is closed";
const TOO_LONG: &str = "the disk takes none, and who waited for it has gone on: the filter's timeout is over";
const NOT_WAITED_FOR: &str = "the disk takes none, and a ping does not wait for it";

/// A line that is not handed over yet. Who is dropped while it waits has lost it.
struct Waiting<'a> {
    losses: &'a Losses,
    lost_by: Option<&'static str>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(reason) = self.lost_by {
            self.losses.lost(1, &reason);
        }
    }
}

fn write_all(mut file: Lines, mut lines: Receiver<Vec<u8>>, losses: &Losses) {
    let mut waiting = Vec::new();
    while lines.blocking_recv_many(&mut waiting, TOGETHER) > 0 {
        let found = file.find_again();
        // One that was moved away and has a name is still read; without one it is lost, with all that is written to it.
        let (n_whole, outcome) = match found {
            Err(error) if file.is_removed() => (0, Err(error)),
            found => {
                losses.found_again(&found);
                file.append(&waiting)
            }
        };
        losses.written(n_whole as u64);
        if let Err(error) = outcome {
            losses.lost((waiting.len() - n_whole) as u64, &error);
        }
        waiting.clear();
        std::thread::sleep(GATHER);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn run<T>(future: impl Future<Output = T>) -> T {
        sukkal_plugin_sdk::tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn lines_are_there_when_it_is_closed_and_a_moved_file_is_made_anew() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.jsonl");
        run(async {
            let trail = Trail::open(path.clone(), 2, |_, _| {}).await.unwrap();
            trail.write(b"one\n".to_vec()).await.unwrap();
            while std::fs::read(&path).unwrap().is_empty() {
                sukkal_plugin_sdk::tokio::task::yield_now().await;
            }
            std::fs::rename(&path, directory.path().join("old")).unwrap();
            trail.write(b"two\n".to_vec()).await.unwrap();
            trail.close().await;
            assert!(trail.write(b"three\n".to_vec()).await.is_err());
        });
        assert_eq!(std::fs::read_to_string(directory.path().join("old")).unwrap(), "one\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two\n");
    }

    /// Counts written and lost lines.
    fn tally() -> (Arc<[AtomicU64; 2]>, impl Fn(Written, u64) + Send + Sync + 'static) {
        let counts = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
        let counted = counts.clone();
        (counts, move |written, n_lines| {
            counted[matches!(written, Written::Lost) as usize].fetch_add(n_lines, Ordering::Relaxed);
        })
    }

    fn counts(tally: &[AtomicU64; 2]) -> [u64; 2] {
        [0, 1].map(|index| tally[index].load(Ordering::Relaxed))
    }

    /// Writes a line, and waits until it is known what became of it.
    async fn write_and_wait(trail: &Trail, line: &[u8], tally: &[AtomicU64; 2]) {
        let before = counts(tally).iter().sum::<u64>();
        trail.write(line.to_vec()).await.unwrap();
        while counts(tally).iter().sum::<u64>() == before {
            sukkal_plugin_sdk::tokio::task::yield_now().await;
        }
    }

    #[test]
    fn a_moved_file_that_cannot_be_made_anew_is_written_on_and_a_removed_one_loses_lines() {
        let directory = tempfile::tempdir().unwrap();
        let (path, old) = (directory.path().join("audit.jsonl"), directory.path().join("old"));
        run(async {
            let (tally, counted) = tally();
            let trail = Trail::open(path.clone(), 2, counted).await.unwrap();
            write_and_wait(&trail, b"one\n", &tally).await;
            std::fs::rename(&path, &old).unwrap();
            // Also who may do everything can make no file in its place.
            std::fs::create_dir(&path).unwrap();
            write_and_wait(&trail, b"two\n", &tally).await;
            assert_eq!(counts(&tally), [2, 0]);
            assert_eq!(std::fs::read_to_string(&old).unwrap(), "one\ntwo\n");
            std::fs::remove_file(&old).unwrap();
            write_and_wait(&trail, b"three\n", &tally).await;
            assert_eq!(counts(&tally), [2, 1]);
            std::fs::remove_dir(&path).unwrap();
            write_and_wait(&trail, b"four\n", &tally).await;
            assert_eq!(counts(&tally), [3, 1]);
            trail.close().await;
        });
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "four\n");
    }

    #[test]
    fn a_line_that_was_cut_short_is_ended_before_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.jsonl");
        for (there, with_it) in [("one\ntw", "one\ntw\nnext\n"), ("one\n", "one\nnext\n"), ("", "next\n")] {
            std::fs::write(&path, there).unwrap();
            run(async {
                let trail = Trail::open(path.clone(), 2, |_, _| {}).await.unwrap();
                trail.write(b"next\n".to_vec()).await.unwrap();
                trail.close().await;
            });
            assert_eq!(std::fs::read_to_string(&path).unwrap(), with_it);
        }
    }

    #[test]
    fn who_does_not_wait_for_the_disk_has_lost_the_line_and_it_is_counted() {
        let (tally, counted) = tally();
        let (sender, mut receiver) = channel(1);
        let losses = Arc::new(Losses::new(PathBuf::new(), counted));
        let trail = Trail { lines: Mutex::new(Some(sender)), ended: Mutex::new(None), losses };
        run(async {
            trail.write(b"one\n".to_vec()).await.unwrap();
            let waits = trail.write(b"two\n".to_vec());
            sukkal_plugin_sdk::tokio::select! {
                biased;
                _ = waits => unreachable!("there is no room"),
                () = std::future::ready(()) => {}
            }
            assert_eq!(counts(&tally), [0, 1]);
            receiver.recv().await.unwrap();
            trail.write(b"three\n".to_vec()).await.unwrap();
            assert_eq!(counts(&tally), [0, 1]);
            trail.close().await;
            assert!(trail.write(b"four\n".to_vec()).await.is_err());
            assert_eq!(counts(&tally), [0, 2]);
        });
    }
}
