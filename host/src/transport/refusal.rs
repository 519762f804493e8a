//! Answers to clients that speak, but not what their port speaks.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use warp::http::header::HOST;
use warp::http::{HeaderMap, Version};

/// How much of what a refused client sends is read, so that it hears why.
const DRAIN: u64 = 64 * 1024;

/// Why a request is refused that has no [`has_one_host`].
pub const ONE_HOST: &str = "A request must have one header Host, and no more.";

/// Whether a request says once which host it is for (RFC 9112 §3.2).
pub fn has_one_host(version: Version, headers: &HeaderMap) -> bool {
    let n_hosts = headers.get_all(HOST).iter().take(2).count();
    n_hosts == 1 || (n_hosts == 0 && version != Version::HTTP_11)
}

/// The body of a refusal.
pub fn body(title: &str, description: &str) -> String {
    serde_json::json!({ "title": title, "description": description }).to_string()
}

/// The answer in HTTP/1.1: the status with its reason, further lines of the head, and why.
pub fn answer(status: &str, lines: &str, title: &str, description: &str) -> String {
    let body = body(title, description);
    format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\n{lines}content-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Tells it, and closes. However long that takes: whoever calls sets the time.
pub async fn tell(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &str) {
    if stream.write_all(answer.as_bytes()).await.is_err() || stream.shutdown().await.is_err() {
        return;
    }
    // With something unread the system would reset the connection, and the client lose the answer.
    let mut request = stream.take(DRAIN);
    let _ = tokio::io::copy(&mut request, &mut tokio::io::sink()).await;
}
