//! A websocket of which one reads and to which one writes at the same time, with a count of what its
//! client has not read yet.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, WebSocketConfig};

/// The longest piece in which an answer is written: longer ones become a message of several frames,
/// so that no connection holds a second copy of all of it.
const PIECE: usize = 64 * 1024;
/// What a connection reads at once. It is held as long as the connection lives, idle ones too.
const READ: usize = 4 * 1024;
/// Up to here small answers are written together.
const WRITE: usize = 16 * 1024;
/// How much of what a refused client still sends is read, so that it hears why.
const DRAIN: usize = 4 * 1024 * 1024;

/// How frames are read and written; a message may have so many bytes.
pub fn config(max_message: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ)
        .write_buffer_size(WRITE)
        .max_message_size(Some(max_message))
        .max_frame_size(Some(max_message))
}

/// What happens on a websocket.
pub enum Event {
    /// A message came.
    Message(Message),
    /// The client has taken all that it was given.
    Written,
    /// The connection broke, or its client broke the protocol or a bound.
    Broken(Error),
    /// It has ended.
    Ended,
}

/// One client's websocket.
pub struct Socket<S> {
    stream: WebSocketStream<S>,
    /// Not handed to the stream yet.
    waiting: VecDeque<Message>,
    n_waiting: usize,
    /// Handed to the stream, and not known to be with the system.
    n_unflushed: usize,
    n_sent: u64,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// After the handshake.
    pub fn new(stream: WebSocketStream<S>) -> Self {
        Socket { stream, waiting: VecDeque::new(), n_waiting: 0, n_unflushed: 0, n_sent: 0 }
    }

    /// Gives the client something to read.
    pub fn push(&mut self, message: Message) {
        pieces(message).into_iter().for_each(|piece| self.queue(piece));
    }

    fn queue(&mut self, piece: Message) {
        self.n_waiting += size(&piece);
        self.waiting.push_back(piece);
    }

    /// How many bytes the client has been given and not taken.
    pub fn unread(&self) -> usize {
        self.n_waiting + self.n_unflushed
    }

    /// How many bytes it has taken in all.
    pub fn taken(&self) -> u64 {
        self.n_sent
    }

    /// What comes next: a message of the client, if one is `reading` at all. What it is given is written
    /// once nothing more is there to be read, or as soon as nothing more is read: so the answers to
    /// requests that came together leave together.
    pub async fn next(&mut self, reading: bool) -> Event {
        poll_fn(|context| {
            if reading && let Poll::Ready(event) = self.poll_read(context) {
                return Poll::Ready(event);
            }
            let had_unread = self.unread() > 0;
            match self.poll_write(context) {
                Poll::Ready(Err(error)) => Poll::Ready(Event::Broken(error)),
                // One may want to read from now on.
                Poll::Ready(Ok(())) if had_unread && !reading => Poll::Ready(Event::Written),
                Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        Pin::new(&mut self.stream).poll_next(context).map(|message| match message {
            Some(Ok(message)) => Event::Message(message),
            Some(Err(error)) => Event::Broken(error),
            None => Event::Ended,
        })
    }

    /// Writes all that is left.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|context| self.poll_write(context)).await
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        while !self.waiting.is_empty() {
            ready!(Pin::new(&mut self.stream).poll_ready(context))?;
            let Some(piece) = self.waiting.pop_front() else { break };
            self.n_waiting -= size(&piece);
            self.n_unflushed += size(&piece);
            Pin::new(&mut self.stream).start_send(piece)?;
        }
        if self.n_unflushed > 0 {
            ready!(Pin::new(&mut self.stream).poll_flush(context))?;
            self.n_sent += std::mem::take(&mut self.n_unflushed) as u64;
        }
        Poll::Ready(Ok(()))
    }

    /// Tells the client why the connection ends, after what it has been given, and waits until it
    /// closes its side.
    pub async fn close(&mut self, frame: CloseFrame) {
        self.queue(Message::Close(Some(frame)));
        if self.flush().await.is_ok() && self.stream.get_mut().shutdown().await.is_ok() {
            self.drain().await;
        }
    }

    /// Forgets what the client has not taken.
    pub fn forget(&mut self) {
        self.waiting.clear();
        self.n_waiting = 0;
    }

    /// A system that closes a connection on which something unread has come resets it, and the
    /// client loses what it was told last.
    async fn drain(&mut self) {
        let mut scratch = [0; 4096];
        let mut left = DRAIN;
        while let Ok(n_read @ 1..) = self.stream.get_mut().read(&mut scratch).await {
            left = left.saturating_sub(n_read);
            if left == 0 {
                return;
            }
        }
    }
}

/// With the least that a frame has around it: an empty one has to be written as well.
fn size(piece: &Message) -> usize {
    piece.len() + 2
}

fn pieces(message: Message) -> Vec<Message> {
    let (first, payload): (Data, Bytes) = match message {
        Message::Text(text) if text.len() > PIECE => (Data::Text, text.into()),
        Message::Binary(payload) if payload.len() > PIECE => (Data::Binary, payload),
        other => return vec![other],
    };
    let starts = (0..payload.len()).step_by(PIECE);
    let piece = |start: usize| {
        let end = (start + PIECE).min(payload.len());
        let kind = if start == 0 { first } else { Data::Continue };
        Message::Frame(Frame::message(payload.slice(start..end), OpCode::Data(kind), end == payload.len()))
    };
    starts.map(piece).collect()
}
