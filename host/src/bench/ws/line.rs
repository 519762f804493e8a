//! One websocket that several share: requests are written as they come, and answers, which keep their
//! order, go to whoever is next in line.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::{answer, frame};
use crate::bench::Options;
use crate::bench::fault::{Broken, Fault};
use crate::bench::server::{Server, Stream};
use crate::bench::session::Reply;
use crate::bench::target::{Form, Target};

/// A request, and where its answer goes.
type Asked = (Message, oneshot::Sender<Bytes>);
/// Those whose answers are due, in order.
type Due = std::sync::Mutex<VecDeque<oneshot::Sender<Bytes>>>;

/// A connection that is opened when it is needed, and again when it has broken.
#[derive(Debug)]
pub struct Line {
    server: Server,
    url: String,
    patience: Duration,
    form: Form,
    /// What a new connection says first.
    greeting: Option<Vec<u8>>,
    requests: Mutex<Option<mpsc::UnboundedSender<Asked>>>,
}

impl Line {
    /// A connection to be.
    pub fn new(options: &Options, target: &Target) -> Arc<Line> {
        let has_token = target.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("x-auth-token"));
        let greeting = || frame::authenticate(options.format, &frame::headers(options.format, &target.headers));
        Arc::new(Line {
            server: target.server.clone(),
            url: format!("ws://{}{}/", target.authority, target.base),
            patience: options.timeout(),
            form: options.format,
            greeting: has_token.then(greeting),
            requests: Mutex::default(),
        })
    }

    /// Sends a request and waits for its answer.
    pub async fn exchange(&self, request: Vec<u8>) -> Result<Bytes, Fault> {
        match tokio::time::timeout(self.patience, self.exchange_in_time(request)).await {
            Ok(exchanged) => exchanged,
            Err(_) => {
                // Whoever else waits is told that it broke; the next request connects anew.
                self.requests.lock().await.take();
                Err(Broken::Silent.into())
            }
        }
    }

    async fn exchange_in_time(&self, request: Vec<u8>) -> Result<Bytes, Fault> {
        let (answered, answer) = oneshot::channel();
        {
            let mut requests = self.requests.lock().await;
            let open = requests.as_ref().filter(|open| !open.is_closed());
            let open = match open {
                Some(open) => open,
                None => requests.insert(self.connect().await?),
            };
            open.send((message(self.form, request)?, answered)).map_err(|_| Broken::Closed)?;
        }
        answer.await.map_err(|_| Broken::Closed.into())
    }

    /// Connects, and says who asks where a token is given.
    async fn connect(&self) -> Result<mpsc::UnboundedSender<Asked>, Fault> {
        let stream = self.server.connect().await?;
        let shaken = tokio_tungstenite::client_async(&self.url, stream).await;
        let (stream, _) = shaken.map_err(|_| Broken::NoWebsocket)?;
        let (requests, asked) = mpsc::unbounded_channel();
        tokio::spawn(serve(stream, asked));
        if let Some(greeting) = &self.greeting {
            let (answered, answer) = oneshot::channel();
            requests.send((message(self.form, greeting.clone())?, answered)).map_err(|_| Broken::Closed)?;
            let answer = answer.await.map_err(|_| Broken::Closed)?;
            let status = answer::status(self.form, &answer).ok_or(Broken::NoAnswer)?;
            let reply = Reply { status, body: &answer, form: self.form };
            if status != 200 {
                return Err(reply.refused());
            }
        }
        Ok(requests)
    }
}

fn message(form: Form, request: Vec<u8>) -> Result<Message, Broken> {
    match form {
        // What was written here is text.
        Form::Json => Utf8Bytes::try_from(request).map(Message::Text).map_err(|_| Broken::NoAnswer),
        Form::Msgpack => Ok(Message::Binary(request.into())),
    }
}

/// Serves a connection until either side leaves it. Whoever still waits then hears that it broke.
async fn serve(stream: WebSocketStream<Stream>, asked: mpsc::UnboundedReceiver<Asked>) {
    let (sink, stream) = stream.split();
    let due = Due::default();
    tokio::select! {
        () = write(sink, asked, &due) => {}
        () = read(stream, &due) => {}
    }
}

/// Writes what is there to be written in one go.
async fn write(
    mut sink: SplitSink<WebSocketStream<Stream>, Message>,
    mut asked: mpsc::UnboundedReceiver<Asked>,
    due: &Due,
) {
    while let Some(first) = asked.recv().await {
        let mut next = Some(first);
        while let Some((request, answered)) = next {
            lock(due).push_back(answered);
            if sink.feed(request).await.is_err() {
                return;
            }
            next = asked.try_recv().ok();
        }
        if sink.flush().await.is_err() {
            return;
        }
    }
}

async fn read(mut stream: SplitStream<WebSocketStream<Stream>>, due: &Due) {
    while let Some(Ok(message)) = stream.next().await {
        let answer = match message {
            Message::Text(text) => Bytes::from(text),
            Message::Binary(payload) => payload,
            _ => continue,
        };
        let Some(answered) = lock(due).pop_front() else { return };
        // Whoever asked may have lost patience.
        let _ = answered.send(answer);
    }
}

fn lock(due: &Due) -> std::sync::MutexGuard<'_, VecDeque<oneshot::Sender<Bytes>>> {
    due.lock().unwrap_or_else(PoisonError::into_inner)
}
