//! Frames of the websocket: JSON, MessagePack, and what is neither.

use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::host::{Host, PATIENCE};
use crate::{Target, answer};

/// An input whose first byte is `b` is the payload of a binary frame, after that byte; any other one
/// is the text of a text frame.
pub static WEBSOCKET_FRAME: Target = Target {
    name: "websocket_frame",
    words: &[
        "{\"action\":\"",
        "message_post",
        "message_list",
        "message_delete_many",
        "claim_create",
        "claim_update",
        "queue_create",
        "queue_list",
        "queue_purge",
        "subscription_create",
        "subscription_delete",
        "authenticate",
        "pool_create",
        "flavor_update",
        "get_home_doc",
        "\"headers\":{",
        "\"Client-ID\":\"",
        "\"X-Project-ID\":\"p\"",
        "\"X-Auth-Token\":",
        "\"URL-Signature\":",
        "\"URL-Paths\":[",
        "\"body\":{",
        "\"queue_name\":\"q\"",
        "\"messages\":[",
        "\"message_ids\":[",
        "\"subscriber\":\"\"",
        "\"limit\":",
        "\"pop\":",
        "\"ttl\":",
        "\"wait\":0",
        "\"metadata\":{",
        "\"options\":{",
        "null",
        "true",
        "9223372036854775808",
        "1e999",
        "-0",
        "\\u0061",
        "\\ud800",
        "\\u0000",
        "\u{81}",
        "\u{7f}",
        "\u{0}",
    ],
    send,
};

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    request: Request<'a>,
    headers: Headers,
    #[serde(borrow, rename = "body")]
    _body: &'a RawValue,
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    action: &'a RawValue,
    #[serde(borrow)]
    body: &'a RawValue,
}

#[derive(Deserialize)]
struct Headers {
    status: u16,
}

/// The part of a request that comes back with its answer.
#[derive(Deserialize)]
struct Sent<'a> {
    #[serde(borrow)]
    body: Option<&'a RawValue>,
}

fn send(host: &mut Host, input: &[u8]) {
    let message = match input.split_first() {
        Some((b'b', payload)) => Message::binary(payload.to_vec()),
        _ => Message::text(String::from_utf8_lossy(input).into_owned()),
    };
    let text = message.to_text().ok().filter(|_| message.is_text()).map(str::to_owned);
    match (ask(host, message), text) {
        (Message::Text(answer), Some(sent)) => check(answer.as_bytes(), Some(&sent)),
        (Message::Binary(packed), None) => unpacked(&packed),
        (other, _) => panic!("{other:?} where an answer in the request's form is due"),
    }
}

/// Sends a message and waits for the answer.
pub fn ask(host: &mut Host, message: Message) -> Message {
    let (runtime, socket) = host.socket();
    let socket = socket.as_mut().expect("a websocket is open");
    runtime.block_on(async {
        socket.send(message).await.expect("the host reads");
        loop {
            match timeout(PATIENCE, socket.next()).await.expect("an answer comes") {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(answer)) => return answer,
                Some(Err(error)) => panic!("the connection broke: {error}"),
                None => panic!("the connection ended"),
            }
        }
    })
}

fn check(text: &[u8], sent: Option<&str>) {
    let Answer { request, headers, .. } = serde_json::from_str(answer::json(text).get()).expect("an answer's shape");
    answer::status(headers.status, text);
    let Some(sent) = sent.and_then(|sent| serde_json::from_str::<Sent<'_>>(sent).ok()) else { return };
    // What could not be read, or names its client, does not come back.
    if let Some(body) = sent.body.filter(|_| !matches!(request.action.get(), "null" | "\"authenticate\"")) {
        assert_eq!(request.body.get(), body.get(), "a request comes back as it was sent");
    }
}

/// How deep answers in MessagePack are read. The reader recurses, and the host does not.
const DEEPEST: usize = 64;

/// An answer in MessagePack, read in full unless it is nested deeper than its reader goes.
pub fn unpacked(mut packed: &[u8]) {
    match rmpv::decode::read_value_with_max_depth(&mut packed, DEEPEST) {
        Ok(answer) => {
            let status = answer["headers"]["status"].as_u64().and_then(|status| u16::try_from(status).ok());
            self::answer::status(status.expect("an answer has a status"), answer.to_string().as_bytes());
            assert!(packed.is_empty(), "a frame holds one object");
        }
        Err(rmpv::decode::Error::DepthLimitExceeded) => {}
        Err(error) => panic!("an answer is no MessagePack: {error}"),
    }
}
