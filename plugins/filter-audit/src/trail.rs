//! The file, written by a thread of its own: a slow disk holds no thread of the host.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use sukkal_plugin_sdk::tokio::sync::mpsc::{Receiver, Sender, channel};
use sukkal_plugin_sdk::tokio::sync::oneshot;
use sukkal_plugin_sdk::{Error, Result, tracing};

use crate::lines::Lines;

/// At most so many lines in one write.
const TOGETHER: usize = 1_000;
/// After a write, lines gather for so long: then a busy host wakes the writer a few hundred times a
/// second, in place of once for each request.
const GATHER: Duration = Duration::from_millis(2);
/// Once lines have been written for so long, no more are lost.
const OVER: Duration = Duration::from_secs(1);

/// What became of lines.
#[derive(Clone, Copy)]
pub enum Written {
    /// They are in the file.
    Whole,
    /// The file did not take them.
    Lost,
}

/// The file.
pub struct Trail {
    lines: Mutex<Option<Sender<Vec<u8>>>>,
    /// Told once everything is written.
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

impl Trail {
    /// Opens the file to append to it. `counted` is told what became of so many lines.
    ///
    /// # Errors
    /// `Unavailable`: it cannot be written.
    pub async fn open(path: PathBuf, backlog: usize, counted: impl Fn(Written, u64) + Send + 'static) -> Result<Self> {
        let text = format!("the audit file {} cannot be written", path.display());
        let (sender, receiver) = channel(backlog.max(1));
        let (ends, ended) = oneshot::channel::<()>();
        let (tells, opened) = oneshot::channel();
        let write = move || {
            let _ends = ends;
            let (file, told) = match Lines::open(path.clone()) {
                Ok(file) => (Some(file), Ok(())),
                Err(error) => (None, Err(error)),
            };
            // Whoever waits no longer has no lines either.
            let _ = tells.send(told);
            if let Some(file) = file {
                write_all(file, &path, receiver, counted);
            }
        };
        std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(write)
            .map_err(|error| Error::unavailable("no thread is left for the audit").detail(error))?;
        // A pipe that nobody reads does not open: the host bounds the wait, and no thread of its own is held.
        match opened.await {
            Ok(Ok(())) => Ok(Trail { lines: Mutex::new(Some(sender)), ended: Mutex::new(Some(ended)) }),
            Ok(Err(error)) => Err(Error::unavailable(text).detail(error)),
            Err(_) => Err(Error::internal(text)),
        }
    }

    /// Hands a line over; waits while too many wait for the disk.
    ///
    /// # Errors
    /// `Unavailable`: the file was closed.
    pub async fn write(&self, line: Vec<u8>) -> Result<()> {
        let sender = lock(&self.lines).clone();
        let closed = || Error::unavailable("the audit file is closed");
        sender.ok_or_else(closed)?.send(line).await.map_err(|_| closed())
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

fn write_all(mut file: Lines, path: &Path, mut lines: Receiver<Vec<u8>>, counted: impl Fn(Written, u64)) {
    let mut waiting = Vec::new();
    let mut losses = Losses::default();
    while lines.blocking_recv_many(&mut waiting, TOGETHER) > 0 {
        let (n_whole, outcome) = file.append(&waiting);
        let n_lost = waiting.len() - n_whole;
        losses.tell(&outcome, n_lost as u64, path);
        for (written, n_lines) in [(Written::Whole, n_whole), (Written::Lost, n_lost)] {
            if n_lines > 0 {
                counted(written, n_lines as u64);
            }
        }
        waiting.clear();
        std::thread::sleep(GATHER);
    }
}

/// What the file does not take is told once, and not for every line.
#[derive(Default)]
struct Losses {
    n_lines: u64,
    last: Option<Instant>,
}

impl Losses {
    fn tell(&mut self, outcome: &std::io::Result<()>, n_lost: u64, path: &Path) {
        let path = path.display();
        match (outcome, self.last) {
            (Err(error), last) => {
                if last.is_none() {
                    tracing::error!(%error, %path, "audit lines are lost");
                }
                self.last = Some(Instant::now());
                self.n_lines += n_lost;
            }
            // A full disk may still take a short line now and then.
            (Ok(()), Some(last)) if last.elapsed() >= OVER => {
                tracing::warn!(lost = self.n_lines, %path, "audit lines are written again");
                *self = Losses::default();
            }
            (Ok(()), _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
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
}
