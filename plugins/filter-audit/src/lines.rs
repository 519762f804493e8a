//! The end of the file: whole lines alone, whatever the disk takes.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file that lines are appended to. It is opened anew after it was moved away.
pub struct Lines {
    path: PathBuf,
    file: File,
    /// Whether a part of a line is at its end, which could not be taken back.
    is_torn: bool,
}

impl Lines {
    /// Opens it, and makes it if it is not there.
    ///
    /// # Errors
    /// The system's.
    pub fn open(path: PathBuf) -> io::Result<Lines> {
        let file = OpenOptions::new().append(true).create(true).open(&path)?;
        let there = file.metadata()?;
        // Who writes may not be allowed to read: then an empty line is better than a spoilt one.
        let is_torn = there.is_file() && there.len() > 0 && last_byte(&path).unwrap_or(0) != b'\n';
        Ok(Lines { path, file, is_torn })
    }

    /// Appends lines, each of which has its end. Gives how many are in the file, and why no more are: what
    /// the disk took of a further one is taken back.
    pub fn append(&mut self, lines: &[Vec<u8>]) -> (usize, io::Result<()>) {
        let mut bytes = if self.is_torn { vec![b'\n'] } else { Vec::new() };
        let head = bytes.len();
        lines.iter().for_each(|line| bytes.extend_from_slice(line));
        let (n_taken, outcome) = write(&mut self.file, &bytes);
        if outcome.is_ok() {
            self.is_torn = false;
            return (lines.len(), outcome);
        }
        let taken = &bytes[..n_taken];
        let end = taken.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        if n_taken > 0 {
            self.is_torn = end < n_taken && self.take_back((n_taken - end) as u64).is_err();
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

fn last_byte(path: &Path) -> io::Result<u8> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last[0])
}

/// Writes as much as it can: how many bytes, and why no more.
fn write(file: &mut File, bytes: &[u8]) -> (usize, io::Result<()>) {
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
