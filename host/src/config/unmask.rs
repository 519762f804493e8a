//! Settings as somebody sends them back who was shown them: secrets are masked, and those that are stored are meant.

use serde_json::Value as Json;

use super::mask::{MASK, is_secret, masked, masked_pair, password};

/// A mask in whose place nothing is stored, or something of another server: the setting's dotted path.
#[derive(Debug, PartialEq)]
pub struct UnknownSecret(pub String);

/// What is meant by a setting of this name, at this path: each part that is sent as it was shown is what is stored there.
///
/// # Errors
/// A mask is left, which nobody can mean for a secret.
pub fn unmasked(key: &str, path: &str, sent: Json, stored: Option<&Json>) -> Result<Json, UnknownSecret> {
    if let Some(stored) = stored
        && (sent == *stored || sent == masked(key, stored.clone()))
    {
        return Ok(stored.clone());
    }
    let unknown = || UnknownSecret(path.to_owned());
    match sent {
        Json::String(text) if is_secret(key) && text == MASK => Err(unknown()),
        Json::String(text) if !is_secret(key) => {
            let stored = stored.and_then(Json::as_str).unwrap_or_default();
            unmasked_uri(&text, stored).map(Json::from).ok_or_else(unknown)
        }
        Json::Array(items) => {
            // Where some were added or taken away, nobody knows which is which.
            let stored = stored.and_then(Json::as_array).filter(|stored| stored.len() == items.len());
            let item = |(index, item)| unmasked(key, path, item, stored.and_then(|stored| stored.get(index)));
            items.into_iter().enumerate().map(item).collect()
        }
        Json::Object(object) => {
            let field = |(name, value): (String, Json)| {
                // All that is in a secret is one.
                let under = if is_secret(key) { key } else { &name };
                let path = format!("{path}.{name}");
                let value = unmasked(under, &path, value, stored.and_then(|stored| stored.get(&name)))?;
                Ok((name, value))
            };
            object.into_iter().map(field).collect()
        }
        other => Ok(other),
    }
}

/// Whether a URI, as it was sent, leads to the server of one that is stored, as the same user: what is stored for that
/// is for no other.
pub fn is_same_place(sent: &str, stored: &str) -> bool {
    sent == stored || Parts::of(sent).lead_to(&Parts::of(stored))
}

/// The parts of a URI.
struct Parts<'a> {
    /// The scheme, and the user where there is a password.
    start: &'a str,
    password: Option<&'a str>,
    host: &'a str,
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        let scheme = text.split_once(':').map_or("", |(_, rest)| rest).trim_start_matches('/');
        let scheme = if text.contains(':') { text.len() - scheme.len() } else { 0 };
        let password = password(text);
        let (start, rest) = password.clone().map_or((scheme, scheme), |password| (password.start, password.end));
        let (rest, query) = match text[rest..].split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (&text[rest..], None),
        };
        // Without a host it is the path that says where the store is.
        let is_host = text[..scheme].ends_with("//") && !text[..scheme].ends_with("///");
        let is_host = |end: &usize| is_host && !rest[..*end].is_empty() && !rest[..*end].ends_with('@');
        let (host, path) = rest.split_at(rest.find('/').filter(is_host).unwrap_or(rest.len()));
        Parts { start: &text[..start], password: password.map(|password| &text[password]), host, path, query }
    }

    /// The server itself: a secret of one is not handed to another.
    fn lead_to(&self, stored: &Parts<'_>) -> bool {
        // A password with such signs may end a URI's host for its driver, and not for us.
        let is_plain = !self.password.is_some_and(|password| password.contains(['/', '\\', '?', '#', '@']));
        is_plain && (self.start, self.host) == (stored.start, stored.host)
    }
}

fn unmasked_uri(sent: &str, stored: &str) -> Option<String> {
    let (sent, stored) = (Parts::of(sent), Parts::of(stored));
    let is_there = sent.lead_to(&stored);
    let password = match sent.password {
        Some(MASK) => stored.password.filter(|_| is_there)?,
        password => password.unwrap_or_default(),
    };
    let Some(query) = sent.query else { return Some([sent.start, password, sent.host, sent.path].concat()) };
    let mut pairs = String::new();
    for pair in query.split_inclusive(SEPARATORS) {
        let (pair, end) = pair.split_at(pair.trim_end_matches(SEPARATORS).len());
        // What has a secret in the mask's place is shown so.
        if pair.contains(MASK) && masked_pair(&pair.replace(MASK, "secret")) == pair {
            let mut stored = stored.query.filter(|_| is_there)?.split(SEPARATORS);
            pairs += stored.find(|stored| masked_pair(stored) == pair)?;
        } else {
            pairs += pair;
        }
        pairs += end;
    }
    Some([sent.start, password, sent.host, sent.path, "?", &pairs].concat())
}

