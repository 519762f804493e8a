//! Query parameters of the API's types (spec: REST §1, Query). An empty value counts as absent; of
//! a scalar that is repeated the last counts.

use sukkal_plugin_sdk::Params;

use crate::error::{Error, Result};
use crate::limits::DEFAULT_PAGE;

/// A text.
pub(crate) fn text<'a>(params: &'a Params, name: &str) -> Option<&'a str> {
    params.get(name).filter(|value| !value.is_empty())
}

/// An integer. One beyond 64 bits is as good as the greatest: all have limits far below.
///
/// # Errors
/// `BadParameter` where it is none.
pub(crate) fn int(params: &Params, name: &str) -> Result<Option<i64>> {
    text(params, name).map(|value| parse_int(value).ok_or_else(|| not_an_int(name))).transpose()
}

/// A boolean.
///
/// # Errors
/// `BadParameter` where it is none.
pub(crate) fn boolean(params: &Params, name: &str) -> Result<Option<bool>> {
    match text(params, name) {
        None => Ok(None),
        Some("true" | "True" | "t" | "yes" | "y" | "1" | "on") => Ok(Some(true)),
        Some("false" | "False" | "f" | "no" | "n" | "0" | "off") => Ok(Some(false)),
        Some(_) => Err(Error::parameter(format!(
            "The \"{name}\" parameter is invalid. The value of the parameter must be \"true\" or \"false\"."
        ))),
    }
}

/// A list: separated by commas, repeatable, without its empty elements.
pub(crate) fn list<'a>(params: &'a Params, name: &str) -> Vec<&'a str> {
    params.get_all(name).flat_map(|value| value.split(',')).filter(|element| !element.is_empty()).collect()
}

/// How many items a page has at the most: 1 to `max`, 10 where nothing is said.
///
/// # Errors
/// `BadValue`, with the text that `refusal` makes of `max`.
pub(crate) fn page_limit(asked: Option<i64>, max: u32, refusal: fn(u32) -> String) -> Result<u32> {
    match asked {
        None => Ok(DEFAULT_PAGE),
        Some(asked) => u32::try_from(asked)
            .ok()
            .filter(|limit| (1..=max).contains(limit))
            .ok_or_else(|| Error::value(refusal(max))),
    }
}

/// The refusal of a limit of queues, topics, pools or flavors.
pub(crate) fn queue_limit(max: u32) -> String {
    format!("Limit must be at least 1 and no greater than {max}.")
}

/// The refusal of a limit of messages, claims or subscriptions.
pub(crate) fn message_limit(max: u32) -> String {
    format!("Limit must be at least 1 and may not be greater than {max}.")
}

fn parse_int(text: &str) -> Option<i64> {
    if let Ok(value) = text.parse() {
        return Some(value);
    }
    let (digits, beyond) = match text.strip_prefix('-') {
        Some(digits) => (digits, i64::MIN),
        None => (text.strip_prefix('+').unwrap_or(text), i64::MAX),
    };
    (!digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())).then_some(beyond)
}

fn not_an_int(name: &str) -> Error {
    Error::parameter(format!("The \"{name}\" parameter is invalid. The value must be an integer."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Params {
        let mut params = Params::new();
        for (name, value) in pairs {
            params.add(name, value);
        }
        params
    }

    #[test]
    fn ints_are_whole_and_may_be_huge() {
        let params = params(&[
            ("a", "3"),
            ("a", "-4"),
            ("b", ""),
            ("c", "99999999999999999999"),
            ("d", "1.5"),
            ("e", "x"),
            ("f", "-"),
        ]);
        assert_eq!(int(&params, "a"), Ok(Some(-4)));
        assert_eq!(int(&params, "b"), Ok(None));
        assert_eq!(int(&params, "c"), Ok(Some(i64::MAX)));
        for name in ["d", "e", "f"] {
            assert_eq!(int(&params, name), Err(not_an_int(name)));
        }
    }

    #[test]
    fn booleans_have_a_few_spellings() {
        for (value, means) in [("True", true), ("y", true), ("1", true), ("off", false), ("f", false), ("0", false)] {
            assert_eq!(boolean(&params(&[("detailed", value)]), "detailed"), Ok(Some(means)), "{value}");
        }
        assert_eq!(boolean(&params(&[("detailed", "")]), "detailed"), Ok(None));
        for value in ["TRUE", "2", "maybe"] {
            assert!(boolean(&params(&[("detailed", value)]), "detailed").is_err(), "{value}");
        }
    }

    #[test]
    fn lists_are_joined() {
        assert_eq!(list(&params(&[("ids", "a,,b"), ("x", "y"), ("ids", ",c,")]), "ids"), ["a", "b", "c"]);
        assert!(list(&params(&[("ids", "")]), "ids").is_empty());
    }

    #[test]
    fn pages_have_bounds() {
        assert_eq!(page_limit(None, 20, queue_limit), Ok(10));
        assert_eq!(page_limit(Some(20), 20, queue_limit), Ok(20));
        for asked in [0, -1, 21, i64::MAX] {
            assert_eq!(page_limit(Some(asked), 20, message_limit), Err(Error::value(message_limit(20))), "{asked}");
        }
    }
}
