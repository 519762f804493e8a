//! The file, written by a thread of its own: a slow disk holds no thread of the host.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use sukkal_plugin_sdk::tokio::sync::mpsc::{Receiver, Sender, channel};
use sukkal_plugin_sdk::tokio::sync::oneshot;
use sukkal_plugin_sdk::{Error, Result, tracing};

/// At most so many lines in one write.
const TOGETHER: usize = 1_000;
/// After a write, lines gather for so long: then a busy host wakes the writer a few hundred times a
/// second, in place of once for each request.
const GATHER: Duration = Duration::from_millis(2);

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
            let (file, told) = match append(&path) {
                Ok(file) => (Some(file), Ok(())),
                Err(error) => (None, Err(error)),
            };
            // Whoever waits no longer has no lines either.
            let _ = tells.send(told);
            if let Some(file) = file {
                write_all(path, file, receiver, counted);
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

fn append(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

fn write_all(path: PathBuf, mut file: File, mut lines: Receiver<Vec<u8>>, counted: impl Fn(Written, u64)) {
    let mut waiting = Vec::new();
    while lines.blocking_recv_many(&mut waiting, TOGETHER) > 0 {
        if let Some(anew) = moved_away(&path, &file) {
            file = anew;
        }
        let written = match file.write_all(&waiting.concat()) {
            Ok(()) => Written::Whole,
            Err(error) => {
                tracing::error!(%error, lines = waiting.len(), path = %path.display(), "audit lines are lost");
                Written::Lost
            }
        };
        counted(written, waiting.len() as u64);
        waiting.clear();
        std::thread::sleep(GATHER);
    }
}

/// The file under the path, where that is no more the one that is open.
fn moved_away(path: &Path, file: &File) -> Option<File> {
    let open = file.metadata().ok()?;
    let there = std::fs::metadata(path).ok();
    let same = there.is_some_and(|there| (there.dev(), there.ino()) == (open.dev(), open.ino()));
    if same { None } else { append(path).ok() }
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
