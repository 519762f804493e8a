//! Requests to the REST API: method and path, headers, body.

use crate::Target;
use crate::exchange::exchange;
use crate::host::Host;
use crate::steps;

/// A request is method, blank, path with query; then lines of headers; an empty line; the body. Lines
/// end with a line feed. How long the body is, and where the connection leads, the target says. An
/// input is one or several (`steps`).
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
        "\n---\n",
        "\n---\n+61\n---\n",
        "/messages/{message}",
        "?claim_id={claim}",
        "/claims/{claim}",
        "/subscriptions/{subscription}",
        "X-Project-ID: {project}\n",
    ],
    send,
};

/// What of an input's head the target says itself.
const OWN: [&str; 7] =
    ["content-length", "transfer-encoding", "connection", "expect", "upgrade", "host", "http2-settings"];

fn send(host: &mut Host, input: &[u8]) {
    let project = host.project('r');
    steps::run(host, &project, input, |host, step| {
        exchange(host, &request(step)).map_or(Vec::new(), |answer| answer.bytes)
    });
}

/// What is sent of a step.
fn request(step: &[u8]) -> Vec<u8> {
    let (head, body) = match step.windows(2).position(|pair| pair == b"\n\n") {
        Some(end) => (&step[..end], &step[end + 2..]),
        None => (step, &[][..]),
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
    request
}

fn is_own(line: &[u8]) -> bool {
    let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
    // A line that continues the one before, or ends the head, would break the frame.
    let breaks = line.is_empty() || line.starts_with(b" ") || line.starts_with(b"\t") || line.contains(&b'\r');
    breaks || OWN.iter().any(|own| name.trim_ascii().eq_ignore_ascii_case(own.as_bytes()))
}
