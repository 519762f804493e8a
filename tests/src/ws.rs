//! A websocket client that sends exactly what it is told to, with a MessagePack of its own.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rmpv::Value as Packed;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::either::Either;

use crate::rest::CLIENT;
use crate::tls::Stream;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// One connection of project `p1`.
#[derive(Debug)]
pub struct Socket {
    stream: WebSocketStream<Stream>,
}

/// What the host sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// JSON.
    Text(Value),
    /// MessagePack, as the JSON that it stands for.
    Binary(Value),
    /// The connection is closed with this code; none: without a word.
    Closed(Option<u16>),
}

impl Socket {
    /// Connects to `127.0.0.1:PORT`.
    pub async fn connect(address: &str) -> Socket {
        Socket::try_connect(address).await.expect("the host takes websockets")
    }

    /// Connects, if the host takes one more.
    ///
    /// # Errors
    /// It does not.
    pub async fn try_connect(address: &str) -> Result<Socket, String> {
        let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).expect("a socket can be set up");
        Socket::over(Either::Left(stream)).await
    }

    /// Asks for a websocket over a connection that is there.
    ///
    /// # Errors
    /// The host gives none.
    pub async fn over(stream: Stream) -> Result<Socket, String> {
        let shaken = timeout(PATIENCE, tokio_tungstenite::client_async("ws://localhost/", stream));
        let (stream, _) = shaken.await.expect("the host answers").map_err(|error| error.to_string())?;
        Ok(Socket { stream })
    }

    /// Sends a message. `false`: the host has closed the connection.
    pub async fn send(&mut self, message: Message) -> bool {
        timeout(PATIENCE, self.stream.send(message)).await.expect("the host reads or closes").is_ok()
    }

    /// Sends a text frame.
    pub async fn text(&mut self, text: impl Into<String>) -> bool {
        self.send(Message::text(text.into())).await
    }

    /// Sends a binary frame.
    pub async fn binary(&mut self, bytes: Vec<u8>) -> bool {
        self.send(Message::binary(bytes)).await
    }

    /// The connection under the websocket.
    pub fn wire(&mut self) -> &mut Stream {
        self.stream.get_mut()
    }

    /// The next frame; pings are answered meanwhile.
    pub async fn next(&mut self) -> Frame {
        loop {
            return match timeout(PATIENCE, self.stream.next()).await.expect("the host answers or closes") {
                Some(Ok(Message::Text(text))) => Frame::Text(serde_json::from_str(&text).expect("an answer is JSON")),
                Some(Ok(Message::Binary(bytes))) => Frame::Binary(unpacked(&bytes)),
                Some(Ok(Message::Close(frame))) => Frame::Closed(frame.map(|frame| frame.code.into())),
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => Frame::Closed(None),
            };
        }
    }

    /// The next answer, which must be a text.
    pub async fn answer(&mut self) -> Reply {
        match self.next().await {
            Frame::Text(answer) => Reply(answer),
            other => panic!("{other:?} where an answer is due"),
        }
    }

    /// Sends a request as a text and waits for its answer.
    pub async fn ask(&mut self, action: &str, body: Value) -> Reply {
        assert!(self.text(request(action, &body).to_string()).await, "the host reads");
        self.answer().await
    }

    /// Sends a request as MessagePack and waits for its answer.
    pub async fn ask_packed(&mut self, action: &str, body: Value) -> Reply {
        assert!(self.binary(packed(&request(action, &body))).await, "the host reads");
        match self.next().await {
            Frame::Binary(answer) => Reply(answer),
            other => panic!("{other:?} where a binary answer is due"),
        }
    }

    /// Reads until the host closes the connection: with which code.
    pub async fn closed(&mut self) -> Option<u16> {
        loop {
            if let Frame::Closed(code) = self.next().await {
                return code;
            }
        }
    }
}

/// A request of project `p1`.
pub fn request(action: &str, body: &Value) -> Value {
    json!({ "action": action, "headers": { "Client-ID": CLIENT, "X-Project-ID": "p1" }, "body": body })
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply(pub Value);

impl Reply {
    /// The status.
    pub fn status(&self) -> u64 {
        self.0["headers"]["status"].as_u64().expect("an answer has a status")
    }

    /// The body.
    pub fn body(&self) -> &Value {
        &self.0["body"]
    }

    /// The answer itself, if it has this status.
    ///
    /// # Panics
    /// When it has another.
    #[track_caller]
    pub fn expect(self, status: u64) -> Reply {
        assert_eq!(self.status(), status, "{}", self.0);
        self
    }
}

/// MessagePack of a JSON value.
pub fn packed(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, &pack(value)).expect("memory takes everything");
    bytes
}

fn pack(value: &Value) -> Packed {
    match value {
        Value::Null => Packed::Nil,
        Value::Bool(flag) => Packed::from(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(int) => Packed::from(int),
            None => Packed::from(number.as_f64().expect("a number")),
        },
        Value::String(text) => Packed::from(text.as_str()),
        Value::Array(items) => Packed::Array(items.iter().map(pack).collect()),
        Value::Object(members) => {
            Packed::Map(members.iter().map(|(key, value)| (Packed::from(key.as_str()), pack(value))).collect())
        }
    }
}

/// The JSON value of MessagePack.
///
/// # Panics
/// When it is not one whole object, or has no JSON form.
pub fn unpacked(mut bytes: &[u8]) -> Value {
    let value = rmpv::decode::read_value(&mut bytes).expect("a binary answer is MessagePack");
    assert!(bytes.is_empty(), "a frame holds one object");
    unpack(&value)
}

fn unpack(value: &Packed) -> Value {
    match value {
        Packed::Nil => Value::Null,
        Packed::Boolean(flag) => json!(flag),
        Packed::Integer(int) => json!(int.as_i64().expect("integers have 64 bits")),
        Packed::F32(float) => json!(float),
        Packed::F64(float) => json!(float),
        Packed::String(text) => json!(text.as_str().expect("a text")),
        Packed::Array(items) => items.iter().map(unpack).collect(),
        Packed::Map(members) => {
            let member = |(key, value): &(Packed, Packed)| (key.as_str().expect("a key").to_owned(), unpack(value));
            Value::Object(members.iter().map(member).collect())
        }
        Packed::Binary(_) | Packed::Ext(..) => panic!("{value} has no JSON form"),
    }
}
