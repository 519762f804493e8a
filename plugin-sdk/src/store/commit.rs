//! What a catalog takes as one commit.

use std::collections::HashSet;

use crate::{Change, Error, ErrorKind, Result};

/// How many changes a commit may hold.
pub const MAX_CHANGES: usize = 100;

/// Whether changes may be committed together at all, by the contract of [`crate::Catalog::commit`].
///
/// # Errors
/// `TooLarge`: more than [`MAX_CHANGES`]. `Invalid`: two of one record.
pub fn check_changes(changes: &[Change]) -> Result<()> {
    if changes.len() > MAX_CHANGES {
        let message = format!("a commit holds at most {MAX_CHANGES} changes; split it");
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    let mut seen = HashSet::with_capacity(changes.len());
    match changes.iter().all(|change| seen.insert(&change.key)) {
        true => Ok(()),
        false => Err(Error::invalid("a commit changes each record once")),
    }
}
