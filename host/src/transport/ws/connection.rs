//! One connection's life.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use sukkal_core::{Arrival, Delivery, Engine, PostOrder, Session, Snapshot};
use sukkal_plugin_sdk::{Action, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::Utf8Bytes};

use super::decode::{self, Decoded};
use super::echo::Echo;
use super::frame::{Form, Sent};
use super::line::{Line, Ticket};
use super::order::{Footprint, is_plain_post};
use super::socket::{Event, Socket};
use super::{Limits, encode};
use crate::shutdown::Stop;
use crate::transport::accept::Leaving;
use crate::transport::new_request_id;
use crate::transport::unread::{Part, Unread};

/// Requests of one connection that are read and not answered, at the most.
const MAX_IN_FLIGHT: usize = 128;
/// Their bytes from which on no more is read: a connection holds that, and what the largest one is beyond it.
const MAX_ASKED: usize = 1024 * 1024;
/// Up to here a message is copied: it may have been read together with a much longer one, and would hold all of
/// that in memory as long as it waits.
const SHORT: usize = 64 * 1024;
/// As long as a client has so much to read, no more of its requests are read.
const BACKLOG: usize = 64 * 1024;
/// The code with which a connection is closed whose client's identity has ended (spec: websocket,
/// authenticate).
const EXPIRED: u16 = 4003;
/// How long a client may take to close its side after it was told why.
const PARTING: Duration = Duration::from_secs(2);

/// A connection and what is under way on it.
pub struct Connection<S> {
    socket: Socket<S>,
    engine: Arc<Engine>,
    limits: Limits,
    line: Line<Work, (Message, Delivery)>,
    /// How many bytes of requests are not answered.
    asked: usize,
    /// How many bytes of answers wait for those before them.
    held: usize,
    /// How many bytes its client has not read, of those of all.
    unread: Part,
    running: FuturesUnordered<Pin<Box<dyn Future<Output = Done> + Send>>>,
    /// The order of posts that are worked on together.
    posts: PostOrder,
    /// Who the client is, as it has proven.
    token: Option<String>,
    /// When that ends, if before the connection.
    identity_end: Option<Pin<Box<Sleep>>>,
    /// The connection as core knows it.
    session: Arc<Session>,
    heard: Instant,
    /// How much the client had taken when that was last looked at, if it had not taken all.
    stalled: Option<(u64, Instant)>,
}

/// A request that waits for its turn.
struct Work {
    size: usize,
    snapshot: Arc<Snapshot>,
    request: Request,
    arrival: Arrival,
    echo: Echo,
    token: Option<String>,
}

/// A request that has been answered.
struct Done {
    ticket: Ticket,
    size: usize,
    action: Action,
    echo: Echo,
    token: Option<String>,
    response: Response,
    delivery: Delivery,
}

/// Why a connection ends.
enum Ending {
    /// The client closed it, or is gone.
    Gone,
    /// The host stops.
    Stop,
    /// The identity of the client has ended.
    Expired,
    /// The client is told this.
    Told(CloseCode, &'static str),
}

impl<S: AsyncRead + AsyncWrite + Leaving + Unpin + Send> Connection<S> {
    /// After the handshake.
    pub fn new(socket: Socket<S>, session: Session, engine: Arc<Engine>, limits: Limits, unread: &Arc<Unread>) -> Self {
        Connection {
            socket,
            engine,
            limits,
            line: Line::default(),
            asked: 0,
            held: 0,
            unread: Part::of(unread),
            running: FuturesUnordered::new(),
            posts: PostOrder::default(),
            token: None,
            identity_end: None,
            session: Arc::new(session),
            heard: Instant::now(),
            stalled: None,
        }
    }

    /// Serves it until its client closes it, breaks a bound or falls silent, or the host stops: then
    /// what is under way is answered first.
    pub async fn serve(mut self, mut stop: Stop) {
        let ending = self.exchange(&mut stop).await;
        match ending {
            Ending::Gone => self.lose().await,
            Ending::Stop => tokio::select! {
                () = stop.cut() => {}
                () = self.leave() => {}
            },
            Ending::Expired => {
                let _ = tokio::time::timeout(PARTING, self.finish()).await;
                self.part(CloseCode::Library(EXPIRED), "Authentication expired.").await;
            }
            Ending::Told(code, reason) => self.close(code, reason).await,
        }
        self.let_go();
        self.engine.disconnected(&self.session).await;
    }

