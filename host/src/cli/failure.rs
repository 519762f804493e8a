//! How a command fails.

use crate::config::{Mistake, in_order};
use crate::output::{Unprinted, note};
use crate::terminal::plain;

/// The status when there is nothing of what was asked for: no such queue, no message to claim.
pub const NOTHING: u8 = 3;

/// The status of mistakes in settings, on the command line or in what is to be posted.
pub const USAGE: u8 = 2;

/// What went wrong was told; the program ends with this status: [`USAGE`], [`NOTHING`], 1 for all else.
pub struct Failed(pub u8);

impl Failed {
    /// The same with another status.
    pub fn with(self, status: u8) -> Failed {
        Failed(status)
    }
}

impl From<Vec<Mistake>> for Failed {
    fn from(mistakes: Vec<Mistake>) -> Self {
        for mistake in in_order(mistakes) {
            note(format_args!("sukkal: {}", plain(&mistake.to_string())));
        }
        Failed(USAGE)
    }
}

/// Fails where there are mistakes.
pub fn none(mistakes: Vec<Mistake>) -> Result<(), Failed> {
    if mistakes.is_empty() { Ok(()) } else { Err(mistakes.into()) }
}

impl From<Unprinted> for Failed {
    fn from(unprinted: Unprinted) -> Self {
        failed(&unprinted.to_string())
    }
}

/// Tells why in one line, and fails with 1.
pub fn failed(text: &str) -> Failed {
    note(format_args!("sukkal: {}", plain(text.trim_end())));
    Failed(1)
}
