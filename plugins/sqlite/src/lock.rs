//! One host a file: a lock beside it, which the system gives back when its holder dies, and which names
//! that. A file can have more than one name, by a hard link or a mount of its own: so the file itself is
//! locked, too.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sukkal_plugin_sdk::{self as sdk, Error, Result};

use crate::presence::identity;

/// Held as long as the store is open.
#[derive(Debug)]
pub struct FileLock {
    // Never read: dropping it gives the lock back.
    _here: Option<OpenHere>,
    beside: Beside,
}

impl FileLock {
    /// Locks a database file for one catalog or pool of one process.
    ///
    /// # Errors
    /// `Conflict`: it is in use; the message names the file and who holds it.
    pub fn take(database: &Path, role: &str) -> Result<FileLock> {
        let mut beside = Beside::locked(database)?;
        // Only a help for whoever is refused: the lock itself is the system's.
        if let Err(error) = beside.note(&format!("a {role} of process {}", std::process::id())) {
            sdk::tracing::warn!(%error, "the lock file does not name its holder");
        }
        Ok(FileLock { _here: OpenHere::note(database)?, beside })
    }

    /// The database is ours: the file beside it stays there, locked or not. Until then one that was made for this
    /// lock goes with it.
    pub fn keep(&mut self) {
        self.beside.stays = true;
    }
}

/// The file beside a database.
#[derive(Debug)]
struct Beside {
    file: File,
    path: PathBuf,
    stays: bool,
}

impl Beside {
    fn locked(database: &Path) -> Result<Beside> {
        /// How often another process can be found to have made one, and to have removed it again.
        const TRIES: u32 = 100;
        for _ in 0..TRIES {
            let mut beside = Beside::opened(beside(database))?;
            match beside.file.try_lock() {
                // Whoever had made and locked it may have removed it since it was opened here.
                Ok(()) if beside.is_there() => return Ok(beside),
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    beside.stays = true;
                    return Err(in_use(database, &mut beside.file));
                }
                Err(TryLockError::Error(error)) => {
                    let message = format!("the file system refuses to lock {}", name(&beside.path));
                    return Err(Error::unavailable(message).detail(error));
                }
            }
            beside.stays = true;
        }
        Err(conflict(database, "in use by another process"))
    }

    fn opened(path: PathBuf) -> Result<Beside> {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true);
        let (file, stays) = match options.clone().create_new(true).open(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                (options.create(true).truncate(false).open(&path), true)
            }
            made => (made, false),
        };
        let file = file.map_err(|error| {
            let message = format!("cannot make {}; check that its directory exists and may be written", name(&path));
            Error::invalid(message).detail(format_args!("{}: {error}", path.display()))
        })?;
        Ok(Beside { file, path, stays })
    }

    fn is_there(&self) -> bool {
        let own = self.file.metadata().map(|own| (own.dev(), own.ino()));
        own.is_ok_and(|own| identity(&self.path).is_ok_and(|there| there == own))
    }

    fn note(&mut self, holder: &str) -> std::io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(holder.as_bytes())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // It is locked as yet, so nobody else can have it by now who does not look whether it is still there.
        if !self.stays
            && self.is_there()
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            sdk::tracing::warn!(%error, "a lock file cannot be removed");
        }
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
    Error::new(sdk::ErrorKind::Conflict, message).detail(database.display())
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
    let mounts = std::fs::read("/proc/self/mountinfo").ok()?;
    kind_of_network(&String::from_utf8_lossy(&mounts), path)
}

fn kind_of_network(mounts: &str, path: &Path) -> Option<String> {
    let nearest = mounts
        .lines()
        .filter_map(|line| {
            let (mount, source) = line.split_once(" - ")?;
            let point = unescaped(mount.split(' ').nth(4)?);
            path.starts_with(&point).then(|| (point.len(), source.split(' ').next().unwrap_or("")))
        })
        // The last of equal length is mounted over the others.
        .max_by_key(|(length, _)| *length)?;
    NETWORK.contains(&nearest.1).then(|| nearest.1.to_owned())
}

/// What the kernel calls file systems that lie on other machines. Of those that programs serve (`fuse`), most are local.
const NETWORK: &[&str] = &[
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "coda",
    "fuse.blobfuse2",
    "fuse.ceph",
    "fuse.ceph-fuse",
    "fuse.cephfs",
    "fuse.gcsfuse",
    "fuse.glusterfs",
    "fuse.goofys",
    "fuse.juicefs",
    "fuse.mfs",
    "fuse.rclone",
    "fuse.s3fs",
    "fuse.seaweedfs",
    "fuse.sshfs",
    "gpfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "orangefs",
    "smb3",
    "smbfs",
];

/// A mount point as it is: the kernel writes blanks, line breaks, `#` and backslashes as octal numbers.
fn unescaped(point: &str) -> String {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\043", "#"), ("\\134", "\\")];
    escapes.iter().fold(point.to_owned(), |point, (written, is)| point.replace(written, is))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_refused_by_name_until_the_first_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pool.db");
        let mut first = FileLock::take(&path, "pool").unwrap();
        first.keep();
        let refused = FileLock::take(&path, "catalog").unwrap_err();
        assert_eq!(refused.kind, sdk::ErrorKind::Conflict);
        let wanted = format!("pool.db is in use by a pool of process {}", std::process::id());
        assert!(refused.message.contains(&wanted), "{}", refused.message);
        drop(first);
        FileLock::take(&path, "catalog").unwrap();
    }

    #[test]
    fn a_lock_file_that_was_made_in_vain_goes_and_is_nobodys_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("other.db");
        let first = FileLock::take(&path, "pool").unwrap();
        let mut late = Beside::opened(beside(&path)).unwrap();
        assert!(FileLock::take(&path, "pool").is_err() && beside(&path).exists(), "it is the first one's");
        drop(first);
        assert!(!beside(&path).exists());
        // Who had opened it before can lock it now, and must not take that for the database's lock.
        let second = FileLock::take(&path, "pool").unwrap();
        assert!(late.file.try_lock().is_ok() && !late.is_there());
        late.stays = true;
        drop((late, second));
        let mut kept = FileLock::take(&path, "pool").unwrap();
        kept.keep();
        drop(kept);
        drop(FileLock::take(&path, "pool").unwrap());
        assert!(beside(&path).exists(), "it was there before");
    }

    #[test]
    fn a_network_file_system_is_known_wherever_it_is_mounted() {
        let mounts = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
                      40 22 0:40 / /mnt/our\\040share rw,relatime - nfs4 server:/share rw,vers=4.2\n\
                      41 22 0:41 / /mnt/a\\134040b rw - fuse.rclone remote: rw\n\
                      42 40 8:2 / /mnt/our\\040share/local rw - xfs /dev/sdb1 rw\n";
        for (path, kind) in [
            ("/var/lib/sukkal/pool.db", None),
            ("/mnt/our share/pool.db", Some("nfs4")),
            ("/mnt/our share/local/pool.db", None),
            ("/mnt/our shares/pool.db", None),
            ("/mnt/a\\040b/pool.db", Some("fuse.rclone")),
        ] {
            assert_eq!(kind_of_network(mounts, Path::new(path)).as_deref(), kind, "{path}");
        }
    }

    #[test]
    fn a_missing_directory_is_said_so() {
        let refused = FileLock::take(Path::new("/no/such/dir/x.db"), "pool").unwrap_err();
        assert_eq!(refused.kind, sdk::ErrorKind::Invalid);
        assert!(refused.message.contains("x.db.lock"), "{}", refused.message);
    }
}
