//! One open file: its lock, its writer, its readers, its log.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use sukkal_plugin_sdk::tokio::sync::{Notify, oneshot};
use sukkal_plugin_sdk::{Error, Health, Host, Open, Result, tracing};

use crate::connection;
use crate::error::{Fail, of_driver};
use crate::lock::{self, FileLock, network_file_system};
use crate::presence::Presence;
use crate::reader::Readers;
use crate::reserve;
use crate::schema::Schema;
use crate::settings::{Settings, Synchronous};
use crate::thread::{Thread, spawn};
use crate::wal::Wal;
use crate::writer::{Ledger, Writer};

/// One open file. Where it is not shut down, dropping it does the same, on the thread that drops it.
pub struct Store<L> {
    pub writer: Writer<L>,
    pub readers: Readers,
    held: Mutex<Option<Held>>,
    /// The host that opened it.
    pub host: Host,
    /// The settings that hold for this file.
    pub settings: Settings,
    warnings: Vec<String>,
}

/// What an open file holds, in the order in which it must go: the lock last.
struct Held {
    _writer: Thread,
    _readers: Vec<Thread>,
    _copier: Thread,
    _file: Arc<File>,
    _lock: FileLock,
}

impl<L: Ledger> Store<L> {
    /// Locks and opens the file of a URI, making it if there is none. That can take as long as the
    /// file system likes (a long log, a mount that hangs), so it is done on a thread of its own: who
    /// no longer waits for it lets go, and what is opened in vain is closed there.
    ///
    /// # Errors
    /// `Invalid`: the URI, the settings or the file are wrong. `Conflict`: somebody else has it.
    pub async fn open(
        open: Open<Settings>,
        schema: Schema,
        ledger: impl FnOnce(Connection) -> Result<L> + Send + 'static,
    ) -> Result<Store<L>> {
        let (opened, answer) = oneshot::channel();
        let (path, settings) = open.settings.of_uri(&open.uri, open.host.data_dir())?;
        let opening = Opening::begin(&path).await;
        let host = open.host;
        let work = move || {
            let store = Store::open_here(&path, settings, host, schema, ledger);
            // Nobody may be waiting any more: then it is closed before the next one opens the file.
            let _ = opened.send((store, opening));
        };
        spawn("sqlite-open", work)?;
        // The sender is dropped unsent only when opening panicked.
        answer.await.map_or_else(|_| Err(Fail::Panicked.into()), |(store, _opening)| store)
    }

    fn open_here(
        path: &Path,
        settings: Settings,
        host: Host,
        schema: Schema,
        ledger: impl FnOnce(Connection) -> Result<L>,
    ) -> Result<Store<L>> {
        let path = resolve(path)?;
        let mut lock = FileLock::take(&path, schema.role)?;
        // Before the connections, so that it is closed after them.
        let file = reserve::open(&path).map_err(|error| cannot_open(&path, &error))?;
        lock::hold(&file, &path)?;
        let mut connection = connection::writer(&path, schema, &settings)?;
        lock.keep();
        let wal = Wal::watch(&mut connection, &path, file.clone(), &settings).map_err(|error| of_driver(&error))?;
        let (readers, reading) = Readers::start(&path, &settings, host.clone(), &wal.gate())?;
        let copier = wal.start(&path, &settings)?;
        let presence = Presence::of(&path).map_err(|error| cannot_open(&path, &error))?;
        let ledger = ledger(connection)?;
        let waiting = settings.waiting as usize;
        let (writer, writing) = Writer::start(ledger, host.clone(), wal, presence, schema.role, waiting)?;
        let warnings = warnings(&path, &settings);
        for warning in &warnings {
            tracing::warn!(file = %path.display(), "{warning}");
        }
        let held = Held { _writer: writing, _readers: reading, _copier: copier, _file: file, _lock: lock };
        Ok(Store { writer, readers, held: Mutex::new(Some(held)), host, settings, warnings })
    }

