use proptest::prelude::*;

use super::*;

const HEADERS: &str = r#""Client-ID":"c","X-Project-ID":"p""#;

fn decoded(text: &str, connection: Connection<'_>) -> Decoded {
    let sent = Sent::read(Form::Text, Bytes::copy_from_slice(text.as_bytes())).unwrap();
    request(RequestId(1), &sent, connection)
}

fn of(action: &str, body: &str) -> Request {
    let decoded =
        decoded(&format!(r#"{{"action":"{action}","headers":{{{HEADERS}}},"body":{body}}}"#), Connection::default());
    assert_eq!(decoded.arrival.refused, None, "{action} {body}");
    decoded.request
}

fn params(request: &Request) -> Vec<(&str, &str)> {
    request.params().iter().collect()
}

#[test]
fn fields_become_what_rest_has_in_path_and_query() {
    let list = of("message_list", r#"{"queue_name":"q","marker":"m","limit":5,"echo":true,"x":[1]}"#);
    assert_eq!((list.queue(), list.item()), ("q", ""));
    assert_eq!(params(&list), [("marker", "m"), ("limit", "5"), ("echo", "true")]);
    let delete = of("message_delete", r#"{"queue_name":"q","message_id":"m","claim_id":"c"}"#);
    assert_eq!((delete.queue(), delete.item(), params(&delete)), ("q", "m", vec![("claim_id", "c")]));
    let many = of("message_delete_many", r#"{"queue_name":"q","message_ids":["a","b"],"claim_ids":[]}"#);
    assert_eq!(params(&many), [("ids", "a"), ("ids", "b"), ("claim_ids", "")]);
    assert!(!many.has_body());
}

#[test]
fn bodies_are_slices_of_the_frame() {
    let post = of("message_post", r#"{"queue_name":"q","messages":[{"body":1.0}]}"#);
    assert_eq!(post.body(), br#"{"queue_name":"q","messages":[{"body":1.0}]}"#);
    assert_eq!(of("queue_create", r#"{"queue_name":"q","metadata":{"a" :1}}"#).body(), br#"{"a" :1}"#);
    assert!(!of("queue_create", r#"{"queue_name":"q"}"#).has_body());
    assert!(!of("queue_purge", r#"{"queue_name":"q"}"#).has_body());
    let pool = of("pool_create", r#"{"weight":1,"pool_name":"p","uri":"memory:"}"#);
    assert_eq!((pool.item(), pool.body()), ("p", br#"{"weight":1,"uri":"memory:"}"#.as_slice()));
}

#[test]
fn an_action_that_is_none_is_named_as_the_original_does() {
    for (action, named) in [
        (r#""action":"nope""#, "nope"),
        (r#""action":["x"]"#, "['x']"),
        (r#""action":null"#, "None"),
        (r#""action":true"#, "True"),
        (r#""action":5"#, "5"),
        (r#""b":1"#, "None"),
    ] {
        let refused = decoded(&format!("{{{action}}}"), Connection::default()).arrival.refused;
        assert_eq!(refused.map(|error| error.message), Some(format!("{named} is not a valid action")));
    }
}

#[test]
fn the_token_is_the_connections_and_nothing_that_a_request_brings() {
    let text = format!(r#"{{"action":"queue_list","headers":{{{HEADERS},"X-AUTH-Token":"mine"}}}}"#);
    let token = |token| {
        let request = decoded(&text, Connection { token, ..Connection::default() }).request;
        request.headers().get("x-auth-token").map(str::to_owned)
    };
    assert_eq!(token(None), None);
    assert_eq!(token(Some("proven")).as_deref(), Some("proven"));
}

#[test]
fn a_signature_counts_where_somebody_asks_and_nobody_has_authenticated() {
    let text = format!(
        r#"{{"action":"claim_update","headers":{{{HEADERS},"URL-Signature":"s","URL-Expires":"e","URL-Methods":["PATCH"],"URL-Paths":["/v2/queues/q/claims"]}},"body":{{"queue_name":"q","claim_id":"c"}}}}"#
    );
    let signed = |token, asks_identity| {
        decoded(&text, Connection { token, asks_identity, ..Connection::default() }).arrival.signed
    };
    let presented = signed(None, true).expect("it is presented");
    assert_eq!((presented.method.as_str(), presented.path.as_str()), ("PATCH", "/v2/queues/q/claims"));
    assert_eq!(
        (presented.methods.as_slice(), presented.paths.as_slice()),
        (["PATCH".to_owned()].as_slice(), ["/v2/queues/q/claims".to_owned()].as_slice())
    );
    assert!(signed(None, false).is_none() && signed(Some("t"), true).is_none());
}

#[test]
fn what_only_administrators_have_is_not_there_for_others() {
    let text = format!(r#"{{"action":"pool_list","headers":{{{HEADERS}}}}}"#);
    assert_eq!(decoded(&text, Connection::default()).arrival.route, Route::UnknownPath);
    let admin = Connection { admin_mode: true, ..Connection::default() };
    assert_eq!(decoded(&text, admin).arrival.route, Route::Known);
}

/// Pieces of requests, good and bad, in any order.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"action\"",
        "\"headers\"",
        "\"body\"",
        "\"queue_list\"",
        "\"message_post\"",
        "\"Client-ID\"",
        "\"X-Project-ID\"",
        "\"queue_name\"",
        "\"messages\"",
        "\"x\"",
        "1",
        "1e999",
        "-",
        "null",
        "true",
        "\"\\ud800\"",
        "\"\\u0061\"",
        " ",
        "\u{e9}",
        "\"message_ids\"",
        "\"a,b\"",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// Whatever a frame says, it becomes a request or a refusal, and its answer is JSON.
    #[test]
    fn any_text_is_answered_in_json(text in prop_oneof![pieces(), any::<String>()]) {
        let Decoded { echo, .. } = decoded(&text, Connection { asks_identity: true, ..Connection::default() });
        let answer = echo.answer(400, None, b"").into_data();
        prop_assert!(serde_json::from_slice::<&serde_json::value::RawValue>(&answer).is_ok());
    }
}
