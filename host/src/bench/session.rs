//! What is asked of a server, whatever transport it travels on.

use serde_json::Value;

use super::Options;
use super::fault::{Broken, Fault};
use super::rest::Rest;
use super::target::{Form, Target, Transport};
use super::ws::{self, Ws};
use crate::terminal::plain;
use crate::transport::ws::msgpack;

/// One operation on the queue with this number.
#[derive(Clone, Copy, Debug)]
pub enum Operation<'a> {
    /// Makes the queue.
    CreateQueue,
    /// Removes it.
    DeleteQueue,
    /// Posts messages: the list of them, see [`messages`](super::messages::messages).
    Post(&'a [u8]),
    /// Claims messages; waits for them for so many seconds, if any.
    Claim { wait: u64 },
    /// Deletes messages by their ids, with commas between.
    Delete(&'a str),
    /// Lists messages at the head; one's own too, or those of others alone.
    List { own: bool },
}

/// An answer; the body lies in the session until its next operation.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    /// The status.
    pub status: u16,
    /// All that the server sent but an HTTP head.
    pub body: &'a [u8],
    /// How it is written.
    pub form: Form,
}

/// What one worker asks its operations over.
#[derive(Debug)]
pub enum Session {
    /// A connection of HTTP/1.1.
    Rest(Rest),
    /// A share of a websocket.
    Ws(Ws),
}

impl Session {
    /// A session over a connection of its own; it connects with its first operation.
    pub fn new(options: &Options, target: &Target) -> Session {
        match target.transport {
            Transport::Rest => Session::Rest(Rest::new(options, target)),
            Transport::Ws => Session::Ws(Ws::new(options, target, &ws::Line::new(options, target))),
        }
    }

    /// All sessions of the options, those of one connection side by side.
    pub fn all(options: &Options, target: &Target) -> Vec<Session> {
        let of_one_connection = |_| match target.transport {
            Transport::Rest => vec![Session::new(options, target)],
            Transport::Ws => {
                let line = ws::Line::new(options, target);
                (0..options.in_flight).map(|_| Session::Ws(Ws::new(options, target, &line))).collect()
            }
        };
        (0..options.connections()).flat_map(of_one_connection).collect()
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
            Session::Ws(ws) => ws.perform(operation, queue).await?,
        };
        if statuses.contains(&reply.status) { Ok(reply) } else { Err(reply.refused()) }
    }
}

/// How much of a server's words is told, in characters.
const LONGEST: usize = 200;

impl Reply<'_> {
    /// The answer as a fault, with what the server says of it.
    pub fn refused(&self) -> Fault {
        let document: Option<Value> = match self.form {
            Form::Json => serde_json::from_slice(self.body).ok(),
            Form::Msgpack => msgpack::to_json(self.body).ok().and_then(|json| serde_json::from_str(&json).ok()),
        };
        let document = document.unwrap_or_default();
        // REST and the websocket word the same refusal each in its own way.
        let places = ["/description", "/body/exception", "/body/error", "/title"];
        let words = places.into_iter().find_map(|place| document.pointer(place)?.as_str()).unwrap_or_default();
        Fault::Status(self.status, plain(words).chars().take(LONGEST).collect())
    }

    /// The ids in a claim's answer, with commas between; the bodies that are posted here hold nothing
    /// that looks like one.
    ///
    /// # Errors
    /// There are none.
    pub fn ids(&self) -> Result<String, Broken> {
        let ids = match self.form {
            Form::Json => json_ids(self.body),
            Form::Msgpack => ws::packed_ids(self.body),
        };
        if ids.is_empty() { Err(Broken::NoAnswer) } else { Ok(ids) }
    }
}

fn json_ids(body: &[u8]) -> String {
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
    use super::*;

    #[test]
    fn a_refusal_keeps_the_servers_words_in_either_form() {
        let rest = br#"{"title":"Invalid API request","description":"Too\u001b many."}"#;
        let ws = r#"{"request":{},"body":{"exception":"Too many.","error":null},"headers":{"status":400}}"#;
        let packed = msgpack::from_json(ws).unwrap();
        for (body, form, told) in [
            (&rest[..], Form::Json, "Too  many."),
            (ws.as_bytes(), Form::Json, "Too many."),
            (&packed, Form::Msgpack, "Too many."),
            (b"<html>", Form::Json, ""),
        ] {
            assert_eq!(Reply { status: 400, body, form }.refused(), Fault::Status(400, told.to_owned()));
        }
    }

    #[test]
    fn ids_are_cut_out_of_a_claim() {
        let claim = br#"{"messages":[{"id":"a1","href":"/v2/x","body":"y"},{"id": "a2", "href": "/v2/z"}]}"#;
        assert_eq!(json_ids(claim), "a1,a2");
        assert_eq!(json_ids(br#"{"messages":[]}"#), "");
    }
}
