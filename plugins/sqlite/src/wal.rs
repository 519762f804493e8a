//! Keeps the write-ahead log bounded without stalling commits.
//!
//! A thread of its own copies the log into the file whenever it has grown by the threshold, and where a
//! sweep has given pages back, which the file holds until then. SQLite
//! can start the log anew only when all of it is copied and nobody reads from it, which under
//! constant load never happens by itself: so at eight times the threshold the writer keeps readers
//! out for the moment that the rest takes. Another program that reads is not waited for: the log grows
//! until it ends, and shrinks again after that.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use sukkal_plugin_sdk::{Error, Result, tracing};

use crate::connection;
use crate::error::{Fail, Outcome};
use crate::headroom::{Headroom, LOG_HEAD};
use crate::reserve::{Leaves, Reserve};
use crate::settings::Settings;
use crate::thread::Thread;

/// How many times the threshold the log may be long.
const BOUND: usize = 8;
/// Bytes before each page in the log.
const FRAME_HEAD: u64 = 24;
/// How often it is copied only to make the file shorter: whoever reads may keep that from coming about.
const SHORTEN_EVERY: Duration = Duration::from_secs(1);

/// The log of one file.
pub struct Wal {
    /// The database, for the operator's log.
    file: String,
    /// Its length in pages, as of the last commit.
    pages: Arc<AtomicUsize>,
    /// How many of them are copied, as of the last copying.
    copied: AtomicUsize,
    /// From which length on it is copied again.
    next: AtomicUsize,
    threshold: usize,
    /// When it was last copied only to make the file shorter.
    shortened: Mutex<Option<Instant>>,
    /// Bytes of a page in the log, with its head.
    frame: u64,
    headroom: Mutex<Headroom>,
    reserve: Reserve,
    /// Whether there is a commit since it was last begun anew.
    written: Arc<AtomicBool>,
    /// Whether that came to nothing when it was tried last.
    held_up: AtomicBool,
    /// Readers hold it shared while they read.
    gate: Arc<RwLock<()>>,
    /// Held while the log is copied, by whoever does it.
    copying: Mutex<()>,
    signal: Mutex<Signal>,
    raised: Condvar,
}

#[derive(Default)]
struct Signal {
    wanted: bool,
    closed: bool,
}

