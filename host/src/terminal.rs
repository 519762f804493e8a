//! Words of others, on somebody's terminal or among the lines of a log.

use std::borrow::Cow;

/// A text without what could move a terminal's cursor: so it stays in its line, and cannot pass for one of somebody
/// else's. Panics have several lines, and a text may hold what a client sent.
pub fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect())
}
