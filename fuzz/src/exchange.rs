//! One request to the REST API and its answer, byte by byte.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::answer;
use crate::host::{Host, PATIENCE};

/// An answer.
pub struct Answer {
    /// All of it, as it came.
    pub bytes: Vec<u8>,
    /// Where its body begins.
    pub body: usize,
    /// Its status.
    pub status: u16,
}

impl Answer {
    /// A header's value, by its name in lower case with the colon.
    fn header(&self, name: &str) -> Option<String> {
        let head = String::from_utf8_lossy(&self.bytes[..self.body]).to_lowercase();
        head.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
    }
}

/// Sends a request and holds its answer to what must hold of any; none where the connection has ended
/// without one, as it may for what does not even look like HTTP/1.1.
///
/// # Panics
/// It is a finding.
pub fn exchange(host: &mut Host, request: &[u8]) -> Option<Answer> {
    let (runtime, wire) = host.wire();
    let answer = runtime.block_on(async {
        let stream = wire.as_mut().expect("a connection is open");
        timeout(PATIENCE, read(stream, request)).await.expect("an answer comes")
    });
    if answer.as_ref().is_none_or(|answer| answer.header("connection:").as_deref() == Some("close")) {
        *wire = None;
    }
    let answer = answer?;
    let body = &answer.bytes[answer.body..];
    answer::status(answer.status, &answer.bytes);
    let has_id = answer.header("x-openstack-request-id:").is_some_and(|id| id.starts_with("req-"));
    assert!(has_id, "an answer without a request's id: {}", String::from_utf8_lossy(&answer.bytes));
    match answer.header("content-type:").as_deref() {
        Some("application/json") if !body.is_empty() => drop(answer::json(body)),
        _ if answer.status == 204 => assert!(body.is_empty(), "204 with a body"),
        _ => {}
    }
    Some(answer)
}

async fn read(stream: &mut TcpStream, request: &[u8]) -> Option<Answer> {
    let sent = stream.write_all(request).await.is_ok();
    let mut bytes = Vec::new();
    let body = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if !matches!(stream.read_buf(&mut bytes).await, Ok(1..)) {
            // Only what does not even look like HTTP/1.1 ends a connection without a word.
            assert!(bytes.is_empty() && (!sent || request.starts_with(b"PRI ")), "the connection ended");
            return None;
        }
    };
    let status = bytes.get(9..12).and_then(|status| std::str::from_utf8(status).ok()?.parse().ok());
    let mut answer = Answer { bytes, body, status: status.expect("an answer has a status") };
    let length: usize = answer.header("content-length:").and_then(|length| length.parse().ok()).unwrap_or_default();
    if request.starts_with(b"HEAD ") {
        // Of a head that is no HTTP nobody knows that it was this method: the refusal has a body, and is the last.
        if answer.header("connection:").as_deref() == Some("close") {
            let _ = stream.read_to_end(&mut answer.bytes).await;
        }
    } else if answer.status != 204 {
        while answer.bytes.len() < body + length {
            assert!(matches!(stream.read_buf(&mut answer.bytes).await, Ok(1..)), "an answer is cut short");
        }
    }
    Some(answer)
}
