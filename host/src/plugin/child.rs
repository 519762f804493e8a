//! This very program, started again to do what may end badly: a library that kills the process that
//! looks into it costs one answer, and not more.

use std::ffi::OsStr;
use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use rustix::process::{Signal, set_parent_process_death_signal};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::output::{self, Unprinted};
use crate::shutdown::StopSignals;
use crate::terminal::plain;

/// How long a process that has ended may leave its output open, through others that it started.
const AFTERWARDS: Duration = Duration::from_secs(1);

/// How often a process that says nothing is looked after.
const PAUSE: Duration = Duration::from_millis(20);

/// What a line of an answer may be long, in bytes.
const LONGEST: u64 = 16 << 20;

/// What is repeated of what a process says as it ends, in letters.
const WORDS: usize = 300;

/// Whether a signal has ended what processes are started for.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Why there is no answer, or none any more.
#[derive(Debug)]
pub enum Lost {
    /// The process could not be started or waited for.
    System(std::io::Error),
    /// It ended, with these words on its standard error where that is read.
    Ended(ExitStatus, String),
    /// It was killed, since an answer took longer than this.
    Late(Duration),
}

/// What a process tells that has begun: what becomes of it from then on is the library's doing.
const BEGUN: &str = "{\"begun\":true}";

/// How a process ended.
fn how(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("signal {signal}"),
        (None, code) => format!("status {}", code.unwrap_or_default()),
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lost::System(error) => write!(f, "cannot be looked into: no process can be started for it: {error}"),
            Lost::Ended(status, words) => {
                write!(f, "ended the process that looked into it ({})", how(*status))?;
                if words.is_empty() { Ok(()) } else { write!(f, ": {words}") }
            }
            Lost::Late(patience) => {
                write!(f, "held the process that looked into it for more than {} s", patience.as_secs())
            }
        }
    }
}

/// Asks a sub-command of this program, which must answer with [`answer`].
///
/// # Errors
/// See [`Lost`].
pub fn ask<T: DeserializeOwned>(arguments: &[impl AsRef<OsStr>], stderr: Stdio, patience: Duration) -> Result<T, Lost> {
    let (mut answers, end) = ask_each(arguments, stderr, patience);
    // The library may have printed something too: the answer is the last line.
    match (answers.pop(), end) {
        (Some(answer), Lost::Ended(..)) => Ok(answer),
        (_, lost) => Err(lost),
    }
}

/// Asks a sub-command of this program that gives any number of answers, each of which may take so long: those
/// that came, and how it ended, which is why there are no more. Other lines are passed over.
pub fn ask_each<T: DeserializeOwned>(
    arguments: &[impl AsRef<OsStr>],
    stderr: Stdio,
    patience: Duration,
) -> (Vec<T>, Lost) {
    let mut answers = Vec::new();
    let mut child = match start(arguments, stderr) {
        Ok(child) => child,
        Err(error) => return (answers, Lost::System(error)),
    };
    let (lines, words) = (lines(child.stdout.take()), words(child.stderr.take()));
    let (mut begun, mut ended, mut until) = (false, None, Instant::now() + patience);
    // What has come is taken before it is asked whether it came in time: this process may have been stopped meanwhile.
    loop {
        match lines.recv_timeout(PAUSE) {
            Ok(line) if !begun && line == BEGUN.as_bytes() => {
                begun = true;
                until = Instant::now() + patience;
            }
            Ok(line) => {
                if let Ok(answer) = serde_json::from_slice(&line) {
                    answers.push(answer);
                    until = Instant::now() + patience;
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if ended.is_none() {
            ended = child.try_wait().ok().flatten();
            if ended.is_some() {
                until = Instant::now() + AFTERWARDS;
            }
        }
        if Instant::now() >= until || INTERRUPTED.load(Ordering::Relaxed) {
            break;
        }
    }
    let end = match wait(&mut child, until) {
        Ok(Some(status)) if begun => Lost::Ended(status, words.recv_timeout(AFTERWARDS).unwrap_or_default()),
        Ok(Some(status)) => Lost::System(std::io::Error::other(format!("it ended before it began ({})", how(status)))),
        Ok(None) => Lost::Late(patience),
        Err(error) => Lost::System(error),
    };
    (answers, end)
}

/// From now on `SIGINT` and `SIGTERM` end what is asked, and not this process: whoever asks is told so, with an error
/// of the kind `Interrupted`, and can clear away what it has made.
///
/// # Errors
/// The system refuses.
pub fn heed_signals() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = {
        let _within = runtime.enter();
        StopSignals::new()?
    };
    let heed = async move {
        signals.next().await;
        INTERRUPTED.store(true, Ordering::Relaxed);
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || runtime.block_on(heed))?;
    Ok(())
}

/// Its lines, as they come.
fn lines(output: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, lines) = mpsc::sync_channel(16);
    let mut output = output.map(BufReader::new);
    std::thread::spawn(move || {
        while let Some(line) = output.as_mut().and_then(next_line) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    lines
}

/// What it said last, once it can say nothing more: the beginning of what came after its last [`turn`], in one line.
fn words(errors: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, words) = mpsc::sync_channel(1);
    let mut errors = errors.map(BufReader::new);
    std::thread::spawn(move || {
        let mut said = String::new();
        while let Some(line) = errors.as_mut().and_then(next_line) {
            if line == BEGUN.as_bytes() {
                said.clear();
            } else if said.chars().count() < WORDS {
                said.push_str(&String::from_utf8_lossy(&line));
                said.push(' ');
            }
        }
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        // Whoever has gone does not want it.
        let _ = sender.send(plain(&said).chars().take(WORDS).collect());
    });
    words
}

/// The next line without its end. What was read before an error is all that there is.
fn next_line(output: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    output.take(LONGEST).read_until(b'\n', &mut line).ok().filter(|length| *length > 0)?;
    line.pop_if(|last| *last == b'\n');
    Some(line)
}

/// Starts it in a group of its own: the terminal interrupts this process alone, which then ends that one.
fn start(arguments: &[impl AsRef<OsStr>], stderr: Stdio) -> std::io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr).process_group(0).spawn()
}

/// Tells that this process, which was asked, has begun; it ends with the one that asked. Must come before any answer.
pub fn begin() {
    // Where the system has no such signal it ends a little later, when its work is done.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    // The one that asked may have ended before that.
    if let Err(Unprinted::Unread) = output::print(format_args!("\n{BEGUN}")) {
        std::process::exit(1);
    }
}

/// Tells that what this process prints to its standard error from now on is about its next answer.
pub fn turn() {
    output::note(format_args!("\n{BEGUN}"));
}

/// Answers, as the process that was asked.
pub fn answer(answer: &impl Serialize) {
    // Text and numbers can always be written; whoever asked and does not listen any more takes this process for lost.
    let _ = output::print(format_args!("\n{}", serde_json::to_string(answer).unwrap_or_default()));
}

/// Waits until it has ended; none: it was killed, as it had not by then.
fn wait(child: &mut Child, until: Instant) -> std::io::Result<Option<ExitStatus>> {
    let mut pause = Duration::from_millis(1);
    loop {
        if INTERRUPTED.load(Ordering::Relaxed) {
            child.kill().and_then(|()| child.wait())?;
            return Err(std::io::ErrorKind::Interrupted.into());
        }
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= until {
            child.kill().and_then(|()| child.wait())?;
            return Ok(None);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(PAUSE);
    }
}
