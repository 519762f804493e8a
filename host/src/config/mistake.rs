//! What is wrong with the settings, and what to do about it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a setting comes from.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Origin {
    /// Nobody set it.
    #[default]
    Default,
    /// A line of the configuration file, counted from 1.
    File(Arc<PathBuf>, usize),
    /// An environment variable.
    Env(String),
}

/// Mistakes as somebody comes upon them who mends them from the top: those in a file in the order of its lines, then those
/// of the environment, then the rest.
pub fn in_order(mut mistakes: Vec<Mistake>) -> Vec<Mistake> {
    mistakes.sort_by_key(|mistake| mistake.origin.place());
    mistakes
}

impl Origin {
    fn place(&self) -> (u8, usize) {
        match self {
            Origin::File(_, line) => (0, *line),
            Origin::Env(_) => (1, 0),
            Origin::Default => (2, 0),
        }
    }
}

/// One mistake in the settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Mistake {
    /// Where it is.
    pub origin: Origin,
    /// The setting, as a dotted path; empty where there is none.
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// What to do; empty where that is plain.
    pub mend: String,
}

impl Mistake {
    /// A mistake of a setting.
    pub fn new(origin: &Origin, key: impl Into<String>, problem: impl Into<String>, mend: impl Into<String>) -> Self {
        Mistake { origin: origin.clone(), key: key.into(), problem: problem.into(), mend: mend.into() }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default settings"),
            Origin::File(path, line) => write!(f, "{}:{line}", path.display()),
            Origin::Env(name) => write!(f, "environment variable {name}"),
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.origin != Origin::Default || !self.key.is_empty() {
            write!(f, "{}: ", self.origin)?;
        }
        if !self.key.is_empty() {
            write!(f, "`{}` ", self.key)?;
        }
        f.write_str(&self.problem)?;
        if self.mend.is_empty() { Ok(()) } else { write!(f, "; {}", self.mend) }
    }
}

/// The name that was probably meant: the same but for case and `-` for `_`, or a few letters away, where two that
/// changed places count as one.
pub fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let flat = |text: &str| text.to_lowercase().replace('-', "_");
    let wanted = flat(name);
    let most = (name.chars().count() / 3).clamp(1, 3);
    let distances =
        names.into_iter().map(|candidate| (strsim::damerau_levenshtein(&wanted, &flat(candidate)), candidate));
    distances.filter(|(distance, _)| *distance <= most).min().map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_a_few_letters_away() {
        let names = ["max_message_ttl", "max_claim_ttl", "listen"];
        assert_eq!(nearest("max_message_ttI", names), Some("max_message_ttl"));
        assert_eq!(nearest("max-message-ttl", names), Some("max_message_ttl"));
        assert_eq!(nearest("Listen", names), Some("listen"));
        assert_eq!(nearest("wholly_else", names), None);
        assert_eq!(nearest("tsl", ["listen", "tls"]), Some("tls"));
    }
}
