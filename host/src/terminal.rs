//! Words of others, on somebody's terminal.

/// A text without what could move a terminal's cursor.
pub fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}
