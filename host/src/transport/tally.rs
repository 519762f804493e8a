//! What a connection has taken of what it was given to write.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Who keeps count.
pub trait Tally {
    /// So many bytes were taken.
    fn wrote(&mut self, n_bytes: usize);
    /// All that was written is with the system.
    fn flushed(&mut self);
}

/// A stream of which a count is kept.
#[derive(Debug)]
pub struct Tallied<S, T> {
    stream: S,
    tally: T,
}

impl<S, T> Tallied<S, T> {
    /// Begins to count.
    pub fn new(stream: S, tally: T) -> Self {
        Tallied { stream, tally }
    }

    /// The stream.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// The count.
    pub fn tally(&self) -> &T {
        &self.tally
    }
}

impl<S: Unpin, T: Tally + Unpin> Tallied<S, T> {
    fn stream(&mut self) -> Pin<&mut S> {
        Pin::new(&mut self.stream)
    }

    fn wrote(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(n_bytes)) = written {
            self.tally.wrote(n_bytes);
        }
        written
    }
}

impl<S: AsyncRead + Unpin, T: Tally + Unpin> AsyncRead for Tallied<S, T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream().poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin, T: Tally + Unpin> AsyncWrite for Tallied<S, T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.stream().poll_write(context, bytes);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.stream().poll_write_vectored(context, slices);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.stream().poll_flush(context);
        if let Poll::Ready(Ok(())) = flushed {
            self.tally.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(context)
    }
}
