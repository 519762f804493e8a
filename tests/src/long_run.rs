//! Tests that can be made long.

/// How much of a test is run: the short size, or the long one where the environment has
/// `SUKKAL_LONG=1`.
pub fn scaled(short: usize, long: usize) -> usize {
    if std::env::var_os("SUKKAL_LONG").is_some_and(|value| value == "1") { long } else { short }
}
