//! What is asked of a server, whatever transport it travels on.

use super::Options;
use super::connection::{Broken, Reply};
use super::rest::Rest;
use super::target::Target;

/// One operation on the queue with this number.
#[derive(Clone, Copy, Debug)]
pub enum Operation<'a> {
    /// Makes the queue.
    CreateQueue,
    /// Removes it.
    DeleteQueue,
    /// Posts messages: the body of such a request, see [`messages`].
    Post(&'a [u8]),
    /// Claims messages.
    Claim,
    /// Deletes messages by their ids, with commas between.
    Delete(&'a str),
    /// Lists messages at the head; one's own too, or those of others alone.
    List { own: bool },
}

/// Why an operation did not do what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The answer has an unexpected status.
    Status(u16),
    /// There is no answer.
    Broken(Broken),
}

impl From<Broken> for Fault {
    fn from(broken: Broken) -> Self {
        Fault::Broken(broken)
    }
}

impl Fault {
    /// As the report calls it.
    pub fn name(self) -> String {
        match self {
            Fault::Status(status) => status.to_string(),
            Fault::Broken(broken) => broken.name().to_owned(),
        }
    }
}

/// One connection over one of the transports.
#[derive(Debug)]
pub enum Session {
    /// HTTP/1.1.
    Rest(Rest),
}

impl Session {
    /// A session with the server; it connects with its first operation.
    pub fn new(options: &Options, target: &Target) -> Session {
        Session::Rest(Rest::new(options, target))
    }

    /// Does an operation, whose answer should have one of these statuses.
    pub async fn expect(
        &mut self,
        operation: Operation<'_>,
        queue: usize,
        statuses: &[u16],
    ) -> Result<Reply<'_>, Fault> {
        let reply = match self {
            Session::Rest(rest) => rest.perform(operation, queue).await?,
        };
        if statuses.contains(&reply.status) { Ok(reply) } else { Err(Fault::Status(reply.status)) }
    }
}

/// The body of a post of so many messages of the options' kind.
pub fn messages(options: &Options, n_messages: u64) -> Vec<u8> {
    let times = [("ttl", options.ttl), ("delay", options.delay)];
    let times = times.iter().filter_map(|(name, time)| Some(format!("\"{name}\":{},", (*time)?)));
    let times = times.collect::<String>();
    let quoted = "x".repeat(usize::try_from(options.size).unwrap_or(usize::MAX) - 2);
    let message = format!("{{{times}\"body\":\"{quoted}\"}}");
    let all = std::iter::repeat_n(message.as_str(), usize::try_from(n_messages).unwrap_or(usize::MAX));
    format!("{{\"messages\":[{}]}}", all.collect::<Vec<_>>().join(",")).into_bytes()
}

/// The ids in a claim's answer, with commas between; the bodies that are posted here hold no such
/// text.
pub fn ids(body: &[u8]) -> String {
    let mut ids = String::with_capacity(32 * 10);
    for key in memchr::memmem::find_iter(body, b"\"id\"") {
        let mut parts = body[key + b"\"id\"".len()..].splitn(3, |byte| *byte == b'"');
        if let Some(id) = parts.nth(1).and_then(|id| std::str::from_utf8(id).ok()) {
            ids.push_str(if ids.is_empty() { "" } else { "," });
            ids.push_str(id);
        }
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::ids;

    #[test]
    fn ids_are_cut_out_of_a_claim() {
        let claim = br#"{"messages":[{"id":"a1","href":"/v2/x","body":"y"},{"id": "a2", "href": "/v2/z"}]}"#;
        assert_eq!(ids(claim), "a1,a2");
        assert_eq!(ids(br#"{"messages":[]}"#), "");
    }
}
