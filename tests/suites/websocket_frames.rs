//! Frames as clients of all kinds write them: in pieces, with values that JSON does not have, or against
//! the protocol.

use serde_json::{Value, json};
use sukkal_tests::Host;
use sukkal_tests::rest::CLIENT;
use sukkal_tests::ws::{Frame, Socket, packed, request};
use tokio::io::AsyncWriteExt;

/// A client's frame of less than 126 bytes, masked by zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("a short frame");
    [&[first, 0x80 + length, 0, 0, 0, 0], payload].concat()
}

const FINAL: u8 = 0x80;
const CONTINUED: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const PING: u8 = 9;

async fn write(socket: &mut Socket, bytes: &[u8]) {
    socket.wire().write_all(bytes).await.expect("the host reads");
}

#[tokio::test]
async fn a_message_may_come_in_any_pieces() {
    let host = Host::start().await;
    let mut socket = host.websocket().await;
    let post = request("message_post", &json!({ "queue_name": "q", "messages": [{ "body": "é😀" }] })).to_string();
    for (kind, message) in [(TEXT, post.as_bytes()), (BINARY, &packed(&serde_json::from_str(&post).expect("JSON")))] {
        // Within characters too, with empty pieces and pings between.
        write(&mut socket, &frame(kind, b"")).await;
        for byte in message {
            write(&mut socket, &frame(CONTINUED, &[*byte])).await;
            write(&mut socket, &[frame(CONTINUED, b""), frame(FINAL | PING, b"?")].concat()).await;
        }
        write(&mut socket, &frame(FINAL | CONTINUED, b"")).await;
        let (Frame::Text(answer) | Frame::Binary(answer)) = socket.next().await else { panic!("an answer is due") };
        assert_eq!(answer["headers"]["status"], 201, "{answer}");
    }
    let listed = socket.ask("message_list", json!({ "queue_name": "q", "echo": true })).await.expect(200);
    let bodies: Vec<_> = listed.body()["messages"].as_array().into_iter().flatten().map(|one| &one["body"]).collect();
    assert_eq!(bodies, ["é😀", "é😀"]);
}

#[tokio::test]
async fn who_breaks_the_protocol_is_told_so() {
    let host = Host::start().await;
    for (bytes, code) in [
        (b"\x81\x02{}".to_vec(), 1002),                                  // not masked
        (frame(FINAL | 0x40 | TEXT, b"{}"), 1002),                       // of an extension
        (frame(FINAL | 3, b"{}"), 1002),                                 // of no known kind
        (frame(FINAL | CONTINUED, b"{}"), 1002),                         // of no message
        ([frame(TEXT, b"{"), frame(FINAL | TEXT, b"}")].concat(), 1002), // two messages at once
        (frame(PING, b"?"), 1002),                                       // a ping in pieces
        (frame(FINAL | 8, b"\x03"), 1002),                               // half a code
        (frame(FINAL | TEXT, b"\"\xff\""), 1007),
        (frame(FINAL | TEXT, b"\"\xed\xa0\x80\""), 1007), // half of a character
        (frame(TEXT, b"\"\xff"), 1007),
    ] {
        let mut socket = host.websocket().await;
        write(&mut socket, &bytes).await;
        assert_eq!(socket.closed().await, Some(code), "{bytes:x?}");
    }
    host.websocket().await.ask("queue_list", json!({})).await.expect(200);
}

/// A post of a body that is written as it stands, in MessagePack.
fn packed_post(body: &[u8]) -> Vec<u8> {
    let mut post = packed(&request("message_post", &json!({ "queue_name": "q", "messages": [{ "body": null }] })));
    assert_eq!(post.pop(), Some(0xc0), "the body is the last value");
    post.extend_from_slice(body);
    post
}

