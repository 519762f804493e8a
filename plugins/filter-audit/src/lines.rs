//! The end of the file: whole lines alone, whatever the disk takes.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// A file that lines are appended to. It is opened anew after it was moved away.
pub struct Lines {
    path: PathBuf,
    file: File,
    end: Arc<Mutex<End>>,
}

/// The end of a file, held by whoever writes there or looks what is there. Two write to one file while a filter
/// is being replaced, and one would take what the other is about to write for a line that was cut short, or take
/// it back for its own.
#[derive(Default)]
struct End {
    /// Whether a part of a line is there, which could not be taken back. None: nobody has looked yet.
    is_torn: Option<bool>,
}

/// The ends of files, by device and inode.
type Ends = BTreeMap<(u64, u64), Weak<Mutex<End>>>;

/// Those of all files that are open here.
static ENDS: Mutex<Ends> = Mutex::new(BTreeMap::new());

impl End {
    fn of(file: &File) -> io::Result<Arc<Mutex<End>>> {
        let file = file.metadata()?;
        let mut ends = lock(&ENDS);
        ends.retain(|_, end| end.strong_count() > 0);
        let known = ends.entry((file.dev(), file.ino())).or_default();
        Ok(known.upgrade().unwrap_or_else(|| {
            let end = Arc::default();
            *known = Arc::downgrade(&end);
            end
        }))
    }

    fn look(&mut self, file: &File, path: &Path) -> bool {
        *self.is_torn.get_or_insert_with(|| {
            let is_there = file.metadata().is_ok_and(|there| there.is_file() && there.len() > 0);
            // Who writes may not be allowed to read: then an empty line is better than a spoilt one.
            is_there && last_byte(path).unwrap_or(0) != b'\n'
        })
    }
}

impl Lines {
    /// Opens it, and makes it if it is not there.
    ///
    /// # Errors
    /// The system's.
    pub fn open(path: PathBuf) -> io::Result<Lines> {
        let file = OpenOptions::new().append(true).create(true).open(&path)?;
        let end = End::of(&file)?;
        Ok(Lines { path, file, end })
    }

    /// Appends lines, each of which has its end. Gives how many are in the file, and why no more are: what
    /// the disk took of a further one is taken back.
    pub fn append(&mut self, lines: &[Vec<u8>]) -> (usize, io::Result<()>) {
        let mut at_end = lock(&self.end);
        let mut bytes = if at_end.look(&self.file, &self.path) { vec![b'\n'] } else { Vec::new() };
        let head = bytes.len();
        lines.iter().for_each(|line| bytes.extend_from_slice(line));
        let (n_taken, outcome) = write(&self.file, &bytes);
        if outcome.is_ok() {
            at_end.is_torn = Some(false);
            return (lines.len(), outcome);
        }
        let taken = &bytes[..n_taken];
        let end = taken.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        if n_taken > 0 {
            at_end.is_torn = Some(end < n_taken && self.take_back((n_taken - end) as u64).is_err());
        }
        (taken[head.min(end)..end].iter().filter(|byte| **byte == b'\n').count(), outcome)
    }

    fn take_back(&self, n_bytes: u64) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        self.file.set_len(length.saturating_sub(n_bytes))
    }

    /// Opens what is under the path now, where that is no more the file that is open.
    ///
    /// # Errors
    /// The system's: the file that was moved away stays open.
    pub fn find_again(&mut self) -> io::Result<()> {
        let open = self.file.metadata()?;
        let there = std::fs::metadata(&self.path).ok();
        let same = there.is_some_and(|there| (there.dev(), there.ino()) == (open.dev(), open.ino()));
        if !same {
            *self = Lines::open(self.path.clone())?;
        }
        Ok(())
    }

    /// Whether the file that is open has no name any more: what is written to it, nobody will read.
    pub fn is_removed(&self) -> bool {
        self.file.metadata().is_ok_and(|open| open.nlink() == 0)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing under these locks can panic half-way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn last_byte(path: &Path) -> io::Result<u8> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last[0])
}

/// Writes as much as it can: how many bytes, and why no more.
fn write(mut file: &File, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut n_written = 0;
    while n_written < bytes.len() {
        match file.write(&bytes[n_written..]) {
            Ok(0) => return (n_written, Err(io::ErrorKind::WriteZero.into())),
            Ok(n_more) => n_written += n_more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (n_written, Err(error)),
        }
    }
    (n_written, Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_is_about_to_write_is_no_line_that_was_cut_short() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.jsonl");
        let open = || Lines::open(path.clone()).unwrap();
        let append = |lines: &mut Lines, line: &str| assert_eq!(lines.append(&[line.as_bytes().to_vec()]).0, 1);
        let mut old = open();
        append(&mut old, "one\n");
        // A part of a line is there when the new one comes, and the rest before it writes.
        old.file.write_all(b"tw").unwrap();
        let mut new = open();
        old.file.write_all(b"o\n").unwrap();
        append(&mut new, "three\n");
        std::fs::rename(&path, directory.path().join("moved")).unwrap();
        old.find_again().unwrap();
        append(&mut old, "four\n");
        old.file.write_all(b"fi").unwrap();
        new.find_again().unwrap();
        old.file.write_all(b"ve\n").unwrap();
        append(&mut new, "six\n");
        assert_eq!(std::fs::read_to_string(directory.path().join("moved")).unwrap(), "one\ntwo\nthree\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "four\nfive\nsix\n");
        // When nobody writes there any more, it is looked again.
        old.file.write_all(b"se").unwrap();
        drop((old, new));
        append(&mut open(), "eight\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "four\nfive\nsix\nse\neight\n");
    }
}
