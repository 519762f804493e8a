//! Headers of ours that are sent twice.

use sukkal_core::Error;
use sukkal_plugin_sdk::Headers;

/// Those of which there is one. Whoever stands between a client and the host, and the host's filters, may each have
/// gone by another of two. A signed URL's are looked at with its signature.
const SINGLE: [&str; 5] = ["Client-ID", "X-Project-ID", "X-Tenant-Id", "X-Auth-Token", "Idempotency-Key"];

/// The refusal of headers that say two things where one is meant. The same thing twice is as good as once.
pub fn refusal(headers: &Headers) -> Option<Error> {
    let is_doubled = |name: &&&str| {
        let mut values = headers.get_all(name);
        values.next().is_some_and(|first| values.any(|other| other != first))
    };
    let doubled = SINGLE.iter().find(is_doubled)?;
    Some(Error::value(format!("The header {doubled} is there more than once, with different values.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_twice_must_be_the_same() {
        let told = |all: &[(&str, &str)]| {
            let mut headers = Headers::new();
            all.iter().for_each(|(name, value)| headers.add(name, value));
            refusal(&headers).map(|error| error.message)
        };
        assert_eq!(told(&[("client-id", "a"), ("x-project-id", "a"), ("accept", "a"), ("accept", "b")]), None);
        assert_eq!(told(&[("client-id", "a"), ("Client-Id", "a"), ("client-id", "a")]), None);
        for name in SINGLE {
            let text = format!("The header {name} is there more than once, with different values.");
            assert_eq!(told(&[(name, "a"), ("other", "b"), (&name.to_lowercase(), "")]), Some(text));
        }
    }
}