    /// Ends its threads once all that was accepted is committed, and lets go of the file; what comes is refused. That
    /// can take as long as the disk likes, so it is done on a thread of its own, and goes on there when nobody waits
    /// for it any more.
    pub async fn shutdown(&self) {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (ended, answer) = oneshot::channel::<()>();
        let end = move || {
            drop(held);
            drop(ended);
        };
        // Where no thread is left, it has been done here.
        if spawn("sqlite-close", end).is_ok() {
            let _ = answer.await;
        }
    }

    /// What an operator should know of a store that answers.
    pub fn health(&self) -> Health {
        Health { warnings: self.warnings.clone(), ..Health::default() }
    }
}

/// A file that a thread is opening. There is one thread for each, so that who tries again and again to open
/// what hangs does not use them up.
struct Opening(PathBuf);

static OPENING: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
/// Told when a file is no longer being opened.
static OPENED: Notify = Notify::const_new();

impl Opening {
    /// Begins as soon as nobody is opening the file. The host bounds the time.
    async fn begin(path: &Path) -> Opening {
        loop {
            // Before the look, so that nothing is missed between the two.
            let opened = OPENED.notified();
            if OPENING.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned()) {
                return Opening(path.to_owned());
            }
            opened.await;
        }
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        OPENING.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
        OPENED.notify_waiters();
    }
}

/// One spelling for each file, so that one lock guards it. The file is made first: a link to one
/// that is not there yet would be a spelling of its own. One that is there is not opened: the system
/// takes all locks from a process that closes a file, those of a pool that is open already with them.
/// What cannot be made is told by the driver.
///
/// # Errors
/// `Invalid`: what is there is no regular file; opening a pipe, for one, would wait for ever.
fn resolve(path: &Path) -> Result<PathBuf> {
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => {
            let message = "the uri names a directory, a pipe or a device; name a regular file";
            return Err(Error::invalid(message).detail(path.display()));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let _ = File::options().append(true).create(true).open(path);
        }
        Ok(_) | Err(_) => {}
    }
    if let Ok(path) = path.canonicalize() {
        return Ok(path);
    }
    Ok(match (path.parent().map(Path::canonicalize), path.file_name()) {
        (Some(Ok(parent)), Some(name)) => parent.join(name),
        _ => path.to_owned(),
    })
}

fn cannot_open(path: &Path, error: &std::io::Error) -> Error {
    Error::unavailable("the file of this store cannot be opened for writing; check its folder and permissions")
        .detail(format_args!("{}: {error}", path.display()))
}

fn warnings(path: &Path, settings: &Settings) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(kind) = network_file_system(path) {
        warnings.push(format!(
            "the file lies on a network file system ({kind}), where sqlite can lose data; move it to a local disk"
        ));
    }
    if settings.synchronous == Synchronous::Normal {
        warnings.push("synchronous is normal: a power cut can take the last commits; set it to full".to_owned());
    }
    warnings
}

/// How large a file is, and how large it may become.
///
/// # Errors
/// The driver's.
pub fn size(connection: &Connection, settings: &Settings) -> rusqlite::Result<(u64, Option<u64>)> {
    let number = |pragma: &str| {
        let value: i64 = connection.prepare_cached(pragma)?.query_row([], |row| row.get(0))?;
        Ok::<_, rusqlite::Error>(u64::try_from(value).unwrap_or(0))
    };
    let page_size = number("PRAGMA page_size")?;
    let used = (number("PRAGMA page_count")? - number("PRAGMA freelist_count")?) * page_size;
    let free = (settings.max_mib > 0).then(|| {
        let bound = u64::from(settings.max_mib) << 20;
        bound.saturating_sub(used + reserve::pages_held(page_size, bound / page_size.max(1)) * page_size)
    });
    Ok((number("PRAGMA page_count")? * page_size, free))
}
