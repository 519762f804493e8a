//! One open file: its lock, its writer, its readers, its log.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use rusqlite::Connection;
use sukkal_plugin_sdk::{Health, Host, Open, Result, tracing};

use crate::connection;
use crate::error::of_driver;
use crate::lock::{FileLock, network_file_system};
use crate::reader::Readers;
use crate::schema::Schema;
use crate::settings::{Settings, Synchronous};
use crate::wal::Wal;
use crate::writer::{Ledger, Writer};

/// One open file. Dropping it ends its threads once all that was accepted is committed.
pub struct Store<L> {
    // In the order in which they must go: the lock last.
    pub writer: Writer<L>,
    pub readers: Readers,
    _copier: Copier,
    _lock: FileLock,
    /// The host that opened it.
    pub host: Host,
    /// The settings that hold for this file.
    pub settings: Settings,
    warnings: Vec<String>,
}

impl<L: Ledger> Store<L> {
    /// Locks and opens the file of a URI, making it if there is none.
    ///
    /// # Errors
    /// `Invalid`: the URI, the settings or the file are wrong. `Conflict`: somebody else has it.
    pub fn open(
        open: Open<Settings>,
        schema: Schema,
        ledger: impl FnOnce(Connection) -> Result<L>,
    ) -> Result<Store<L>> {
        let (path, settings) = open.settings.of_uri(&open.uri, open.host.data_dir())?;
        let path = resolve(&path);
        let lock = FileLock::take(&path, schema.role)?;
        let mut connection = connection::writer(&path, schema, &settings)?;
        let wal = Wal::watch(&mut connection, &path, &settings).map_err(|error| of_driver(&error))?;
        let readers = Readers::start(&path, &settings, open.host.clone(), &wal.gate())?;
        let copier = Copier { thread: Some(wal.start(&path, &settings)?), wal: wal.clone() };
        let ledger = ledger(connection)?;
        let writer = Writer::start(ledger, open.host.clone(), wal, schema.role, settings.waiting as usize)?;
        let warnings = warnings(&path, &settings);
        for warning in &warnings {
            tracing::warn!(file = %path.display(), "{warning}");
        }
        Ok(Store { writer, readers, _copier: copier, _lock: lock, host: open.host, settings, warnings })
    }

    /// What an operator should know of a store that answers.
    pub fn health(&self) -> Health {
        Health { warnings: self.warnings.clone(), ..Health::default() }
    }
}

/// One spelling for each file, so that one lock guards it. The file is made first: a link to one
/// that is not there yet would be a spelling of its own. What cannot be made is told by the driver.
fn resolve(path: &Path) -> PathBuf {
    let _ = File::options().append(true).create(true).open(path);
    if let Ok(path) = path.canonicalize() {
        return path;
    }
    match (path.parent().map(Path::canonicalize), path.file_name()) {
        (Some(Ok(parent)), Some(name)) => parent.join(name),
        _ => path.to_owned(),
    }
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

/// Ends the thread that copies the log.
struct Copier {
    wal: Arc<Wal>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Copier {
    fn drop(&mut self) {
        self.wal.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
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
    let free = (settings.max_mib > 0).then(|| (u64::from(settings.max_mib) << 20).saturating_sub(used));
    Ok((number("PRAGMA page_count")? * page_size, free))
}