    async fn exchange(&mut self, stop: &mut Stop) -> Ending {
        let mut ticks = tokio::time::interval(self.limits.tick());
        loop {
            let reading = self.takes_requests() && self.socket.unread() < BACKLOG && self.has_room();
            tokio::select! {
                biased;
                () = stop.wait() => return Ending::Stop,
                () = end(&mut self.identity_end) => return Ending::Expired,
                Some(done) = self.running.next() => if let Some(ending) = self.settle(done) {
                    return ending;
                },
                event = self.socket.next(reading) => match event {
                    Event::Message(message) => self.take(message),
                    Event::Written => {}
                    Event::Broken(error) => return ending(&error),
                    Event::Ended => return Ending::Gone,
                },
                now = ticks.tick() => if let Some(ending) = self.look(now) {
                    return ending;
                },
            }
            if self.owes_too_much() {
                return Ending::Told(CloseCode::Policy, "too much that was not read");
            }
        }
    }

    /// Whether the requests that are not answered leave room for more.
    fn takes_requests(&self) -> bool {
        self.line.len() < MAX_IN_FLIGHT && self.asked < MAX_ASKED
    }

    /// Whether the answers that wait for one before them leave room for more.
    fn has_room(&self) -> bool {
        self.held < self.limits.max_unread / 2
    }

    /// Whether its client leaves too much unread, or a part of what all together leave, if that is too much.
    fn owes_too_much(&mut self) -> bool {
        let unread = self.socket.unread() + self.held;
        self.unread.set(unread);
        unread > self.limits.max_unread || self.unread.is_too_much()
    }

    fn take(&mut self, message: Message) {
        self.heard = Instant::now();
        let (form, payload) = match message {
            Message::Text(text) => (Form::Text, alone(text.into())),
            Message::Binary(payload) => (Form::Binary, alone(payload)),
            // Pings are answered by the protocol; a close is followed by the end.
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => return,
        };
        let snapshot = self.engine.snapshot();
        let known = decode::Connection {
            token: self.token.as_deref(),
            asks_identity: snapshot.asks_identity(),
            admin_mode: snapshot.api.admin_mode,
            session: Some(&self.session),
        };
        let id = new_request_id();
        let (size, Decoded { request, arrival, echo }) = match Sent::read(form, payload) {
            Ok(sent) => (sent.size(), decode::request(id, &sent, known)),
            Err(reason) => (0, decode::undecodable(id, form, &reason)),
        };
        let token = match request.action() {
            Action::Authenticate => request.headers().get("x-auth-token").map(str::to_owned),
            _ => None,
        };
        let footprint = Footprint::of(&request);
        self.asked += size;
        self.line.push(footprint, Work { size, snapshot, request, arrival, echo, token });
        self.begin();
    }

    fn begin(&mut self) {
        while let Some((ticket, mut work)) = self.line.begin(self.has_room()) {
            if is_plain_post(&work.request) {
                work.arrival.turn = Some(Arc::new(self.posts.turn(work.request.queue())));
            }
            let engine = self.engine.clone();
            self.running.push(Box::pin(async move {
                let Work { size, snapshot, request, arrival, echo, token } = work;
                let action = request.action();
                let (response, delivery) = engine.handle(snapshot, request, arrival, encode::response).await;
                Done { ticket, size, action, echo, token, response, delivery }
            }));
        }
    }

    /// Takes in an answer, unless its client has left: that must take nothing, also where its last words are not read yet.
    fn settle(&mut self, done: Done) -> Option<Ending> {
        if done.delivery.matters() && self.socket.has_left() {
            return Some(Ending::Gone);
        }
        self.answered(done);
        None
    }

    fn answered(&mut self, done: Done) {
        let Done { ticket, size, action, echo, token, response, delivery } = done;
        self.asked -= size;
        let mut response = encode::translate(action, response);
        if response.status() == 200 && token.is_some() {
            self.token = token;
            self.identity_end = self.session.identity_ends().map(|end| Box::pin(tokio::time::sleep_until(end)));
        }
        let retry_after = response.headers().get("retry-after").map(str::to_owned);
        let body = response.take_body();
        let answer = echo.answer(response.status(), retry_after.as_deref(), &body);
        self.held += answer.len();
        self.line.answer(ticket, (answer, delivery));
        while let Some((answer, delivery)) = self.line.leave() {
            self.held -= answer.len();
            self.socket.push(answer, delivery);
        }
        self.begin();
    }