impl Wal {
    /// Watches the log of the writing connection.
    ///
    /// # Errors
    /// The driver's.
    pub fn watch(
        writer: &mut Connection,
        path: &Path,
        file: Arc<File>,
        settings: &Settings,
    ) -> rusqlite::Result<Arc<Wal>> {
        let page_size: i64 = writer.query_row("PRAGMA page_size", [], |row| row.get(0))?;
        let page_size = usize::try_from(page_size).unwrap_or(4096).max(512);
        let threshold = (settings.checkpoint_mib as usize) * 1024 * 1024 / page_size;
        let frame = page_size as u64 + FRAME_HEAD;
        let pages = Arc::new(AtomicUsize::new(0));
        let written = Arc::new(AtomicBool::new(true));
        let seen = (pages.clone(), written.clone());
        writer.wal_hook(Some(move |_: &'_ mut rusqlite::hooks::Wal, length| {
            seen.0.store(usize::try_from(length).unwrap_or(0), Ordering::Relaxed);
            seen.1.store(true, Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(Arc::new(Wal {
            file: path.display().to_string(),
            pages,
            copied: AtomicUsize::new(0),
            next: AtomicUsize::new(threshold),
            threshold,
            shortened: Mutex::new(None),
            frame,
            headroom: Mutex::new(Headroom::of(path, (threshold * BOUND) as u64 * frame)),
            reserve: Reserve::of(writer, file)?,
            written,
            held_up: AtomicBool::new(false),
            gate: Arc::new(RwLock::new(())),
            copying: Mutex::new(()),
            signal: Mutex::new(Signal::default()),
            raised: Condvar::new(),
        }))
    }

    /// What readers hold shared while they read.
    pub fn gate(&self) -> Arc<RwLock<()>> {
        self.gate.clone()
    }

    /// Called by the writer at the beginning of each transaction.
    pub fn begun(&self) {
        let used = LOG_HEAD as u64 + self.pages.load(Ordering::Relaxed) as u64 * self.frame;
        self.headroom().keep(used);
    }

    /// Called by the writer before each commit: sees to it that room is left for what must go on. While
    /// the disk is full nobody copies until the guard goes: copying shortens the file to the pages that
    /// were committed before, and the disk might not give what this commit adds again.
    ///
    /// # Errors
    /// `Full`: too little would be left; the driver's.
    pub fn hold(&self, writer: &Connection, leaves: Leaves) -> Outcome<Option<MutexGuard<'_, ()>>> {
        let copying = || self.copying.lock().unwrap_or_else(PoisonError::into_inner);
        let still = self.reserve.is_tight().then(copying);
        self.reserve.hold(writer, leaves)?;
        if leaves == Leaves::All && !self.headroom().is_whole() {
            return Err(Fail::Full);
        }
        Ok(still)
    }

    /// Copies all of the log, so that its room is used again; false if nothing comes of that.
    pub fn make_room(&self, writer: &Connection) -> bool {
        let made = self.written.load(Ordering::Relaxed) && self.restart(writer);
        if made {
            self.written.store(false, Ordering::Relaxed);
        }
        made
    }

    fn headroom(&self) -> MutexGuard<'_, Headroom> {
        self.headroom.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Called by the writer after each commit.
    pub fn committed(&self, writer: &Connection) {
        let pages = self.pages.load(Ordering::Relaxed);
        let bound = self.threshold * BOUND;
        if pages < self.threshold {
            // It was begun anew meanwhile.
            self.next.store(self.threshold, Ordering::Relaxed);
        }
        if pages >= self.next.load(Ordering::Relaxed) {
            // Of a log that another program has held up for long, the other thread copies most, however long
            // that takes.
            let is_little = pages.saturating_sub(self.copied.load(Ordering::Relaxed)) <= 2 * bound;
            if pages >= bound && is_little && self.restart(writer) {
                self.next.store(self.threshold, Ordering::Relaxed);
                return;
            }
            let next = pages + self.threshold;
            self.next.store(if pages < bound { next.min(bound) } else { next }, Ordering::Relaxed);
            self.ask_for_a_copy();
        } else if self.reserve.is_too_long() && self.may_shorten() {
            self.ask_for_a_copy();
        }
    }

    fn ask_for_a_copy(&self) {
        self.signal().wanted = true;
        self.raised.notify_one();
    }

    fn may_shorten(&self) -> bool {
        let mut shortened = self.shortened.lock().unwrap_or_else(PoisonError::into_inner);
        let may = shortened.is_none_or(|last| last.elapsed() >= SHORTEN_EVERY);
        if may {
            *shortened = Some(Instant::now());
        }
        may
    }

    /// Called by the writer at its end: the file holds everything, and the log is empty and as long as the
    /// next start needs it, which may find no room for it on the disk.
    pub fn end(&self, writer: &Connection) {
        if let Err(fail) = self.empty(writer) {
            tracing::warn!(file = %self.file, error = %Error::from(fail), "the write-ahead log could not be emptied");
        }
    }

    fn empty(&self, writer: &Connection) -> Outcome<()> {
        let version = || writer.query_row("PRAGMA data_version", [], |row| row.get::<_, i64>(0));
        let copied = version()?;
        if !self.restart(writer) {
            return Ok(());
        }
        writer.execute_batch("BEGIN IMMEDIATE")?;
        // Another program may have written since.
        let emptied = if version()? == copied { self.headroom().empty() } else { Ok(()) };
        writer.execute_batch("ROLLBACK")?;
        emptied.map_err(|error| Error::unavailable("the disk of this store fails").detail(error).into())
    }

    /// Copies all; false if it could not be.
    fn restart(&self, writer: &Connection) -> bool {
        let _copying = self.copying.lock().unwrap_or_else(PoisonError::into_inner);
        let _nobody_reads = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        // Whoever reads now is another program, and may do so for long.
        let done =
            writer.busy_timeout(Duration::ZERO).and_then(|()| self.copy(writer, "PRAGMA wal_checkpoint(RESTART)"));
        let _ = writer.busy_timeout(connection::PATIENCE);
        self.tell(&done);
        // The file is as long as its pages now. What it lacks the next commit asks for again.
        let _ = self.reserve.hold(writer, Leaves::Nothing);
        done.unwrap_or(false)
    }

    /// Tells once, and not for every request that finds it so, that the log cannot be begun anew.
    fn tell(&self, done: &rusqlite::Result<bool>) {
        let file = &self.file;
        let told = self.held_up.swap(!matches!(done, Ok(true)), Ordering::Relaxed);
        match done {
            Ok(true) if told => tracing::info!(%file, "the write-ahead log is begun anew"),
            Ok(false) if !told => tracing::warn!(
                %file,
                "the write-ahead log cannot be begun anew while another program uses the file, and grows until that ends"
            ),
            Err(error) if !told => tracing::warn!(%file, %error, "the write-ahead log could not be begun anew"),
            _ => {}
        }
    }

    /// Copies the log; false if somebody who reads or writes kept some of it from being copied.
    fn copy(&self, connection: &Connection, pragma: &str) -> rusqlite::Result<bool> {
        let mut statement = connection.prepare_cached(pragma)?;
        let (busy, copied) = statement.query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(2)?)))?;
        self.copied.store(usize::try_from(copied).unwrap_or(0), Ordering::Relaxed);
        Ok(busy == 0)
    }

    /// Starts the thread that copies.
    ///
    /// # Errors
    /// `Unavailable`: the file cannot be opened again, or no thread is left.
    pub fn start(self: &Arc<Self>, path: &Path, settings: &Settings) -> Result<Thread> {
        let connection = connection::checkpointer(path, settings)?;
        let (wal, closed) = (self.clone(), self.clone());
        Thread::start("sqlite-wal", move || wal.run(&connection), move || closed.close())
    }

    fn run(&self, connection: &Connection) {
        while self.wait() {
            let _copying = self.copying.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = self.copy(connection, "PRAGMA wal_checkpoint(PASSIVE)") {
                tracing::warn!(file = %self.file, %error, "the write-ahead log could not be copied into the file");
            }
        }
    }

    /// Waits for the next signal; false once it is closed.
    fn wait(&self) -> bool {
        let mut signal = self.signal();
        while !signal.wanted && !signal.closed {
            signal = self.raised.wait(signal).unwrap_or_else(PoisonError::into_inner);
        }
        signal.wanted = false;
        !signal.closed
    }

    fn close(&self) {
        self.signal().closed = true;
        self.raised.notify_all();
    }

    fn signal(&self) -> MutexGuard<'_, Signal> {
        self.signal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