#[tokio::test]
async fn what_has_no_json_form_is_refused_and_the_connection_goes_on() {
    let host = Host::start().await;
    let mut socket = host.websocket().await;
    for (body, reason) in [
        (&b"\x81\x01\x02"[..], "Keys of maps must be strings."),
        (b"\x81\xc0\x02", "Keys of maps must be strings."),
        (b"\x81\xc4\x01a\x02", "Keys of maps must be strings."),
        (b"\xc4\x01a", "Binary data have no JSON form; send a string."),
        (b"\xc6\0\0\0\0", "Binary data have no JSON form; send a string."),
        (b"\xd4\x01\x00", "Extension types have no JSON form."),
        (b"\xd6\xff\0\0\0\x01", "Extension types have no JSON form."),
        (b"\xca\x7f\xc0\0\0", "NaN and infinities have no JSON form."),
        (b"\xcb\xff\xf0\0\0\0\0\0\0", "NaN and infinities have no JSON form."),
        (b"\xcf\x80\0\0\0\0\0\0\0", "It contains an integer that is too large."),
        (b"\xa3\xed\xa0\x80", "A string is no UTF-8."),
        (b"\xdd\xff\xff\xff\xff", "It is no whole MessagePack object."),
        (b"\xdb\xff\xff\xff\xff", "It is no whole MessagePack object."),
        (b"\xc1", "It is no whole MessagePack object."),
        (b"\xc0\xc0", "A frame holds one object."),
    ] {
        assert!(socket.binary(packed_post(body)).await);
        let Frame::Binary(answer) = socket.next().await else { panic!("{body:x?}: an answer is due") };
        let error = format!("Can't decode binary (MessagePack) request. {reason}");
        assert_eq!((&answer["headers"]["status"], &answer["body"]["error"]), (&json!(400), &json!(error)), "{body:x?}");
    }
    for body in
        ["\"\\ud800\"", "\"\\udc00\\ud800\"", "9223372036854775808", "NaN", "-Infinity", "01", "1.", "\u{feff}1"]
    {
        let post = request("message_post", &json!({ "queue_name": "q", "messages": [{ "body": "BODY" }] })).to_string();
        assert!(socket.text(post.replace("\"BODY\"", body)).await);
        let refused = socket.answer().await.expect(400);
        let error = refused.body()["error"].as_str().unwrap_or_default();
        assert!(error.starts_with("Can't decode text (JSON) request."), "{body}: {error}");
    }
    let listed = socket.ask("queue_list", json!({})).await.expect(200);
    assert_eq!(listed.body(), &json!({ "queues": [] }), "nothing was made");
}

#[tokio::test]
async fn long_forms_and_small_floats_are_taken_for_what_they_mean() {
    let host = Host::start().await;
    let mut socket = host.websocket().await;
    for (body, meaning) in [
        (&b"\xcf\0\0\0\0\0\0\0\x05"[..], json!(5)),
        (b"\xd3\x80\0\0\0\0\0\0\0", json!(i64::MIN)),
        (b"\xcb\x80\0\0\0\0\0\0\0", json!(-0.0)),
        (b"\xcb\0\0\0\0\0\0\0\x01", json!(5e-324)),
        (b"\xca\x3f\0\0\0", json!(0.5)),
        (b"\xdb\0\0\0\x01x", json!("x")),
        (b"\xa1\0", json!("\0")),
        (b"\xdd\0\0\0\x01\xdf\0\0\0\0", json!([{}])),
        (b"\x82\xa1a\x01\xa1a\x02", json!({ "a": 2 })),
    ] {
        assert!(socket.binary(packed_post(body)).await);
        assert!(
            matches!(socket.next().await, Frame::Binary(answer) if answer["headers"]["status"] == 201),
            "{body:x?}"
        );
        let popped = socket.ask("message_delete_many", json!({ "queue_name": "q", "pop": 1 })).await.expect(200);
        assert_eq!(popped.body()["messages"][0]["body"], meaning, "{body:x?}");
    }
}

#[tokio::test]
async fn of_a_doubled_name_the_last_counts_in_either_encoding() {
    let host = Host::start().await;
    let mut socket = host.websocket().await;
    for q in ["a", "b", "c"] {
        socket.ask("queue_create", json!({ "queue_name": q })).await.expect(201);
    }
    for (clients, limits, status) in
        [(["no", CLIENT], [0, 1], 200), ([CLIENT, "no"], [1, 1], 400), ([CLIENT, CLIENT], [1, 0], 400)]
    {
        let [first, last] = clients.map(Value::from);
        let headers = [("Client-ID", first), ("X-Project-ID", json!("p1")), ("Client-ID", last)];
        let body = limits.map(|limit| ("limit", json!(limit)));
        let text = format!(r#"{{"action":"queue_list","headers":{},"body":{}}}"#, object(&headers), object(&body));
        assert!(socket.text(text).await);
        assert_eq!(socket.answer().await.status(), status, "{clients:?} {limits:?}");
        let map = [&b"\x83"[..], &packed(&json!("action")), &packed(&json!("queue_list"))].concat();
        let map = [map, packed(&json!("headers")), packed_map(&headers), packed(&json!("body")), packed_map(&body)];
        assert!(socket.binary(map.concat()).await);
        let Frame::Binary(answer) = socket.next().await else { panic!("an answer is due") };
        assert_eq!(answer["headers"]["status"], status, "{clients:?} {limits:?}");
    }
}

/// The text of an object that may have a name twice.
fn object(members: &[(&str, Value)]) -> String {
    let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

/// The same in MessagePack.
fn packed_map(members: &[(&str, Value)]) -> Vec<u8> {
    let length = u8::try_from(members.len()).expect("a short map");
    let members = members.iter().flat_map(|(name, value)| [packed(&json!(name)), packed(value)].concat());
    [0x80 + length].into_iter().chain(members).collect()
}
