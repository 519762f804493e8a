//! This very program, started again to do what may end badly: a library that kills the process that
//! looks into it costs one answer, and not more.

use std::ffi::OsStr;
use std::fmt;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::output;

/// How long a process that has ended may leave its output open, through others that it started.
const AFTERWARDS: Duration = Duration::from_secs(1);

/// Why there is no answer, or none any more.
#[derive(Debug)]
pub enum Lost {
    /// The process could not be started or waited for.
    System(std::io::Error),
    /// It ended.
    Ended(ExitStatus),
    /// It was killed, since it took longer than this.
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
            Lost::Ended(status) => write!(f, "ended the process that looked into it ({})", how(*status)),
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
        (Some(answer), Lost::Ended(_)) => Ok(answer),
        (_, lost) => Err(lost),
    }
}

/// Asks a sub-command of this program that gives any number of answers: those that came, and how
/// it ended, which is why there are no more. Other lines are passed over.
pub fn ask_each<T: DeserializeOwned>(
    arguments: &[impl AsRef<OsStr>],
    stderr: Stdio,
    patience: Duration,
) -> (Vec<T>, Lost) {
    let mut child = match start(arguments, stderr) {
        Ok(child) => child,
        Err(error) => return (Vec::new(), Lost::System(error)),
    };
    let (sender, output) = mpsc::channel();
    if let Some(mut stdout) = child.stdout.take() {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            // What was read before an error is all that there is.
            let _ = stdout.read_to_end(&mut bytes);
            let _ = sender.send(bytes);
        });
    }
    let end = wait(&mut child, patience).map_or_else(|lost| lost, Lost::Ended);
    let output = output.recv_timeout(AFTERWARDS).unwrap_or_default();
    let mut lines = output.split(|byte| *byte == b'\n');
    let begun = lines.any(|line| line == BEGUN.as_bytes());
    let end = match end {
        Lost::Ended(status) if !begun => {
            Lost::System(std::io::Error::other(format!("it ended before it began ({})", how(status))))
        }
        end => end,
    };
    (lines.filter_map(|line| serde_json::from_slice(line).ok()).collect(), end)
}

fn start(arguments: &[impl AsRef<OsStr>], stderr: Stdio) -> std::io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr).spawn()
}

/// Tells that this process, which was asked, has begun. Must come before any answer.
pub fn begin() {
    say(format_args!("\n{BEGUN}"));
}

/// Answers, as the process that was asked.
pub fn answer(answer: &impl Serialize) {
    // Text and numbers can always be written.
    say(format_args!("\n{}", serde_json::to_string(answer).unwrap_or_default()));
}

fn say(line: impl fmt::Display) {
    // Whoever asked and does not listen any more takes this process for lost.
    let _ = output::print(line);
}

fn wait(child: &mut Child, patience: Duration) -> Result<ExitStatus, Lost> {
    let begun = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait().map_err(Lost::System)? {
            return Ok(status);
        }
        if begun.elapsed() > patience {
            child.kill().and_then(|()| child.wait()).map_err(Lost::System)?;
            return Err(Lost::Late(patience));
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}
