//! Why a task ended.

use std::fmt;
use std::io;

/// Why a task ended; each is one line for the person who typed the command.
#[derive(Debug)]
pub enum Failure {
    /// A command could not be started, or ended badly.
    Command {
        /// As one would type it.
        command: String,
        /// What became of it.
        outcome: String,
    },
    /// A file or a socket failed.
    Io {
        /// What was being done.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
    /// What was looked at is not as it must be.
    Found(String),
}

impl Failure {
    /// Gives an I/O error the context of what was being done.
    pub fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Failure {
        let doing = doing.into();
        move |source| Failure::Io { doing, source }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Command { command, outcome } => write!(f, "`{command}` {outcome}"),
            Failure::Io { doing, source } => write!(f, "{doing}: {source}"),
            Failure::Found(what) => f.write_str(what),
        }
    }
}
