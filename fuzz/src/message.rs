//! Bodies of messages: what is taken in comes back as it was.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio_tungstenite::tungstenite::Message;

use crate::Target;
use crate::frame::{ask, unpacked};
use crate::host::Host;

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
    let Ok(Posted { message_ids: [id] }) = serde_json::from_str(of(&answered).get()) else {
        assert!(may_be_refused(body), "a body is refused: {answered}");
        return;
    };
    let fields = format!(r#""message_id":"{id}""#);
    let found = text(host, "message_get", &fields);
    let Found { messages } = serde_json::from_str(of(&found).get()).expect("what was stored is found");
    assert_eq!(messages.body.get(), body.get(), "a body comes back as it was");
    match ask(host, Message::binary(get_packed(&id))) {
        Message::Binary(packed) => unpacked(&packed),
        other => panic!("{other:?} where an answer in MessagePack is due"),
    }
    text(host, "message_delete", &fields);
}

fn of(answer: &str) -> &RawValue {
    serde_json::from_str::<Answer<'_>>(answer).expect("an answer's shape").body
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

fn get_packed(id: &str) -> Vec<u8> {
    let map = |members: &[(&str, rmpv::Value)]| {
        rmpv::Value::Map(members.iter().map(|(key, value)| (rmpv::Value::from(*key), value.clone())).collect())
    };
    let request = map(&[
        ("action", "message_get".into()),
        ("headers", map(&[("Client-ID", CLIENT.into()), ("X-Project-ID", "p".into())])),
        ("body", map(&[("queue_name", "bodies".into()), ("message_id", id.into())])),
    ]);
    let mut packed = Vec::new();
    rmpv::encode::write_value(&mut packed, &request).expect("memory takes everything");
    packed
}
