//! HTTP byte by byte, for what a well-behaved client would not send.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::either::Either;

use crate::rest::CLIENT;
use crate::tls::Stream;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// One connection.
#[derive(Debug)]
pub struct Wire {
    stream: Stream,
    buffer: Vec<u8>,
}

/// An answer as it came.
#[derive(Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The head's text, in lower case.
    pub head: String,
    /// The body's text.
    pub body: String,
}

impl Wire {
    /// Connects to `127.0.0.1:PORT`.
    pub async fn connect(address: &str) -> Wire {
        let stream = TcpStream::connect(address).await.expect("the host takes connections");
        stream.set_nodelay(true).expect("a socket can be set up");
        Wire::over(Either::Left(stream))
    }

    /// Speaks over a connection that is there.
    pub fn over(stream: Stream) -> Wire {
        Wire { stream, buffer: Vec::new() }
    }

    /// Sends bytes. `false`: the host has closed the connection.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let sending = timeout(PATIENCE, self.stream.write_all(bytes.as_ref())).await;
        sending.expect("the host reads or closes").is_ok()
    }

    /// Sends as many of the bytes as the system takes at once. `false`: not all of them, or the host
    /// has closed the connection.
    ///
    /// # Panics
    /// With TLS, whose records are whole or not there.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let Either::Left(stream) = &self.stream else { panic!("TLS sends whole records") };
        stream.try_write(bytes.as_ref()).is_ok_and(|n_sent| n_sent == bytes.as_ref().len())
    }

    /// Closes the writing side: the host learns that nothing more comes.
    pub async fn finish(&mut self) {
        let _ = timeout(PATIENCE, self.stream.shutdown()).await;
    }

    /// Reads one answer; none where the connection ended.
    pub async fn reply(&mut self) -> Option<Reply> {
        let head = loop {
            match self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                Some(end) => break self.take(end + 4),
                None => self.more().await?,
            }
        };
        let head = String::from_utf8_lossy(&head).to_lowercase();
        let status = head.get(9..12).and_then(|status| status.parse().ok()).expect("a status line");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        while self.buffer.len() < length {
            self.more().await?;
        }
        let body = String::from_utf8_lossy(&self.take(length)).into_owned();
        Some(Reply { status, head, body })
    }

    /// Waits until the host closes the connection, and returns what it still sent.
    pub async fn rest(&mut self) -> Vec<u8> {
        while self.more().await.is_some() {}
        std::mem::take(&mut self.buffer)
    }

    async fn more(&mut self) -> Option<()> {
        let reading = timeout(PATIENCE, self.stream.read_buf(&mut self.buffer)).await;
        match reading.expect("the host answers or closes") {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(()),
        }
    }

    fn take(&mut self, n_bytes: usize) -> Vec<u8> {
        let rest = self.buffer.split_off(n_bytes);
        std::mem::replace(&mut self.buffer, rest)
    }
}

/// The head of a request of project `p1`; `headers` are whole lines, each with its line end.
pub fn head(method: &str, path: &str, headers: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: sukkal\r\nClient-ID: {CLIENT}\r\nX-Project-ID: p1\r\n{headers}\r\n")
}

/// A whole request with a body.
pub fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
    head(method, path, &format!("Content-Length: {}\r\n{headers}", body.len())) + body
}