    /// Now and then: is the client there, and does it read?
    fn look(&mut self, now: Instant) -> Option<Ending> {
        if self.is_stalled(now) {
            return Some(Ending::Told(CloseCode::Policy, "nothing was read"));
        }
        let silent = now - self.heard;
        let owes_nothing = self.socket.unread() == 0;
        if silent >= self.limits.idle_timeout && self.line.len() == 0 && owes_nothing {
            return Some(Ending::Told(CloseCode::Away, "nothing was heard"));
        }
        if silent >= self.limits.ping_interval && owes_nothing {
            self.socket.push(Message::Ping(Bytes::new()), Delivery::default());
        }
        None
    }

    /// Whether a client has taken nothing of what is there for it, for too long.
    fn is_stalled(&mut self, now: Instant) -> bool {
        let (unread, taken) = (self.socket.unread(), self.socket.taken());
        if self.stalled.is_some_and(|(before, _)| before != taken) {
            // Who takes what had to wait is there, also where it was not read from meanwhile.
            self.heard = now;
        }
        self.stalled = match self.stalled {
            _ if unread == 0 => None,
            Some((before, since)) if before == taken => Some((before, since)),
            _ => Some((taken, now)),
        };
        self.stalled.is_some_and(|(_, since)| now - since >= self.limits.idle_timeout)
    }

    /// The host stops.
    async fn leave(&mut self) {
        match self.finish().await {
            None => self.part(CloseCode::Away, "the host stops").await,
            Some(Ending::Told(code, reason)) => self.close(code, reason).await,
            Some(_) => self.lose().await,
        }
    }

    /// The client has left, and may still read what it was given.
    async fn lose(&mut self) {
        self.let_go();
        let _ = tokio::time::timeout(PARTING, self.socket.flush()).await;
    }

    /// Answers what is under way, and waits until the client has taken that, breaks a bound or leaves. What
    /// it has sent and was not read is lost with the connection.
    async fn finish(&mut self) -> Option<Ending> {
        let mut ticks = tokio::time::interval(self.limits.tick());
        while !self.running.is_empty() || self.socket.unread() > 0 {
            tokio::select! {
                Some(done) = self.running.next() => if let Some(ending) = self.settle(done) {
                    return Some(ending);
                },
                event = self.socket.next(false) => if let Event::Broken(error) = event {
                    return Some(ending(&error));
                },
                now = ticks.tick() => if self.is_stalled(now) {
                    return Some(Ending::Told(CloseCode::Policy, "nothing was read"));
                },
            }
            if self.owes_too_much() {
                return Some(Ending::Told(CloseCode::Policy, "too much that was not read"));
            }
        }
        None
    }

    /// Lets go of what the client is not told any more: its claims are given back. What waits for something
    /// ends; what has begun to change something comes to its own end.
    fn let_go(&mut self) {
        self.running.clear();
        self.line = Line::default();
    }

    /// Tells the client what it did wrong, and nothing else any more.
    async fn close(&mut self, code: CloseCode, reason: &'static str) {
        tracing::debug!(%code, reason, "a websocket is closed");
        self.let_go();
        self.socket.forget();
        self.unread.set(0);
        self.part(code, reason).await;
    }

    async fn part(&mut self, code: CloseCode, reason: &'static str) {
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        let _ = tokio::time::timeout(PARTING, self.socket.close(frame)).await;
    }
}

/// A message that holds nothing but itself in memory, or is long.
fn alone(payload: Bytes) -> Bytes {
    if payload.len() > SHORT { payload } else { Bytes::copy_from_slice(&payload) }
}

async fn end(of: &mut Option<Pin<Box<Sleep>>>) {
    match of {
        Some(sleep) => sleep.await,
        None => std::future::pending().await,
    }
}

/// What a failure of the socket comes to.
fn ending(error: &Error) -> Ending {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { .. }) => Ending::Told(CloseCode::Size, "a message is too long"),
        Error::Capacity(_) => Ending::Told(CloseCode::Size, "too much at once"),
        Error::Utf8(_) => Ending::Told(CloseCode::Invalid, "a text is no UTF-8"),
        Error::Protocol(_) => Ending::Told(CloseCode::Protocol, "the protocol was broken"),
        _ => Ending::Gone,
    }
}
