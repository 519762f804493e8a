//! Who may be subscribed: which URIs the service will notify.

use std::fmt::Display;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use url::{ParseError, Url};

use crate::address::AddressRule;
use crate::error::Error;

/// What stands before the scheme of a subscriber who is notified in the name of who subscribed it.
const TRUST: &str = "trust+";

/// Whom clients may subscribe.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Notifications {
    /// The URI schemes that subscribers may have.
    #[serde(deserialize_with = "schemes")]
    pub subscriber_types: Vec<String>,
    /// Addresses and ranges (`10.0.0.0/8`) that may be notified, and that plugins may connect to on
    /// behalf of clients, beside those of the public Internet.
    #[schemars(with = "Vec<String>")]
    pub allow_addresses: AddressRule,
}

impl Default for Notifications {
    fn default() -> Self {
        let types = ["http", "https", "mailto", "trust+http", "trust+https"];
        Notifications { subscriber_types: types.map(str::to_owned).to_vec(), allow_addresses: AddressRule::default() }
    }
}

impl Notifications {
    /// Checks a subscriber as a client names it: its scheme, and its address as far as its text tells.
    ///
    /// # Errors
    /// `BadValue`.
    pub(crate) fn subscriber(&self, value: &Value) -> Result<String, Error> {
        let uri = value.as_str().unwrap_or_default();
        let scheme = uri.split_once(':').map_or("", |(scheme, _)| scheme).to_ascii_lowercase();
        if !self.subscriber_types.contains(&scheme) {
            return Err(Error::value(self.types()));
        }
        if uri.contains(char::is_control) {
            return Err(Error::value("The subscriber must not contain control characters."));
        }
        let (plain, url) = match scheme.strip_prefix(TRUST) {
            Some(plain) => (plain, uri.get(TRUST.len()..).unwrap_or_default()),
            None => (scheme.as_str(), uri),
        };
        match plain {
            "http" | "https" => self.check_address(url)?,
            "mailto" if url["mailto:".len()..].split('?').next().is_none_or(str::is_empty) => {
                return Err(Error::value("The subscriber names no address."));
            }
            _ => {}
        }
        Ok(uri.to_owned())
    }

    fn check_address(&self, uri: &str) -> Result<(), Error> {
        let invalid = |why: &dyn Display| Error::value(format!("The subscriber is no valid URL: {why}."));
        // As browsers do, the parser takes the first name that it finds for the host, with more slashes before it or fewer.
        let authority = uri.split_once(':').and_then(|(_, rest)| rest.strip_prefix("//"));
        if authority.is_none_or(|authority| authority.starts_with(['/', '\\'])) {
            return Err(invalid(&ParseError::EmptyHost));
        }
        let url = Url::parse(uri).map_err(|error| invalid(&error))?;
        if url.port() == Some(0) {
            return Err(invalid(&ParseError::InvalidPort));
        }
        // A URL of these schemes has a host.
        match url.host() {
            Some(host) if self.allow_addresses.allows_host(&host) => Ok(()),
            _ => Err(Error::value("The address of the subscriber is not allowed.")),
        }
    }

    fn types(&self) -> String {
        let types: Vec<String> = self.subscriber_types.iter().map(|name| format!("'{name}'")).collect();
        format!("The subscriber type of subscription must be supported in the list [{}].", types.join(", "))
    }
}

/// Schemes as they are compared: in lower case.
fn schemes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let schemes = Vec::<String>::deserialize(deserializer)?;
    match schemes.iter().find(|scheme| !is_scheme(scheme)) {
        None => Ok(schemes.into_iter().map(|scheme| scheme.to_ascii_lowercase()).collect()),
        Some(wrong) => {
            Err(D::Error::custom(format!("has {wrong:?}, and must have URI schemes, for instance \"https\"")))
        }
    }
}

/// RFC 3986, 3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(uri: &str) -> Option<String> {
        Notifications::default().subscriber(&Value::from(uri)).err().map(|error| error.message)
    }

    #[test]
    fn schemes_are_compared_whatever_their_case() {
        for uri in ["http://a", "HTTPS://a.example/x?y", "mailto:a@b?subject=S", "trust+http://a", "Trust+HTTPS://a:8"]
        {
            assert_eq!(refusal(uri), None, "{uri}");
        }
        for uri in ["", "fake", "email://fake", "//a", "trust+ftp://a", "http"] {
            assert!(refusal(uri).is_some_and(|told| told.contains("['http', 'https', 'mailto',")), "{uri}");
        }
    }

    #[test]
    fn what_cannot_be_notified_is_refused_at_once() {
        let no_hosts = [
            "http://",
            "http:///x",
            "http:a",
            "https:/a",
            "http:\\\\a",
            "http://\\a",
            "trust+http://:80/",
            "http://?a",
        ];
        for uri in no_hosts.into_iter().chain(["https://a b/", "http://[::1", "http://a:0/", "trust+https://a:0"]) {
            assert!(refusal(uri).is_some_and(|told| told.starts_with("The subscriber is no valid URL")), "{uri}");
        }
        for uri in ["http://127.0.0.1/", "trust+https://[::ffff:7f00:1]/", "http://0x7f.1:80/", "HTTP://localhost"] {
            assert_eq!(refusal(uri).as_deref(), Some("The address of the subscriber is not allowed."), "{uri}");
        }
        for uri in ["mailto:", "mailto:?subject=S", "MailTo:?"] {
            assert_eq!(refusal(uri).as_deref(), Some("The subscriber names no address."), "{uri}");
        }
        assert!(refusal("mailto:a@b?subject=x\r\nBcc: c@d").is_some() && refusal("http://a\n.example/").is_some());
    }
}
