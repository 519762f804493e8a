//! Why there is no measurement.

use std::fmt;
use std::io;

/// Why there is no measurement, in one line for the person who asked for it.
#[derive(Debug)]
pub struct Failure {
    text: String,
    /// Whether the command line asks for what cannot be.
    is_usage: bool,
}

impl Failure {
    /// A failure in these words.
    pub fn new(text: impl Into<String>) -> Failure {
        Failure { text: text.into(), is_usage: false }
    }

    /// The command line asks for what cannot be.
    pub fn usage(text: impl Into<String>) -> Failure {
        Failure { text: text.into(), is_usage: true }
    }

    /// A signal came before anything was measured.
    pub fn interrupted() -> Failure {
        Failure::new("interrupted before anything was measured")
    }

    /// Whether another command line is the mend.
    pub fn is_usage(&self) -> bool {
        self.is_usage
    }

    /// Gives an I/O error the context of what was being done.
    pub fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Failure {
        let doing = doing.into();
        move |error| Failure::new(format!("{doing}: {error}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}
