//! Whose pages may use the API from within a browser.

use warp::http::HeaderMap;
use warp::http::header::{HOST, HeaderValue, ORIGIN};

/// The origins that the configuration names; `*` is every one.
#[derive(Clone, Debug, Default)]
pub struct Origins(Vec<String>);

impl Origins {
    /// Those of the configuration.
    pub fn new(origins: &[String]) -> Origins {
        Origins(origins.to_vec())
    }

    /// Whether none is named.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether every one may.
    pub fn are_all(&self) -> bool {
        self.0.iter().any(|allowed| allowed == "*")
    }

    /// Whether this one may.
    pub fn allow(&self, origin: &HeaderValue) -> bool {
        self.are_all() || origin.to_str().is_ok_and(|origin| self.0.iter().any(|allowed| allowed == origin))
    }

    /// Whether whoever sends a handshake may have a websocket. A browser lets every page ask for one, and
    /// tells only which page it is; so it is the server that refuses (RFC 6455 §10.2). Programs tell no
    /// origin, or that of the server itself.
    pub fn admit(&self, handshake: &HeaderMap) -> bool {
        let Some(origin) = handshake.get(ORIGIN) else { return true };
        self.allow(origin) || is_own(origin, handshake.get(HOST))
    }
}

/// Whether an origin is the server that was asked.
fn is_own(origin: &HeaderValue, host: Option<&HeaderValue>) -> bool {
    let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
    let host = host.and_then(|host| host.to_str().ok());
    authority.zip(host).is_some_and(|(authority, host)| authority.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_origins_get_no_websocket_unless_they_are_named() {
        let admits = |named: &[&str], origin: &str| {
            let mut handshake = HeaderMap::new();
            handshake.insert(HOST, HeaderValue::from_static("queue.example.org:9000"));
            if !origin.is_empty() {
                handshake.insert(ORIGIN, HeaderValue::from_str(origin).unwrap());
            }
            let named: Vec<_> = named.iter().map(|origin| (*origin).to_owned()).collect();
            Origins::new(&named).admit(&handshake)
        };
        for named in [&[][..], &["https://app.example.org"]] {
            assert!(admits(named, "") && admits(named, "http://Queue.example.org:9000"));
            for other in ["https://evil.example.org", "http://queue.example.org", "http://queue.example.org:90", "null"]
            {
                assert!(!admits(named, other), "{other}");
            }
        }
        assert!(admits(&["https://app.example.org"], "https://app.example.org"));
        assert!(admits(&["*"], "https://anybody.example.org"));
    }
}
