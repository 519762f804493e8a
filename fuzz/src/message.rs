//! Bodies of messages: what is taken in comes back as it was.

use rmpv::Value as Packed;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio_tungstenite::tungstenite::Message;

use crate::exchange::exchange;
use crate::frame::{ask, read};
use crate::host::Host;
use crate::{Target, twin};

/// An input is the JSON text of one message's body; others are passed over.
pub static MESSAGE_BODY: Target = Target {
    name: "message_body",
    words: &[
        "null",
        "true",
        "false",
        "0",
        "-0",
        "-0.0",
        "1e5",
        "1E-7",
        "1e999",
        "0.10",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "\"\"",
        "\\u0000",
        "\\ud83d\\ude00",
        "\\ud800",
        "\\/",
        "\\\"",
        "{\"a\":1,\"a\":2}",
        "\"__proto__\":",
        "\"$serde_json::private::RawValue\":",
        "[[[[",
        "]]]]",
        "\u{feff}",
        "\u{2028}",
        "é",
        " ",
        "\t",
    ],
    send,
};

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    body: &'a RawValue,
}

#[derive(Deserialize)]
struct Posted {
    message_ids: [String; 1],
}

#[derive(Deserialize)]
struct Found<'a> {
    #[serde(borrow)]
    messages: Stored<'a>,
}

#[derive(Deserialize)]
struct Stored<'a> {
    #[serde(borrow)]
    body: &'a RawValue,
}

fn send(host: &mut Host, input: &[u8]) {
    // What is not one whole value could end the frame around it.
    let Ok(body) = serde_json::from_slice::<&RawValue>(input) else { return };
    let answered = text(host, "message_post", &format!(r#""messages":[{{"body":{}}}]"#, body.get()));
    let id = posted(&answered);
    assert!(id.is_some() || may_be_refused(body), "a body is refused: {answered}");
    assert_eq!(rest(host, body.get()), id.is_some(), "what one transport takes, the other does");
    let Some(id) = id else { return };
    assert_eq!(stored(host, &id), body.get(), "a body comes back as it was");
    let packed = binary(host, "message_get", ("message_id", id.as_str().into()));
    text(host, "message_delete", &format!(r#""message_id":"{id}""#));
    // Deeper ones are read by nobody here, and names of serde's own mean something to it.
    if body.get().contains("serde_json") {
        return;
    }
    if let (Some(packed), Ok(value)) = (packed, serde_json::from_str::<Value>(body.get())) {
        means(&packed["body"]["messages"]["body"], &value);
        comes_back(host, &value);
    }
}

/// That a body in MessagePack means the same as the JSON that it was posted as.
fn means(packed: &Packed, value: &Value) {
    // An infinity stands for a float beyond a double's range, which has no other form.
    if let Some(due) = twin::packed(value) {
        let due = twin::unpacked(&due).expect("what is packed can be unpacked");
        assert_eq!(twin::unpacked(packed), Some(due), "a body in MessagePack is the one that was posted");
    }
}

/// That a body posted in MessagePack is taken, and means the same in JSON.
fn comes_back(host: &mut Host, value: &Value) {
    let Some(body) = twin::packed(value) else { return };
    let messages = Packed::Array(vec![map(&[("body", body.clone())])]);
    let answer = binary(host, "message_post", ("messages", messages)).expect("an answer that is not deep");
    let id = answer["body"]["message_ids"][0].as_str().expect("what is taken as JSON is taken in MessagePack");
    let read: Value = serde_json::from_str(&stored(host, id)).expect("a body is JSON");
    assert_eq!(twin::packed(&read), Some(body), "a body posted in MessagePack means the same in JSON");
    text(host, "message_delete", &format!(r#""message_id":"{id}""#));
}

/// Posts over REST: whether it was taken.
fn rest(host: &mut Host, body: &str) -> bool {
    let answer = over_rest(host, "POST /v2/queues/rest/messages", &format!(r#"{{"messages":[{{"body":{body}}}]}}"#));
    assert!(matches!(answer, 201 | 400), "{answer}");
    over_rest(host, "DELETE /v2/queues/rest", "");
    answer == 201
}

fn over_rest(host: &mut Host, what: &str, body: &str) -> u16 {
    let headers = format!("Host: sukkal\r\nClient-ID: {CLIENT}\r\nX-Project-ID: p\r\nContent-Length: {}", body.len());
    let request = format!("{what} HTTP/1.1\r\n{headers}\r\n\r\n{body}");
    exchange(host, request.as_bytes()).expect("an answer comes").status
}

fn of(answer: &str) -> &RawValue {
    serde_json::from_str::<Answer<'_>>(answer).expect("an answer's shape").body
}

fn posted(answer: &str) -> Option<String> {
    let Posted { message_ids: [id] } = serde_json::from_str(of(answer).get()).ok()?;
    Some(id)
}

/// The body of a stored message, as it is read in a text.
fn stored(host: &mut Host, id: &str) -> String {
    let found = text(host, "message_get", &format!(r#""message_id":"{id}""#));
    let Found { messages } = serde_json::from_str(of(&found).get()).expect("what was stored is found");
    messages.body.get().to_owned()
}

/// What is no body of the API: integers beyond 64 bits, halves of characters. What is nested deeper
/// than is read here may hold either.
fn may_be_refused(body: &RawValue) -> bool {
    serde_json::from_str::<Value>(body.get()).is_err() || numbers(body.get()).any(is_wide)
}

fn is_wide(number: &str) -> bool {
    !number.contains(['.', 'e', 'E']) && number.parse::<i64>().is_err()
}

/// The numbers of a JSON text, also those of doubled keys.
fn numbers(text: &str) -> impl Iterator<Item = &str> {
    let (mut in_string, mut escaped) = (false, false);
    let between = move |letter: char| {
        let was_in_string = in_string;
        match letter {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            _ => {}
        }
        was_in_string || in_string || !(letter.is_ascii_digit() || "+-.eE".contains(letter))
    };
    // The `e` of `true` and `false` is none.
    text.split(between).filter(|part| part.contains(|letter: char| letter.is_ascii_digit()))
}

const CLIENT: &str = "3381af92-2b9e-11e3-b191-71861300734c";

fn text(host: &mut Host, action: &str, fields: &str) -> String {
    let headers = format!(r#"{{"Client-ID":"{CLIENT}","X-Project-ID":"p"}}"#);
    let request = format!(r#"{{"action":"{action}","headers":{headers},"body":{{"queue_name":"bodies",{fields}}}}}"#);
    match ask(host, Message::text(request)) {
        Message::Text(answer) => answer.to_string(),
        other => panic!("{other:?} where a text is due"),
    }
}

/// Asks in MessagePack; none is an answer that is nested too deep for its reader.
fn binary(host: &mut Host, action: &str, field: (&str, Packed)) -> Option<Packed> {
    let request = map(&[
        ("action", action.into()),
        ("headers", map(&[("Client-ID", CLIENT.into()), ("X-Project-ID", "p".into())])),
        ("body", map(&[("queue_name", "bodies".into()), field])),
    ]);
    let mut packed = Vec::new();
    rmpv::encode::write_value(&mut packed, &request).expect("memory takes everything");
    match ask(host, Message::binary(packed)) {
        Message::Binary(packed) => read(&packed),
        other => panic!("{other:?} where an answer in MessagePack is due"),
    }
}

fn map(members: &[(&str, Packed)]) -> Packed {
    Packed::Map(members.iter().map(|(key, value)| (Packed::from(*key), value.clone())).collect())
}
