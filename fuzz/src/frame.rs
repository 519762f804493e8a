//! Frames of the websocket: JSON, MessagePack, and what is neither.

use futures_util::{SinkExt, StreamExt};
use rmpv::Value as Packed;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::host::{Host, PATIENCE};
use crate::{Target, answer, steps, twin};

/// A request whose first byte is `b` is the payload of a binary frame, after that byte; any other one
/// is the text of a text frame. An input is one or several (`steps`). What has a form in MessagePack is
/// asked in both, by two projects that know nothing of each other.
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
        "\n---\n",
        "\n---\n+61\n---\n",
        "\"X-Project-ID\":\"{project}\"",
        "\"message_id\":\"{message}\"",
        "\"claim_id\":\"{claim}\"",
        "\"subscription_id\":\"{subscription}\"",
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
    let statuses = answers(host, 't', input, |step| Some(message(step)));
    if twin::is_possible(input) {
        let packed = answers(host, 'b', input, |step| twin::of(step).map(Message::binary));
        assert_eq!(statuses, packed, "statuses of a text, and of the same in MessagePack");
    }
}

fn message(step: &[u8]) -> Message {
    match step.split_first() {
        Some((b'b', payload)) => Message::binary(payload.to_vec()),
        _ => Message::text(String::from_utf8_lossy(step).into_owned()),
    }
}

/// Sends the requests of an input for a project of its own; none stands for a status that cannot be read.
fn answers(host: &mut Host, letter: char, input: &[u8], form: fn(&[u8]) -> Option<Message>) -> Vec<Option<u16>> {
    let project = host.project(letter);
    let mut statuses = Vec::new();
    steps::run(host, &project, input, |host, step| {
        let Some(message) = form(step) else { return Vec::new() };
        let (answer, status) = one(host, message);
        statuses.push(status);
        answer
    });
    // A connection subscribes to so many queues and no more, and its subscriptions end with it.
    if input.windows(CREATE.len()).any(|window| window == CREATE) {
        host.socket = None;
    }
    statuses
}

const CREATE: &[u8] = b"subscription_create";

fn one(host: &mut Host, message: Message) -> (Vec<u8>, Option<u16>) {
    match (message.clone(), ask(host, message)) {
        (Message::Text(sent), Message::Text(answer)) => {
            let status = check(answer.as_bytes(), Some(&sent));
            (answer.as_bytes().to_vec(), Some(status))
        }
        (Message::Binary(sent), Message::Binary(answer)) => {
            let status = read(&answer).map(|answer| echoed(&sent, &answer));
            (answer.to_vec(), status)
        }
        (_, other) => panic!("{other:?} where an answer in the request's form is due"),
    }
}

/// That a packed request comes back as it was sent; the status.
fn echoed(mut sent: &[u8], answer: &Packed) -> u16 {
    let action = &answer["request"]["action"];
    if action.as_str().is_some_and(|action| action != "authenticate")
        && let Ok(sent) = rmpv::decode::read_value_with_max_depth(&mut sent, DEEPEST)
        && let Some(members) = sent.as_map()
    {
        let body = members.iter().rev().find(|(key, _)| key.as_str() == Some("body"));
        let nothing = Packed::Map(Vec::new());
        assert_eq!(
            &answer["request"]["body"],
            body.map_or(&nothing, |(_, body)| body),
            "a request comes back as it was sent"
        );
    }
    status(answer)
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

fn check(text: &[u8], sent: Option<&str>) -> u16 {
    let Answer { request, headers, .. } = serde_json::from_str(answer::json(text).get()).expect("an answer's shape");
    answer::status(headers.status, text);
    if let Some(sent) = sent.and_then(|sent| serde_json::from_str::<Sent<'_>>(sent).ok())
        // What could not be read, or names its client, does not come back.
        && let Some(body) = sent.body.filter(|_| !matches!(request.action.get(), "null" | "\"authenticate\""))
    {
        assert_eq!(request.body.get(), body.get(), "a request comes back as it was sent");
    }
    headers.status
}

/// How deep answers in MessagePack are read. The reader recurses, and the host does not.
const DEEPEST: usize = 64;

/// An answer in MessagePack; none where it is nested deeper than its reader goes.
pub fn read(mut packed: &[u8]) -> Option<Packed> {
    match rmpv::decode::read_value_with_max_depth(&mut packed, DEEPEST) {
        Ok(answer) => {
            answer::status(status(&answer), answer.to_string().as_bytes());
            assert!(packed.is_empty(), "a frame holds one object");
            Some(answer)
        }
        Err(rmpv::decode::Error::DepthLimitExceeded) => None,
        Err(error) => panic!("an answer is no MessagePack: {error}"),
    }
}

fn status(answer: &Packed) -> u16 {
    let status = answer["headers"]["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    status.expect("an answer has a status")
}
