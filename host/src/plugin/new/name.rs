//! What a new plugin is called.

use std::str::FromStr;

/// The longest name, in letters: it becomes a folder and a file.
const LONGEST: usize = 40;

/// A plugin's name: a crate, a type, a filter's name or a URI scheme can be made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let word = |word: &str| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        if !begins || !text.split('-').all(word) || text.len() > LONGEST {
            let shape = "lower-case letters and digits, single hyphens between them, a letter first";
            return Err(format!("it is made of {shape}, at most {LONGEST} in all"));
        }
        if text == "plugin-sdk" {
            return Err("the crate would be called as the SDK is; take another".to_owned());
        }
        Ok(Name(text.to_owned()))
    }
}

impl Name {
    /// As it was given: `rate-limit`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The crate: `sukkal-rate-limit`.
    pub fn package(&self) -> String {
        format!("sukkal-{}", self.0)
    }

    /// The library, as Rust calls it: `sukkal_rate_limit`.
    pub fn library(&self) -> String {
        self.package().replace('-', "_")
    }

    /// As types are called: `RateLimit`.
    pub fn camel(&self) -> String {
        let words = self.0.split('-').map(|word| {
            let (first, rest) = word.split_at(1);
            first.to_ascii_uppercase() + rest
        });
        words.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_a_crate_a_library_and_a_type() {
        let name: Name = "rate-limit2".parse().unwrap();
        assert_eq!((name.package(), name.library()), ("sukkal-rate-limit2".into(), "sukkal_rate_limit2".into()));
        assert_eq!(name.camel(), "RateLimit2");
    }

    #[test]
    fn what_no_crate_or_scheme_can_be_called_is_refused() {
        let long = "a".repeat(LONGEST + 1);
        for text in ["", "1st", "-a", "a-", "a--b", "A", "ä", "a_b", "a/b", "../a", "a.b", "plugin-sdk", &long] {
            assert!(text.parse::<Name>().is_err(), "{text}");
        }
    }
}
