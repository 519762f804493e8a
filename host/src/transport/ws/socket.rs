//! A websocket of which one reads and to which one writes at the same time, with a count of what its
//! client has not read yet.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::{Sink, Stream};
use sukkal_core::Delivery;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, WebSocketConfig};

use crate::transport::accept::Leaving;
use crate::transport::tally::{Tallied, Tally};

/// The longest piece in which an answer is written: longer ones become a message of several frames,
/// so that no connection holds a second copy of all of it.
const PIECE: usize = 64 * 1024;
/// What a connection reads at once. It is held as long as the connection lives, idle ones too.
const READ: usize = 4 * 1024;
/// Up to here small answers are written together.
const WRITE: usize = 16 * 1024;
/// The longest answer to a ping, which the protocol gives by itself.
const MAX_PONG: u64 = 127;
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

/// How many bytes a connection has taken in all.
#[derive(Debug, Default)]
pub struct Written(u64);

impl Tally for Written {
    fn wrote(&mut self, n_bytes: usize) {
        self.0 += n_bytes as u64;
    }

    fn flushed(&mut self) {}
}

/// What is under a websocket.
pub type Wire<S> = Tallied<S, Written>;

/// One client's websocket.
pub struct Socket<S> {
    stream: WebSocketStream<Wire<S>>,
    /// Not handed to the stream yet.
    waiting: VecDeque<(Message, Delivery)>,
    n_waiting: usize,
    /// How many bytes are taken once all are that the stream was handed; or some more, as answers to
    /// pings go by that are not counted one by one.
    handed: u64,
    /// Whether all are.
    is_flushed: bool,
    /// Answers that were handed to the stream, by the number of bytes with which each is written.
    undelivered: VecDeque<(u64, Delivery)>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// After the handshake.
    pub fn new(stream: WebSocketStream<Wire<S>>) -> Self {
        let (waiting, undelivered) = (VecDeque::new(), VecDeque::new());
        Socket { stream, waiting, n_waiting: 0, handed: 0, is_flushed: true, undelivered }
    }

    /// Gives the client something to read.
    pub fn push(&mut self, message: Message, delivery: Delivery) {
        match message {
            Message::Text(text) if text.len() > PIECE => self.push_pieces(Data::Text, text.into(), delivery),
            Message::Binary(payload) if payload.len() > PIECE => self.push_pieces(Data::Binary, payload, delivery),
            whole => self.queue(whole, delivery),
        }
    }

    /// It is delivered with its last piece.
    fn push_pieces(&mut self, first: Data, payload: Bytes, delivery: Delivery) {
        let mut delivery = Some(delivery);
        for start in (0..payload.len()).step_by(PIECE) {
            let end = (start + PIECE).min(payload.len());
            let kind = if start == 0 { first } else { Data::Continue };
            let is_last = end == payload.len();
            let piece = Message::Frame(Frame::message(payload.slice(start..end), OpCode::Data(kind), is_last));
            self.queue(piece, delivery.take_if(|_| is_last).unwrap_or_default());
        }
    }

    fn queue(&mut self, piece: Message, delivery: Delivery) {
        self.n_waiting += size(&piece);
        self.waiting.push_back((piece, delivery));
    }

    /// How many bytes the client has been given and not taken.
    pub fn unread(&self) -> usize {
        let handed = if self.is_flushed { 0 } else { self.handed.saturating_sub(self.taken()).max(1) };
        self.n_waiting + usize::try_from(handed).unwrap_or(usize::MAX)
    }

    /// Whether the client has left, also where it is not read from.
    pub fn has_left(&self) -> bool
    where
        S: Leaving,
    {
        self.stream.get_ref().get_ref().has_left()
    }

    /// How many bytes it has taken in all.
    pub fn taken(&self) -> u64 {
        self.stream.get_ref().tally().0
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
            Some(Ok(message)) => {
                if matches!(message, Message::Ping(_)) {
                    // Whoever pings and does not read has something unread as well.
                    self.hand(MAX_PONG);
                }
                Event::Message(message)
            }
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
        let all = self.poll_write_all(context);
        let taken = self.taken();
        while let Some((_, delivery)) = self.undelivered.pop_front_if(|(written, _)| *written <= taken) {
            delivery.delivered();
        }
        all
    }

    fn poll_write_all(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        while !self.waiting.is_empty() {
            ready!(Pin::new(&mut self.stream).poll_ready(context))?;
            let Some((piece, delivery)) = self.waiting.pop_front() else { break };
            self.n_waiting -= size(&piece);
            self.hand(size(&piece) as u64);
            if delivery.matters() {
                self.undelivered.push_back((self.handed, delivery));
            }
            Pin::new(&mut self.stream).start_send(piece)?;
        }
        if !self.is_flushed {
            ready!(Pin::new(&mut self.stream).poll_flush(context))?;
            self.is_flushed = true;
            self.undelivered.drain(..).for_each(|(_, delivery)| delivery.delivered());
        }
        Poll::Ready(Ok(()))
    }

    /// Counts what the stream is handed.
    fn hand(&mut self, n_bytes: u64) {
        if std::mem::take(&mut self.is_flushed) {
            self.handed = self.taken() + MAX_PONG;
        }
        self.handed += n_bytes;
    }

    /// Tells the client why the connection ends, after what it has been given, and waits until it
    /// closes its side.
    pub async fn close(&mut self, frame: CloseFrame) {
        self.queue(Message::Close(Some(frame)), Delivery::default());
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

/// Of a frame with what is around it.
fn size(piece: &Message) -> usize {
    let payload = match piece {
        Message::Frame(frame) => frame.payload().len(),
        Message::Close(Some(frame)) => 2 + frame.reason.len(),
        other => other.len(),
    };
    let head = match payload {
        ..126 => 2,
        126..0x1_0000 => 4,
        _ => 10,
    };
    head + payload
}
