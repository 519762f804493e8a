//! What one connection does over and over.

use super::connection::Connection;
use crate::failure::Failure;

/// A message's body, with its quotes: 1 KiB.
const BODY: usize = 1024;
/// Messages of one claim.
const CLAIM: usize = 10;
/// Messages are spread over so many queues.
pub const QUEUES: usize = 8;

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Posts one message of 1 KiB.
    Post,
    /// Claims ten messages and deletes them by their ids.
    ClaimAndDelete,
}

impl Work {
    /// As the report calls it.
    pub fn name(self) -> &'static str {
        match self {
            Work::Post => "post 1 KiB",
            Work::ClaimAndDelete => "claim 10 + delete 10",
        }
    }
}

/// One connection at its work.
#[derive(Debug)]
pub struct Worker {
    connection: Connection,
    queue: usize,
    work: Work,
    first: Vec<u8>,
}

impl Worker {
    /// The worker with this number, on its queue.
    pub fn new(connection: Connection, work: Work, number: usize) -> Worker {
        let queue = number % QUEUES;
        let first = match work {
            Work::Post => post(queue, 1),
            Work::ClaimAndDelete => {
                let path = format!("/v2/queues/bench-{queue}/claims?limit={CLAIM}");
                request("POST", &path, b"{\"ttl\":300,\"grace\":60}")
            }
        };
        Worker { connection, queue, work, first }
    }

    /// Does the work once. `false`: there is none left.
    pub async fn once(&mut self) -> Result<bool, Failure> {
        let reply = self.connection.exchange(&self.first).await?;
        match (self.work, reply.status) {
            (Work::Post, 200 | 201) => Ok(true),
            (Work::ClaimAndDelete, 204) => Ok(false),
            (Work::ClaimAndDelete, 201) => {
                let ids = ids(reply.body);
                let path = format!("/v2/queues/bench-{}/messages?ids={}", self.queue, ids.join(","));
                let reply = self.connection.exchange(&request("DELETE", &path, b"")).await?;
                if reply.status == 204 { Ok(true) } else { Err(unexpected(reply.status, reply.body)) }
            }
            (_, status) => Err(unexpected(status, reply.body)),
        }
    }
}

/// A post of so many messages to the queue with this number.
pub fn post(queue: usize, n_messages: usize) -> Vec<u8> {
    let message = format!("{{\"body\":\"{}\"}}", "x".repeat(BODY - 2));
    let messages = vec![message; n_messages].join(",");
    request("POST", &format!("/v2/queues/bench-{queue}/messages"), format!("{{\"messages\":[{messages}]}}").as_bytes())
}

fn request(method: &str, path: &str, body: &[u8]) -> Vec<u8> {
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: bench\r\nClient-ID: 3381af92-2b9e-11e3-b191-71861300734c\r\n\
         X-Project-ID: bench\r\n{length}\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// The ids in a claim's answer; bodies here hold no such text.
fn ids(body: &[u8]) -> Vec<&str> {
    let text = std::str::from_utf8(body).unwrap_or_default();
    text.split("\"id\":\"").skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

fn unexpected(status: u16, body: &[u8]) -> Failure {
    Failure::Found(format!("unexpected answer {status}: {}", String::from_utf8_lossy(body)))
}

#[cfg(test)]
mod tests {
    use super::ids;

    #[test]
    fn ids_are_cut_out_of_a_claim() {
        let claim = br#"{"messages":[{"id":"a1","href":"/v2/x","body":"y"},{"id":"a2","href":"/v2/z"}]}"#;
        assert_eq!(ids(claim), ["a1", "a2"]);
    }
}
