//! What commands print.

use std::fmt;
use std::io::{self, ErrorKind, Write};

/// Why a line was not printed.
#[derive(Debug)]
pub enum Unprinted {
    /// Whoever read has gone, as `head` does once it has enough.
    Unread,
    /// The output takes no more: it is a file on a full disk, for one.
    Unwritten(io::Error),
}

/// Prints a line, now.
///
/// # Errors
/// It was not printed, or not all of it.
pub fn print(line: impl fmt::Display) -> Result<(), Unprinted> {
    let mut output = io::stdout().lock();
    writeln!(output, "{line}").and_then(|()| output.flush()).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Unprinted::Unread,
        _ => Unprinted::Unwritten(error),
    })
}

/// Prints a line, now. When nobody reads on it is lost, and nothing else.
///
/// # Errors
/// `Unwritten` alone.
pub fn tell(line: impl fmt::Display) -> Result<(), Unprinted> {
    match print(line) {
        Err(Unprinted::Unread) => Ok(()),
        printed => printed,
    }
}

/// Prints a line to the standard error. Where that takes none there is nobody to tell.
pub fn note(line: impl fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

impl fmt::Display for Unprinted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unprinted::Unread => f.write_str("nobody reads the output"),
            Unprinted::Unwritten(error) => write!(f, "the output cannot be written: {error}"),
        }
    }
}
