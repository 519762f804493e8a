//! What one connection does over and over.

use super::connection::{Connection, Reply};
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
    /// Posts ten messages, claims ten and deletes those: the queue stays as deep as it was.
    PostClaimDelete,
    /// Lists ten messages at the head.
    List,
    /// Lists ten messages of others, where all are one's own: an empty page.
    ListOthers,
    /// Posts one message of 1 KiB to each queue in turn.
    PostAround,
}

impl Work {
    /// As the report calls it.
    pub fn name(self) -> &'static str {
        match self {
            Work::Post => "post 1 KiB",
            Work::ClaimAndDelete => "claim 10 + delete 10",
            Work::PostClaimDelete => "post, claim, delete 10",
            Work::List => "list 10",
            Work::ListOthers => "list 10 of others, of none",
            Work::PostAround => "post 1 KiB, each queue",
        }
    }

    /// The work, spread over so many queues.
    pub fn among(self, queues: usize) -> Spread {
        Spread { work: self, queues }
    }
}

/// A kind of work, and over how many queues it is spread.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    work: Work,
    queues: usize,
}

/// One connection at its work.
#[derive(Debug)]
pub struct Worker {
    connection: Connection,
    queue: usize,
    spread: Spread,
    posted: Vec<u8>,
    first: Vec<u8>,
}

impl Worker {
    /// The worker with this number, on its queue.
    pub fn new(connection: Connection, spread: Spread, number: usize) -> Worker {
        let queue = number % QUEUES;
        let path = |rest: &str| format!("/v2/queues/bench-{queue}/{rest}");
        let first = match spread.work {
            Work::Post | Work::PostAround => post(queue, 1, 0),
            Work::ClaimAndDelete | Work::PostClaimDelete => {
                request("POST", &path(&format!("claims?limit={CLAIM}")), b"{\"ttl\":300,\"grace\":60}")
            }
            Work::List => request("GET", &path("messages?limit=10&echo=true"), b""),
            Work::ListOthers => request("GET", &path("messages?limit=10"), b""),
        };
        Worker { connection, queue, spread, posted: post(queue, CLAIM, 0), first }
    }

    /// Does the work once. `false`: there is none left.
    pub async fn once(&mut self) -> Result<bool, Failure> {
        match self.spread.work {
            Work::Post => expect(self.connection.exchange(&self.first).await?, &[200, 201]),
            Work::List | Work::ListOthers => expect(self.connection.exchange(&self.first).await?, &[200]),
            Work::PostAround => {
                self.queue = (self.queue + 7_919) % self.spread.queues;
                let request = post(self.queue, 1, 0);
                expect(self.connection.exchange(&request).await?, &[201])
            }
            Work::PostClaimDelete => {
                expect(self.connection.exchange(&self.posted).await?, &[201])?;
                self.claim_and_delete().await
            }
            Work::ClaimAndDelete => self.claim_and_delete().await,
        }
    }

    async fn claim_and_delete(&mut self) -> Result<bool, Failure> {
        let reply = self.connection.exchange(&self.first).await?;
        if reply.status == 204 {
            return Ok(false);
        }
        let path = format!("/v2/queues/bench-{}/messages?ids={}", self.queue, ids(reply.body).join(","));
        expect(reply, &[201])?;
        expect(self.connection.exchange(&request("DELETE", &path, b"")).await?, &[204])
    }
}

fn expect(reply: Reply<'_>, statuses: &[u16]) -> Result<bool, Failure> {
    if statuses.contains(&reply.status) {
        return Ok(true);
    }
    Err(Failure::Found(format!("unexpected answer {}: {}", reply.status, String::from_utf8_lossy(reply.body))))
}

/// A post of so many messages to the queue with this number, hidden for so many seconds.
pub fn post(queue: usize, n_messages: usize, delay: u64) -> Vec<u8> {
    let message = format!("{{\"delay\":{delay},\"body\":\"{}\"}}", "x".repeat(BODY - 2));
    let messages = vec![message; n_messages].join(",");
    request("POST", &format!("/v2/queues/bench-{queue}/messages"), format!("{{\"messages\":[{messages}]}}").as_bytes())
}

/// A whole request.
pub fn request(method: &str, path: &str, body: &[u8]) -> Vec<u8> {
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

#[cfg(test)]
mod tests {
    use super::ids;

    #[test]
    fn ids_are_cut_out_of_a_claim() {
        let claim = br#"{"messages":[{"id":"a1","href":"/v2/x","body":"y"},{"id":"a2","href":"/v2/z"}]}"#;
        assert_eq!(ids(claim), ["a1", "a2"]);
    }
}
