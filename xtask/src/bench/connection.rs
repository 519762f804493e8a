//! HTTP/1.1 with as little work as measuring allows: ready-made requests, one outstanding.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::failure::Failure;

/// One kept-alive connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer; the body lies in the connection's buffer until the next request.
#[derive(Debug)]
pub struct Reply<'a> {
    pub status: u16,
    pub body: &'a [u8],
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Result<Connection, Failure> {
        let stream = TcpStream::connect(address).await.map_err(Failure::io(format!("cannot connect to {address}")))?;
        stream.set_nodelay(true).map_err(Failure::io("cannot set TCP_NODELAY"))?;
        Ok(Connection { stream, buffer: Vec::with_capacity(64 * 1024) })
    }

    /// Sends a whole request and reads the whole answer.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<Reply<'_>, Failure> {
        self.stream.write_all(request).await.map_err(Failure::io("cannot send a request"))?;
        self.buffer.clear();
        let head = loop {
            if let Some(head) = Head::parse(&self.buffer) {
                break head;
            }
            self.more().await?;
        };
        while self.buffer.len() < head.length + head.body {
            self.more().await?;
        }
        Ok(Reply { status: head.status, body: &self.buffer[head.length..head.length + head.body] })
    }

    async fn more(&mut self) -> Result<(), Failure> {
        match self.stream.read_buf(&mut self.buffer).await.map_err(Failure::io("cannot read an answer"))? {
            0 => Err(Failure::Found("the server closed a connection under load".into())),
            _ => Ok(()),
        }
    }
}

/// What must be known of an answer's head; lengths in bytes.
#[derive(Debug, PartialEq)]
struct Head {
    length: usize,
    status: u16,
    body: usize,
}

impl Head {
    fn parse(bytes: &[u8]) -> Option<Head> {
        let length = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let head = std::str::from_utf8(&bytes[..length]).ok()?;
        let status = head.get(9..12)?.parse().ok()?;
        let body = head.lines().find_map(content_length).unwrap_or(0);
        Some(Head { length, status, body })
    }
}

fn content_length(line: &str) -> Option<usize> {
    const NAME: &str = "content-length:";
    let name = line.get(..NAME.len())?;
    if name.eq_ignore_ascii_case(NAME) { line[NAME.len()..].trim().parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::Head;

    #[test]
    fn a_head_is_read_when_it_is_whole() {
        let answer = b"HTTP/1.1 201 Created\r\nContent-Length: 17\r\nx: y\r\n\r\n{";
        assert_eq!(Head::parse(&answer[..20]), None);
        assert_eq!(Head::parse(answer), Some(Head { length: answer.len() - 1, status: 201, body: 17 }));
    }
}
