//! A disk of one's own, whose power can be cut.
//!
//! It is a file with a file system in it, mounted through a loop device. What a program writes stays
//! in the kernel's memory until it is synced (or the kernel finds the time, which takes it half a
//! minute); only then does it reach the file. So a copy of the file holds what a disk would hold
//! whose machine lost its power at that moment, and mounting the copy is what the machine does when
//! it is started again, the file system's own recovery included.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

const SIZE: u64 = 256 * 1024 * 1024;
/// The file system's journal is written when something is synced, not by the clock.
const OPTIONS: &str = "loop,commit=300,noatime";

/// A mounted disk. Dropping it takes it away, whoever still uses it.
#[derive(Debug)]
pub struct Disk {
    folder: TempDir,
    mount_point: PathBuf,
    n_cuts: u32,
}

impl Disk {
    /// Whether this machine and user can have one; that takes root and a loop device.
    pub fn is_possible() -> bool {
        Command::new("losetup").arg("--find").output().is_ok_and(|output| output.status.success())
    }

    /// Makes an empty disk and mounts it at a folder, which is made.
    ///
    /// # Panics
    /// When that fails; see [`Disk::is_possible`].
    pub fn mount(mount_point: &Path) -> Disk {
        let folder = TempDir::with_prefix("sukkal-disk-").expect("a temporary folder can be made");
        let disk = Disk { folder, mount_point: mount_point.to_owned(), n_cuts: 0 };
        let image = std::fs::File::create(disk.image()).expect("a file can be made");
        image.set_len(SIZE).expect("a file can be made long");
        // Nothing is left to be written later by the kernel itself.
        run(Command::new("mkfs.ext4").args(["-q", "-E", "lazy_itable_init=0,lazy_journal_init=0"]).arg(disk.image()));
        std::fs::create_dir_all(mount_point).expect("a folder can be made");
        disk.attach();
        disk
    }

    /// Cuts the power: what was not synced is gone. Nobody may use the disk at this moment.
    ///
    /// # Panics
    /// When somebody does.
    pub fn cut(&mut self) {
        let (before, after) = (self.image(), self.image_after(self.n_cuts + 1));
        run(Command::new("cp").arg("--sparse=always").args([&before, &after]));
        // This writes what was not synced to the old file, which nobody looks at any more.
        run(Command::new("umount").arg(&self.mount_point));
        std::fs::remove_file(before).expect("a file of ours can be removed");
        self.n_cuts += 1;
        self.attach();
    }

    fn attach(&self) {
        run(Command::new("mount").args(["-o", OPTIONS]).arg(self.image()).arg(&self.mount_point));
    }

    fn image(&self) -> PathBuf {
        self.image_after(self.n_cuts)
    }

    fn image_after(&self, n_cuts: u32) -> PathBuf {
        self.folder.path().join(format!("disk-{n_cuts}"))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A host that still runs keeps it until it ends.
        let _ = Command::new("umount").arg("--lazy").arg(&self.mount_point).status();
    }
}

/// A small disk in memory, to be filled. Dropping it takes it away, whoever still uses it.
#[derive(Debug)]
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts an empty one of so many MiB at a folder, which is made; `None` if this user may not.
    ///
    /// # Panics
    /// When the folder cannot be made.
    pub fn mount(mount_point: &Path, mib: u32) -> Option<SmallDisk> {
        std::fs::create_dir_all(mount_point).expect("a folder can be made");
        let options = format!("size={mib}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(mount_point).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| SmallDisk(mount_point.to_owned()))
    }

    /// Where it is mounted.
    pub fn mount_point(&self) -> &Path {
        &self.0
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn run(command: &mut Command) {
    let output = command.output().expect("the program can be started");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
