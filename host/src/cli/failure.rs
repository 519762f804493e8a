//! How a command fails.

use crate::config::Mistake;
use crate::output::{Unprinted, note};

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
        for mistake in mistakes {
            note(format_args!("sukkal: {mistake}"));
        }
        Failed(USAGE)
    }
}

impl From<Unprinted> for Failed {
    fn from(unprinted: Unprinted) -> Self {
        failed(&unprinted.to_string())
    }
}

/// Tells each line of a text, and fails with 1.
pub fn failed(text: &str) -> Failed {
    for line in text.lines() {
        note(format_args!("sukkal: {line}"));
    }
    Failed(1)
}
