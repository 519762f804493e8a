//! The private copy that a library is loaded from, so that replacing the file under a running host does no harm.

use std::fs;
use std::io::Read as _;
use std::os::fd::{AsRawFd as _, IntoRawFd as _};
use std::path::{Path, PathBuf};

use super::file::{self, LARGEST};
use super::load::Refusal;

/// A copy without a name: however the process ends, nothing of it is left behind.
pub struct Copy {
    file: fs::File,
    /// Where on a disk it is; none: it is in memory.
    folder: Option<PathBuf>,
}

impl Copy {
    /// Copies a library to a folder, or into memory where that folder takes none. Both the original and the copy are
    /// looked at: what is no plugin may be larger than the disk, and what is one may be written to meanwhile.
    pub fn make(path: &Path, scratch: &Path) -> Result<Self, Refusal> {
        let unreadable = |error: std::io::Error| {
            let mend = match error.kind() {
                std::io::ErrorKind::NotFound => "check the path; a library is called libNAME.so",
                _ => "check its permissions",
            };
            (format!("cannot be read: {error}"), mend.to_owned())
        };
        let kind = fs::metadata(path).map_err(unreadable)?.file_type();
        if kind.is_dir() {
            return Err(("is a folder".to_owned(), "name the library in it, a file called libNAME.so".to_owned()));
        }
        // To open a pipe is to wait for whoever writes to it.
        if !kind.is_file() {
            return Err(("is no regular file".to_owned(), "name a library, a file called libNAME.so".to_owned()));
        }
        let original = fs::File::open(path).map_err(unreadable)?;
        file::check(&original)?;
        // A host whose messages have filled the disk must start, or nobody could delete them.
        let copy = Copy::on_disk(&original, scratch).or_else(|error| {
            Copy::in_memory(&original).map_err(|_| {
                let fault = format!("cannot be copied to {}: {error}", scratch.display());
                let mend = match error.kind() {
                    std::io::ErrorKind::FileTooLarge => "raise the limit of the size of files (`ulimit -f`)",
                    _ => "make room there or set TMPDIR",
                };
                (fault, mend.to_owned())
            })
        })?;
        file::check(&copy.file)?;
        Ok(copy)
    }

    fn on_disk(original: &fs::File, scratch: &Path) -> std::io::Result<Self> {
        let file = tempfile::tempfile_in(scratch)?;
        fill(&file, original)?;
        Ok(Copy { file, folder: Some(scratch.to_owned()) })
    }

    fn in_memory(original: &fs::File) -> std::io::Result<Self> {
        let file = fs::File::from(rustix::fs::memfd_create("sukkal", rustix::fs::MemfdFlags::CLOEXEC)?);
        fill(&file, original)?;
        Ok(Copy { file, folder: None })
    }

    /// What the system's loader finds it by.
    pub fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.file.as_raw_fd()).into()
    }

    /// The system has loaded it. It knows what it has loaded by its path, and that of a copy, which is the number of an
    /// open file, must not come again.
    pub fn keep_open(self) {
        let _ = self.file.into_raw_fd();
    }

    /// The folder that it is in, if nothing can be run from there.
    pub fn noexec(&self) -> Option<&Path> {
        // Of a folder that cannot be asked, the loader's own words are told.
        let noexec = |folder: &&Path| {
            let system = rustix::fs::statvfs(*folder);
            system.is_ok_and(|system| system.f_flag.contains(rustix::fs::StatVfsMountFlags::NOEXEC))
        };
        self.folder.as_deref().filter(noexec)
    }
}

fn fill(mut copy: &fs::File, mut original: &fs::File) -> std::io::Result<()> {
    std::io::Seek::rewind(&mut original)?;
    std::io::copy(&mut original.take(LARGEST), &mut copy)?;
    Ok(())
}
