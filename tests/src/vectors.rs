//! The vectors of the specification, and how their answers are compared with the host's.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::programs;

/// The cases of a file of `tests/vectors`: the array under this key.
pub fn read(file: &str, key: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(programs::checkout(&format!("tests/vectors/{file}"))).expect("the vectors");
    let vectors: Value = serde_json::from_str(&text).expect("vectors are JSON");
    vectors[key].as_array().cloned().expect("vectors are an array")
}

/// What Sukkal answers: its own answer where it differs, else the original's.
pub fn answer(case: &Value) -> &Value {
    match &case["sukkal"] {
        Value::Null => &case["original"],
        differing => differing,
    }
}

/// What the placeholders (`<M1>`, `<C1>`, `<TIME>`) stand for, learnt as answers are compared.
#[derive(Debug, Default)]
pub struct Placeholders(HashMap<String, String>);

impl Placeholders {
    /// A text of the vectors with the known placeholders replaced.
    pub fn fill(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }

    /// Compares a value with the vectors' and learns from it.
    ///
    /// # Errors
    /// The first difference, with its place.
    pub fn compare(&mut self, place: &str, expected: &Value, found: &Value) -> Result<(), String> {
        match (expected, found) {
            (Value::Object(expected), Value::Object(found)) => self.compare_objects(place, expected, found),
            (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
                let mut pairs = expected.iter().zip(found).enumerate();
                pairs.try_for_each(|(index, (expected, found))| {
                    self.compare(&format!("{place}[{index}]"), expected, found)
                })
            }
            (Value::String(expected), Value::String(found)) => self.compare_texts(place, expected, found),
            // Time passes.
            (Value::Number(expected), Value::Number(found)) if place.ends_with(".age") => {
                let later =
                    found.as_u64() >= expected.as_u64() && found.as_u64() <= expected.as_u64().map(|age| age + 60);
                if later { Ok(()) } else { Err(format!("{place}: {found} where {expected} or a little more is due")) }
            }
            (expected, found) if expected == found => Ok(()),
            (expected, found) => Err(format!("{place}: {found} where {expected} is due")),
        }
    }

    fn compare_objects(
        &mut self,
        place: &str,
        expected: &Map<String, Value>,
        found: &Map<String, Value>,
    ) -> Result<(), String> {
        if let Some(surplus) = found.keys().find(|key| !expected.contains_key(*key)) {
            return Err(format!("{place}: has the key {surplus}, which is not due"));
        }
        let mut keys = expected.iter();
        keys.try_for_each(|(key, expected)| match found.get(key) {
            Some(found) => self.compare(&format!("{place}.{key}"), expected, found),
            None => Err(format!("{place}: the key {key} is missing")),
        })
    }

    /// Compares texts piece by piece: what is between placeholders must be there; an unknown
    /// placeholder takes what stands in its place, as far as an id or a time goes.
    fn compare_texts(&mut self, place: &str, expected: &str, found: &str) -> Result<(), String> {
        let filled = self.fill(expected);
        let mut expected = filled.as_str();
        let mut rest = found;
        let different = || format!("{place}: {found:?} where {filled:?} is due");
        while let Some((before, name, after)) = placeholder(expected) {
            rest = rest.strip_prefix(before).ok_or_else(different)?;
            let end = rest.find(|letter| !is_of_value(name, letter)).unwrap_or(rest.len());
            if end == 0 {
                return Err(different());
            }
            if name != "<TIME>" {
                self.0.insert(name.to_owned(), rest[..end].to_owned());
            }
            (expected, rest) = (after, &rest[end..]);
        }
        if rest == expected { Ok(()) } else { Err(different()) }
    }
}

/// Splits at the first placeholder.
fn placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let begin = text.find('<')?;
    let end = begin + text[begin..].find('>')? + 1;
    let name = &text[begin + 1..end - 1];
    let sound = !name.is_empty() && name.chars().all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit());
    sound.then(|| (&text[..begin], &text[begin..end], &text[end..]))
}

fn is_of_value(name: &str, letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '-' || letter == '_' || (name == "<TIME>" && letter == ':')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn placeholders_are_learnt_and_held_to() {
        let mut placeholders = Placeholders::default();
        let due = json!({ "a": "/m/<M1>?x", "b": ["<M1>"], "age": 0 });
        assert_eq!(placeholders.compare("", &due, &json!({ "a": "/m/i-1?x", "b": ["i-1"], "age": 1 })), Ok(()));
        assert_eq!(placeholders.fill("/<M1>/"), "/i-1/");
        assert!(placeholders.compare("", &json!("<M1>"), &json!("i-2")).is_err());
        assert!(placeholders.compare("", &json!({ "a": 1 }), &json!({ "a": 1, "b": 2 })).is_err());
        assert!(placeholders.compare("", &json!({ "a": 1 }), &json!({})).is_err());
    }
}
