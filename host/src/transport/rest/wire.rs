//! A connection's stream, between HTTP and the system: three things that HTTP (hyper) does by itself are done
//! in another way here.
//!
//! - A head that is no HTTP is refused by hyper itself, with a bare status. Here the refusal gets the form of
//!   all others, and is read by its client also where more of the request is on its way.
//! - A client that closes its writing side while its request is answered has left, to hyper: the answer is
//!   dropped. Here it gets its answer, but to what waits or claims: nobody can tell such a client from one that
//!   is gone, and that one must take nothing.
//! - Nor is such a client looked for where more came behind its request, since that is not read before the answer is
//!   written. Here it is, before that: the answer has failed then, and what it claimed is given back.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::traffic::Traffic;
use super::unsound::TOO_LARGE;
use crate::transport::accept::Leaving;
use crate::transport::{new_request_id, refusal};

/// How much of a refused request is still read, so that its client hears why.
const DRAIN: usize = 1024 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// See above.
pub struct Wire<S> {
    stream: S,
    traffic: Arc<Traffic>,
    /// The client sends no more.
    has_ended: bool,
    /// That was put off for a turn.
    is_put_off: bool,
    /// Who is to be woken once the end may be seen.
    hidden_from: Option<Waker>,
    refusal: Option<Refusal>,
}

/// What takes the place of hyper's refusal.
struct Refusal {
    text: Vec<u8>,
    written: usize,
    is_shut: bool,
    /// How many bytes of what the client sends are still read, and how long.
    drain: usize,
    until: Option<Pin<Box<Sleep>>>,
}

impl<S> Wire<S> {
    /// The stream of a connection on which this passes.
    pub fn new(stream: S, traffic: Arc<Traffic>) -> Self {
        Wire { stream, traffic, has_ended: false, is_put_off: false, hidden_from: None, refusal: None }
    }
}

impl<S: Leaving> Wire<S> {
    /// Fails where the client has left who was to stay.
    fn check_present(&self) -> io::Result<()> {
        match self.traffic.must_stay() && self.stream.has_left() {
            true => Err(io::ErrorKind::BrokenPipe.into()),
            false => Ok(()),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// Writes the refusal; then its place is written, which has so many bytes.
    fn poll_refuse(&mut self, context: &mut Context<'_>, n_bytes: usize) -> Poll<io::Result<usize>> {
        let Some(refusal) = &mut self.refusal else { return Poll::Ready(Ok(0)) };
        while refusal.written < refusal.text.len() {
            let rest = &refusal.text[refusal.written..];
            match ready!(Pin::new(&mut self.stream).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n_written => refusal.written += n_written,
            }
        }
        Poll::Ready(Ok(n_bytes))
    }

    /// Reads on for a while: with something unread the system would reset the connection, and the client
    /// lose the refusal.
    fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(refusal) = &mut self.refusal else { return Poll::Ready(()) };
        let until = refusal.until.get_or_insert_with(|| Box::pin(tokio::time::sleep(DRAIN_TIME)));
        let mut scratch = [0; 4096];
        while refusal.drain > 0 {
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    refusal.drain = refusal.drain.saturating_sub(buffer.filled().len());
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return until.as_mut().poll(context),
            }
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.has_ended {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
            self.has_ended = buffer.filled().len() == before && buffer.remaining() > 0;
        }
        if !self.has_ended {
            return Poll::Ready(Ok(()));
        }
        if self.traffic.hides_end() {
            self.hidden_from = Some(context.waker().clone());
            return Poll::Pending;
        }
        // HTTP looks for the end before the last of the body is taken from it, which tells whether it is whole.
        if self.traffic.is_answering() && !std::mem::replace(&mut self.is_put_off, true) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Leaving + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check_present()?;
        if self.refusal.is_none() {
            match of_hyper(bytes) {
                Some(refusal) => self.refusal = Some(refusal),
                None => return Pin::new(&mut self.stream).poll_write(context, bytes),
            }
        }
        self.poll_refuse(context, bytes.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = slices.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |slice| &**slice);
        let n_bytes: usize = slices.iter().map(|slice| slice.len()).sum();
        self.check_present()?;
        if self.refusal.is_some() || (first.len() == n_bytes && of_hyper(first).is_some()) {
            return self.poll_write(context, first);
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        if flushed.is_ready()
            && !self.traffic.hides_end()
            && let Some(waker) = self.hidden_from.take()
        {
            waker.wake();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.refusal.as_ref().is_some_and(|refusal| refusal.is_shut) {
            ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
        }
        if let Some(refusal) = &mut self.refusal {
            refusal.is_shut = true;
            ready!(self.poll_drain(context));
        }
        Poll::Ready(Ok(()))
    }
}

/// What takes the place of these bytes, where they are a refusal of hyper's own: a head without a body, and
/// without the request's id that every answer of ours has.
fn of_hyper(bytes: &[u8]) -> Option<Refusal> {
    const REFUSED: [&[u8]; 2] = [b"HTTP/1.1 4", b"HTTP/1.0 4"];
    if !REFUSED.iter().any(|start| bytes.starts_with(start)) || !bytes.ends_with(b"\r\n\r\n") {
        return None;
    }
    let head = std::str::from_utf8(bytes).ok()?;
    if head.contains("x-openstack-request-id") {
        return None;
    }
    let (status, title, why) = match head.get(9..12)? {
        "400" => ("400 Bad Request", "Invalid API request", "The head of the request is not as HTTP/1.1 has it."),
        "414" => ("414 URI Too Long", "URI too long", "The target of the request is longer than any may be."),
        "431" => ("431 Request Header Fields Too Large", TOO_LARGE.1, TOO_LARGE.2),
        _ => return None,
    };
    let lines = format!("x-openstack-request-id: req-{}\r\nvary: Accept\r\n", new_request_id());
    let text = refusal::answer(status, &lines, title, why).into_bytes();
    Some(Refusal { text, written: 0, is_shut: false, drain: DRAIN, until: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_hyper_alone_are_replaced() {
        for status in ["400 Bad Request", "414 URI Too Long", "431 Request Header Fields Too Large"] {
            let bare = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
            let text = of_hyper(bare.as_bytes()).map(|refusal| refusal.text).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            assert!(text.starts_with(&format!("HTTP/1.1 {status}\r\n")) && text.ends_with("\"}"), "{text}");
        }
        for ours in [
            "HTTP/1.1 404 Not Found\r\nx-openstack-request-id: req-1\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}",
        ] {
            assert!(of_hyper(ours.as_bytes()).is_none(), "{ours}");
        }
    }
}
