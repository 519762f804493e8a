//! What settings and parameters of a URI are refused for.

use std::ops::RangeInclusive;

use crate::{Error, Result};

/// Whether a setting is within its range.
///
/// # Errors
/// `Invalid`: names it, its range and its value.
pub fn within(name: &str, value: u32, range: RangeInclusive<u32>) -> Result<()> {
    if range.contains(&value) {
        return Ok(());
    }
    let (low, high) = range.into_inner();
    Err(Error::invalid(format!("{name} must be from {low} to {high}, it is {value}")))
}

/// Whether a parameter of a URI may be named to whoever reads the log. What stands behind a `?` or `&` may be
/// the rest of a password that should have been written with `%3F` or `%26`.
pub fn tellable(query: &str, name: &str) -> bool {
    let letters = |text: &str| text.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-".contains(letter));
    let query = query.to_ascii_lowercase();
    letters(name) && !["@", "password", "token", "secret"].iter().any(|sign| query.contains(sign))
}
