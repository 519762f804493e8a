//! HTTP/1.1 with as little work as measuring allows: ready-made requests, one outstanding.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::fault::Broken;
use super::head::{Body, Head, unchunk};
use super::server::{Server, Stream};

/// A connection that is opened when it is needed, and again when the server has closed it.
#[derive(Debug)]
pub struct Connection {
    server: Server,
    patience: Duration,
    stream: Option<Stream>,
    buffer: Vec<u8>,
}

impl Connection {
    /// A connection to be, with so much patience for each answer.
    pub fn new(server: Server, patience: Duration) -> Connection {
        Connection { server, patience, stream: None, buffer: Vec::with_capacity(16 * 1024) }
    }

    /// Sends a whole request and reads the whole answer: its status and body.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<(u16, &[u8]), Broken> {
        let patience = self.patience;
        let exchanged = tokio::time::timeout(patience, self.exchange_in_time(request)).await;
        match exchanged.unwrap_or(Err(Broken::Silent)) {
            Ok((status, begin, end)) => Ok((status, &self.buffer[begin..end])),
            Err(broken) => {
                self.stream = None;
                Err(broken)
            }
        }
    }

    /// The status, and where in the buffer the body lies.
    async fn exchange_in_time(&mut self, request: &[u8]) -> Result<(u16, usize, usize), Broken> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => none.insert(self.server.connect().await?),
        };
        stream.write_all(request).await.map_err(|_| Broken::Closed)?;
        stream.flush().await.map_err(|_| Broken::Closed)?;
        self.buffer.clear();
        let head = loop {
            read(stream, &mut self.buffer).await?;
            if let Some(head) = Head::parse(&self.buffer)? {
                break head;
            }
        };
        let length = body(stream, &mut self.buffer, &head).await?;
        if head.closes {
            self.stream = None;
        }
        Ok((head.status, head.length, head.length + length))
    }
}

/// Reads on until the body is whole; says how long it is.
async fn body(stream: &mut Stream, buffer: &mut Vec<u8>, head: &Head) -> Result<usize, Broken> {
    match head.body {
        Body::Length(length) => {
            while buffer.len() < head.length + length {
                read(stream, buffer).await?;
            }
            Ok(length)
        }
        Body::Chunked => loop {
            if buffer.ends_with(b"0\r\n\r\n")
                && let Some(body) = unchunk(&buffer[head.length..])?
            {
                buffer.truncate(head.length);
                buffer.extend_from_slice(&body);
                return Ok(body.len());
            }
            read(stream, buffer).await?;
        },
        Body::UntilClosed => loop {
            match read(stream, buffer).await {
                Ok(()) => {}
                Err(Broken::Closed) => return Ok(buffer.len() - head.length),
                Err(broken) => return Err(broken),
            }
        },
    }
}

async fn read(stream: &mut Stream, buffer: &mut Vec<u8>) -> Result<(), Broken> {
    match stream.read_buf(buffer).await {
        Ok(0) | Err(_) => Err(Broken::Closed),
        Ok(_) => Ok(()),
    }
}
