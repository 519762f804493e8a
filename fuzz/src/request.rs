//! Requests to the REST API: method and path, headers, body.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::host::{Host, PATIENCE};
use crate::{Target, answer};

/// An input is method, blank, path with query; then lines of headers; an empty line; the body. Lines
/// end with a line feed. How long the body is, and where the connection leads, the target says.
pub static REST_REQUEST: Target = Target {
    name: "rest_request",
    words: &[
        "GET ",
        "POST ",
        "PUT ",
        "PATCH ",
        "DELETE ",
        "HEAD ",
        "OPTIONS ",
        "/v2",
        "/v2/queues",
        "/messages",
        "/claims",
        "/subscriptions",
        "/topics/",
        "/share",
        "/purge",
        "/stats",
        "/confirm",
        "?limit=",
        "&marker=",
        "&echo=true",
        "&detailed=true",
        "&ids=",
        "&pop=",
        "&wait=",
        "&include_claimed=true",
        "%00",
        "%ff",
        "%2f",
        "+",
        ",,",
        "Client-ID: ",
        "X-Project-ID: ",
        "Content-Type: application/x-www-form-urlencoded\n",
        "Accept: ",
        "*/*;q=0",
        "URL-Signature: ",
        "URL-Expires: 2050-01-01T00:00:00\n",
        "URL-Methods: ",
        "URL-Paths: ",
        "Idempotency-Key: ",
        "{\"messages\":[",
        "\"body\":",
        "\"ttl\":",
        "\"delay\":",
        "\"op\":\"replace\"",
        "\"path\":\"/metadata/",
        "\"value\":",
        "~0",
        "~1",
        "~",
        "_default_message_ttl",
        "_dead_letter_queue",
        "_max_claim_count",
        "null",
        "[]",
        "{}",
        "-1",
        "9223372036854775808",
        "1e999",
        "\\ud800",
        "\\u0000",
    ],
    send,
};

/// What of an input's head the target says itself.
const OWN: [&str; 7] =
    ["content-length", "transfer-encoding", "connection", "expect", "upgrade", "host", "http2-settings"];

fn send(host: &mut Host, input: &[u8]) {
    let (head, body) = match input.windows(2).position(|pair| pair == b"\n\n") {
        Some(end) => (&input[..end], &input[end + 2..]),
        None => (input, &[][..]),
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let mut request = [first, b" HTTP/1.1\r\nHost: sukkal\r\n"].concat();
    for line in lines.filter(|line| !is_own(line)) {
        request.extend_from_slice(line);
        request.extend_from_slice(b"\r\n");
    }
    if !body.is_empty() {
        request.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    request.extend_from_slice(b"\r\n");
    request.extend_from_slice(body);
    let (runtime, wire) = host.wire();
    let is_kept = runtime.block_on(async {
        let stream = wire.as_mut().expect("a connection is open");
        timeout(PATIENCE, exchange(stream, &request, first.starts_with(b"HEAD "))).await.expect("an answer comes")
    });
    if !is_kept {
        *wire = None;
    }
}

fn is_own(line: &[u8]) -> bool {
    let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
    // A line that continues the one before, or ends the head, would break the frame.
    let breaks = line.is_empty() || line.starts_with(b" ") || line.starts_with(b"\t") || line.contains(&b'\r');
    breaks || OWN.iter().any(|own| name.trim_ascii().eq_ignore_ascii_case(own.as_bytes()))
}

/// Sends a request and reads its answer. `false`: the connection has ended with it.
async fn exchange(stream: &mut TcpStream, request: &[u8], is_head: bool) -> bool {
    let sent = stream.write_all(request).await.is_ok();
    let mut answered = Vec::new();
    let end = loop {
        if let Some(end) = answered.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if !matches!(stream.read_buf(&mut answered).await, Ok(1..)) {
            // Only what does not even look like HTTP/1.1 ends a connection without a word.
            assert!(answered.is_empty() && (!sent || request.starts_with(b"PRI ")), "the connection ended");
            return false;
        }
    };
    let head = String::from_utf8_lossy(&answered[..end]).to_lowercase();
    let status: u16 = head.get(9..12).and_then(|status| status.parse().ok()).expect("an answer has a status");
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let length: usize = header("content-length:").and_then(|length| length.parse().ok()).unwrap_or_default();
    if !is_head && status != 204 {
        while answered.len() < end + length {
            assert!(matches!(stream.read_buf(&mut answered).await, Ok(1..)), "an answer is cut short: {head}");
        }
    }
    let body = &answered[end..];
    answer::status(status, &answered);
    if header("content-type:") == Some("application/json") && !body.is_empty() {
        answer::json(body);
    }
    header("connection:") != Some("close")
}
