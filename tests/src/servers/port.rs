//! Ports that are a test's own for as long as its process lives.

use std::fs::{File, OpenOptions, TryLockError};
use std::net::TcpListener;
use std::ops::Range;
use std::sync::Mutex;

use rand::RngExt;

/// Below those from which the system takes the ports of outgoing connections: one of these would
/// now and then be taken between the choice and the start of the server, or while it is away.
const PORTS: Range<u16> = 15_000..32_000;
/// More tries than a machine has use for.
const TRIES: usize = 1_000;

/// A port that nobody listens on, and that no other test is given.
///
/// # Panics
/// When there is none.
pub fn free_port() -> u16 {
    static TAKEN: Mutex<Vec<File>> = Mutex::new(Vec::new());
    for _ in 0..TRIES {
        let port = rand::rng().random_range(PORTS);
        let Some(lock) = locked(port) else { continue };
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            TAKEN.lock().expect("nobody panics").push(lock);
            return port;
        }
    }
    panic!("no free port from {} to {}", PORTS.start, PORTS.end);
}

/// Tests are processes of their own; they tell each other by locks on files, which end with them.
fn locked(port: u16) -> Option<File> {
    let user = rustix::process::geteuid().as_raw();
    let folder = std::env::temp_dir().join(format!("sukkal-ports-{user}"));
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    let path = folder.join(port.to_string());
    let file = OpenOptions::new().create(true).append(true).open(path).expect("a file can be made");
    match file.try_lock() {
        Ok(()) => Some(file),
        Err(TryLockError::WouldBlock) => None,
        Err(TryLockError::Error(error)) => panic!("a file cannot be locked: {error}"),
    }
}