/// Both part pairs for one driver or another.
const SEPARATORS: [char; 2] = ['&', ';'];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_shown_is_what_is_stored_beside_whatever_is_changed() {
        for (key, sent, stored, meant) in [
            (
                "options",
                json!({ "password": "***", "n": 2 }),
                json!({ "password": "x", "n": 1 }),
                json!({ "password": "x", "n": 2 }),
            ),
            (
                "options",
                json!({ "password": "new", "pin": "***" }),
                json!({ "password": "x" }),
                json!({ "password": "new", "pin": "***" }),
            ),
            (
                "options",
                json!({ "a": { "tokens": ["***", "y"] }, "n": 2 }),
                json!({ "a": { "tokens": ["x", "z"] } }),
                json!({ "a": { "tokens": ["x", "y"] }, "n": 2 }),
            ),
            (
                "options",
                json!({ "pin_secret": "***", "n": 2 }),
                json!({ "pin_secret": 12 }),
                json!({ "pin_secret": 12, "n": 2 }),
            ),
            (
                "options",
                json!({ "url": "redis://me:***@h/2", "n": 2 }),
                json!({ "url": "redis://me:x@h/1" }),
                json!({ "url": "redis://me:x@h/2", "n": 2 }),
            ),
            ("uri", json!("redis://me:***@h:1?db=2"), json!("redis://me:x@h:1?db=1"), json!("redis://me:x@h:1?db=2")),
            ("uri", json!("redis://me:new@h:1?db=2"), json!("redis://me:x@h:1?db=1"), json!("redis://me:new@h:1?db=2")),
            ("uri", json!("redis://me:new@other"), json!("redis://me:x@h"), json!("redis://me:new@other")),
            (
                "uri",
                json!("redis://:***@/a.sock?db=2"),
                json!("redis://:x/y@/a.sock"),
                json!("redis://:x/y@/a.sock?db=2"),
            ),
            (
                "uri",
                json!("redis://h?db=2&password=***"),
                json!("redis://h?password=x;db=1"),
                json!("redis://h?db=2&password=x"),
            ),
            (
                "uri",
                json!("a://me:***@h?password=***&db=2"),
                json!("a://me:x@h?password=y&db=1"),
                json!("a://me:x@h?password=y&db=2"),
            ),
            (
                "uri",
                json!("mongodb://h/?authMechanismProperties=A:a,AWS_SESSION_TOKEN:***&tls=true"),
                json!("mongodb://h/?authMechanismProperties=A:a,AWS_SESSION_TOKEN:x"),
                json!("mongodb://h/?authMechanismProperties=A:a,AWS_SESSION_TOKEN:x&tls=true"),
            ),
            ("uri", json!("sqlite:b.db?note=***"), json!("sqlite:a.db"), json!("sqlite:b.db?note=***")),
        ] {
            assert_eq!(unmasked(key, key, sent.clone(), Some(&stored)), Ok(meant), "{sent} where {stored} is stored");
        }
    }

    #[test]
    fn a_mask_of_what_is_not_stored_is_refused_and_no_store_gets_the_secret_of_another() {
        for (key, sent, stored, named) in [
            ("options", json!({ "password": "***" }), json!({ "n": 1 }), "options.password"),
            ("options", json!({ "password": "***" }), json!({ "password": { "env": "NAME" } }), "options.password"),
            ("options", json!({ "tokens": ["***"] }), json!({ "tokens": ["x", "y"] }), "options.tokens"),
            ("options", json!({ "tokens": { "b": "***" } }), json!({ "tokens": { "a": "x" } }), "options.tokens.b"),
            ("uri", json!("redis://me:***@other"), json!("redis://me:x@h"), "uri"),
            ("uri", json!("redis://you:***@h"), json!("redis://me:x@h"), "uri"),
            ("uri", json!("rediss://me:***@h"), json!("redis://me:x@h"), "uri"),
            ("uri", json!("redis://other?password=***"), json!("redis://h?password=x"), "uri"),
            ("uri", json!("redis://h?pass=***"), json!("redis://h?password=x"), "uri"),
            ("uri", json!("redis://h:2?password=***"), json!("redis://h:1?password=x"), "uri"),
            ("uri", json!("unix:///run/b.sock?pass=***"), json!("unix:///run/a.sock?pass=x"), "uri"),
            ("uri", json!("redis://:***@/run/b.sock"), json!("redis://:x@/run/a.sock"), "uri"),
            ("uri", json!("a://me:x@other/?b=c@h?d&pass=***"), json!("a://me:x@h?pass=y"), "uri"),
        ] {
            let refused = Err(UnknownSecret(named.to_owned()));
            assert_eq!(unmasked(key, key, sent.clone(), Some(&stored)), refused, "{sent} where {stored} is stored");
            assert_eq!(unmasked(key, key, sent.clone(), None), refused, "{sent} where nothing is stored");
        }
    }
}
