//! The head of an answer.

use super::fault::Broken;

/// More headers than any answer of the API has.
const MAX_HEADERS: usize = 64;

/// What must be known of an answer's head.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Head {
    /// Its length in bytes.
    pub length: usize,
    /// The status.
    pub status: u16,
    /// How the body ends.
    pub body: Body,
    /// The server closes the connection after the answer.
    pub closes: bool,
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Body {
    /// After so many bytes.
    Length(usize),
    /// With its last chunk.
    Chunked,
    /// With the connection.
    UntilClosed,
}

impl Head {
    /// Reads a head; `None` as long as it is not whole.
    pub fn parse(bytes: &[u8]) -> Result<Option<Head>, Broken> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut answer = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(length) = answer.parse(bytes).map_err(|_| Broken::NoHttp)? else {
            return Ok(None);
        };
        let status = answer.code.ok_or(Broken::NoHttp)?;
        let mut head = Head { length, status, body: Body::UntilClosed, closes: answer.version == Some(0) };
        if matches!(status, 204 | 304) {
            head.body = Body::Length(0);
        }
        for header in answer.headers.iter() {
            let value = header.value.trim_ascii();
            if header.name.eq_ignore_ascii_case("content-length") {
                let length = std::str::from_utf8(value).ok().and_then(|value| value.parse().ok());
                head.body = Body::Length(length.ok_or(Broken::NoHttp)?);
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") && value.eq_ignore_ascii_case(b"chunked") {
                head.body = Body::Chunked;
            } else if header.name.eq_ignore_ascii_case("connection") {
                head.closes = value.eq_ignore_ascii_case(b"close");
            }
        }
        head.closes |= head.body == Body::UntilClosed;
        Ok(Some(head))
    }
}

/// The body whose chunks these are; `None` as long as they are not all there.
pub fn unchunk(mut chunks: &[u8]) -> Result<Option<Vec<u8>>, Broken> {
    let mut body = Vec::with_capacity(chunks.len());
    loop {
        let size = httparse::parse_chunk_size(chunks).map_err(|_| Broken::NoHttp)?;
        let httparse::Status::Complete((line, size)) = size else { return Ok(None) };
        let size = usize::try_from(size).map_err(|_| Broken::NoHttp)?;
        let end = line.saturating_add(size);
        if chunks.len() < end.saturating_add(2) {
            return Ok(None);
        }
        body.extend_from_slice(&chunks[line..end]);
        chunks = &chunks[end + 2..];
        if size == 0 {
            return Ok(Some(body));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_when_it_is_whole() {
        let answer = b"HTTP/1.1 201 Created\r\nContent-Length: 17\r\nx: y\r\n\r\n{";
        assert_eq!(Head::parse(&answer[..20]).ok(), Some(None));
        let head = Head { length: answer.len() - 1, status: 201, body: Body::Length(17), closes: false };
        assert_eq!(Head::parse(answer).ok(), Some(Some(head)));
        assert!(Head::parse(b"SSH-2.0-OpenSSH_9\r\n\r\n").is_err());
    }

    #[test]
    fn the_end_of_a_body_is_known_or_closes_the_connection() {
        let ends = |text: &str| Head::parse(text.as_bytes()).ok().flatten().map(|head| (head.body, head.closes));
        assert_eq!(ends("HTTP/1.1 204 No Content\r\n\r\n"), Some((Body::Length(0), false)));
        assert_eq!(ends("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), Some((Body::Chunked, false)));
        assert_eq!(
            ends("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n"),
            Some((Body::Length(1), true))
        );
        assert_eq!(ends("HTTP/1.1 200 OK\r\n\r\n"), Some((Body::UntilClosed, true)));
    }

    #[test]
    fn chunks_are_joined() {
        assert_eq!(unchunk(b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"), Ok(Some(b"abcde".to_vec())));
        assert_eq!(unchunk(b"3\r\nab"), Ok(None));
        assert_eq!(unchunk(b"zz\r\n"), Err(Broken::NoHttp));
    }
}
