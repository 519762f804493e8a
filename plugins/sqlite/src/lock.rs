//! One host a file: a lock beside it, which the system gives back when its holder dies, and which names
//! that. A file can have more than one name, by a hard link or a mount of its own: so the file itself is
//! locked, too.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sukkal_plugin_sdk::{Error, ErrorKind, Result};

use crate::presence::identity;

/// Held as long as the store is open.
#[derive(Debug)]
pub struct FileLock {
    // Never read: dropping them gives the lock back.
    _here: Option<OpenHere>,
    _file: File,
}

impl FileLock {
    /// Locks a database file for one catalog or pool of one process.
    ///
    /// # Errors
    /// `Conflict`: it is in use; the message names the file and who holds it.
    pub fn take(database: &Path, role: &str) -> Result<FileLock> {
        let path = beside(database);
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(|error| {
                Error::invalid(format!(
                    "cannot make {}; check that its directory exists and may be written",
                    name(&path)
                ))
                .detail(format_args!("{}: {error}", path.display()))
            })?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(database, &mut file)),
            Err(TryLockError::Error(error)) => {
                return Err(
                    Error::unavailable(format!("the file system refuses to lock {}", name(&path))).detail(error)
                );
            }
        }
        // Only a help for whoever is refused: the lock itself is the system's.
        let note = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| write!(file, "a {role} of process {}", std::process::id()));
        if let Err(error) = note {
            sukkal_plugin_sdk::tracing::warn!(%error, "the lock file does not name its holder");
        }
        Ok(FileLock { _here: OpenHere::note(database)?, _file: file })
    }
}

/// Locks the database's file itself, as long as it is open here: against other processes that know it by
/// another name.
///
/// # Errors
/// `Conflict`: it is in use.
pub fn hold(file: &File, database: &Path) -> Result<()> {
    // There it would be a lock of the kind that SQLite's are, and in their way.
    if network_file_system(database).is_some() {
        return Ok(());
    }
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(conflict(database, "in use by another process under another name")),
        Err(TryLockError::Error(error)) => {
            Err(Error::unavailable(format!("the file system refuses to lock {}", name(database))).detail(error))
        }
    }
}

/// A file that this process has open. It must not be opened once more under another name, not even for a
/// look: the system takes all locks on a file from a process that closes it.
#[derive(Debug)]
struct OpenHere((u64, u64));

static OPEN_HERE: Mutex<BTreeMap<(u64, u64), PathBuf>> = Mutex::new(BTreeMap::new());

impl OpenHere {
    /// Notes it down. `None`: it is not there, which the driver tells.
    fn note(database: &Path) -> Result<Option<OpenHere>> {
        let Ok(identity) = identity(database) else { return Ok(None) };
        let mut open = OPEN_HERE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = open.get(&identity) {
            return Err(conflict(database, &format!("the same file as {}", name(other))));
        }
        open.insert(identity, database.to_owned());
        Ok(Some(OpenHere(identity)))
    }
}

impl Drop for OpenHere {
    fn drop(&mut self) {
        OPEN_HERE.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

fn in_use(database: &Path, file: &mut File) -> Error {
    let mut holder = String::new();
    let known = file.take(200).read_to_string(&mut holder).is_ok() && !holder.is_empty();
    let holder = if known { holder.as_str() } else { "another process" };
    conflict(database, &format!("in use by {holder}"))
}

fn conflict(database: &Path, is: &str) -> Error {
    let name = name(database);
    let message = format!("sqlite file {name} is {is}; give each catalog and each pool of each host a file of its own");
    Error::new(ErrorKind::Conflict, message).detail(database.display())
}

fn beside(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    PathBuf::from(path)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// The kind of network file system that a file lies on, if it does: SQLite's locks and shared
/// memory cannot be relied upon there.
pub fn network_file_system(path: &Path) -> Option<String> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let nearest = mounts
        .lines()
        .filter_map(|line| {
            let (mount, source) = line.split_once(" - ")?;
            let point = mount.split(' ').nth(4)?;
            path.starts_with(point).then(|| (point.len(), source.split(' ').next().unwrap_or("")))
        })
        // The last of equal length is mounted over the others.
        .max_by_key(|(length, _)| *length)?;
    ["nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "fuse.glusterfs", "ceph", "afs", "lustre"]
        .contains(&nearest.1)
        .then(|| nearest.1.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_refused_by_name_until_the_first_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pool.db");
        let first = FileLock::take(&path, "pool").unwrap();
        let refused = FileLock::take(&path, "catalog").unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Conflict);
        let wanted = format!("pool.db is in use by a pool of process {}", std::process::id());
        assert!(refused.message.contains(&wanted), "{}", refused.message);
        drop(first);
        FileLock::take(&path, "catalog").unwrap();
    }

    #[test]
    fn a_missing_directory_is_said_so() {
        let refused = FileLock::take(Path::new("/no/such/dir/x.db"), "pool").unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Invalid);
        assert!(refused.message.contains("x.db.lock"), "{}", refused.message);
    }
}
