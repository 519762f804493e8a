use bytes::Bytes;
use sukkal_core::{ClaimView, ErrorKind, MessageView, Paging, QueueView};
use sukkal_plugin_sdk::{Action, ClaimId, MessageId, Place, QueueId, RequestId, Stats, Target, Timestamp, Transport};

use super::*;

fn request(method: &str, path: &str, queue: &str) -> Request {
    let mut request = Request::new(RequestId(1), Action::MessageList, Transport::Rest);
    request.set_route(method, path);
    request.set_target(Target { queue: queue.to_owned(), ..Target::default() });
    request
}

fn encoded(request: &Request, outcome: Result<Answer, Error>) -> (u16, String, Option<String>) {
    let response = response(request, &Limits::default(), outcome);
    let location = response.headers().get("location").map(str::to_owned);
    (response.status(), String::from_utf8_lossy(response.body()).into_owned(), location)
}

fn id(place: u64) -> MessageId {
    MessageId { queue: QueueId(1), place: Place(place) }
}

fn view(place: u64) -> MessageView {
    MessageView {
        id: id(place),
        ttl: 60,
        age: 1,
        body: Bytes::from_static(b"1.0"),
        claim: None,
        claims: 2,
        show_claims: false,
        origin: None,
        checksum: None,
    }
}

#[test]
fn a_post_names_its_messages_in_location_and_body() {
    let (status, body, location) =
        encoded(&request("POST", "/v2/queues/q/messages", "q"), Ok(Answer::Posted(vec![id(1), id(2)])));
    assert_eq!(status, 201);
    assert_eq!(location, Some(format!("/v2/queues/q/messages?ids={},{}", id(1), id(2))));
    assert_eq!(
        body,
        format!(r#"{{"resources":["/v2/queues/q/messages/{}","/v2/queues/q/messages/{}"]}}"#, id(1), id(2))
    );
}

#[test]
fn a_location_stays_shorter_than_the_longest_line_that_clients_take() {
    let posted = |n: u64| {
        let ids: Vec<MessageId> = (1..=n).map(id).collect();
        let (_, body, location) =
            encoded(&request("POST", "/v2/queues/q/messages", "q"), Ok(Answer::Posted(ids.clone())));
        assert_eq!(body.matches("/v2/queues/q/messages/").count(), ids.len());
        location.unwrap_or_default()
    };
    let each = id(1).to_string().len() + 1;
    let most = (3 * 1024 - "/v2/queues/q/messages?ids=".len() + 1) / each;
    let all = posted(most as u64);
    assert_eq!(all.matches(',').count(), most - 1);
    assert!((3 * 1024 - each..=3 * 1024).contains(&all.len()), "{}", all.len());
    assert_eq!(posted(most as u64 + 1), "/v2/queues/q/messages");
}

#[test]
fn the_next_link_puts_the_marker_where_the_request_had_it() {
    let page = |had_marker| MessagePage {
        messages: vec![view(1)],
        paging: Paging {
            had_marker,
            params: vec![("limit".to_owned(), "2".to_owned()), ("echo".to_owned(), "true".to_owned())],
            last: Vec::new(),
            next_marker: Some("M".to_owned()),
        },
    };
    let request = request("GET", "/v2/queues/q/messages", "q");
    let (_, body, _) = encoded(&request, Ok(Answer::Messages(page(false))));
    assert!(
        body.ends_with(r#""links":[{"rel":"next","href":"/v2/queues/q/messages?limit=2&echo=true&marker=M"}]}"#),
        "{body}"
    );
    let (_, body, _) = encoded(&request, Ok(Answer::Messages(page(true))));
    assert!(body.contains("messages?marker=M&limit=2&echo=true"), "{body}");
    let (_, body, _) = encoded(&request, Ok(Answer::Messages(MessagePage::default())));
    assert_eq!(body, r#"{"messages":[],"links":[]}"#);
}

#[test]
fn metadata_filters_come_last_and_are_escaped() {
    let page = QueuePage {
        queues: vec![QueueView { name: "q2".to_owned(), metadata: Default::default() }],
        count: Some(0),
        detailed: false,
        paging: Paging {
            had_marker: false,
            params: vec![("limit".to_owned(), "1".to_owned())],
            last: vec![("a b".to_owned(), "ü&=".to_owned())],
            next_marker: Some("q2".to_owned()),
        },
    };
    let (status, body, _) = encoded(&request("GET", "/v2/queues", ""), Ok(Answer::Queues(page)));
    assert_eq!(status, 200);
    let href = "/v2/queues?limit=1&marker=q2&a%20b=%C3%BC%26%3D";
    assert_eq!(
        body,
        format!(r#"{{"queues":[{{"name":"q2","href":"/v2/queues/q2"}}],"links":[{{"rel":"next","href":"{href}"}}]}}"#)
    );
}

#[test]
fn messages_have_exactly_the_keys_that_clients_know() {
    let request = request("POST", "/v2/queues/q/claims", "q");
    let claimed = MessageView { claim: Some(ClaimId(7)), ..view(1) };
    let claim = ClaimView { id: ClaimId(7), ttl: 60, age: 0, messages: vec![claimed] };
    let (status, body, location) = encoded(&request, Ok(Answer::Claimed(Some(claim))));
    let (id, claim) = (id(1), ClaimId(7));
    assert_eq!(status, 201);
    assert_eq!(location, Some(format!("/v2/queues/q/claims/{claim}")));
    let href = format!("/v2/queues/q/messages/{id}?claim_id={claim}");
    assert_eq!(body, format!(r#"{{"messages":[{{"id":"{id}","href":"{href}","ttl":60,"age":1,"body":1.0}}]}}"#));
    let (_, body, _) = encoded(&request, Ok(Answer::Popped(vec![view(1)])));
    assert_eq!(
        body,
        format!(r#"{{"messages":[{{"id":"{id}","ttl":60,"age":1,"body":1.0,"claim_id":null,"claim_count":2}}]}}"#)
    );
    assert_eq!(encoded(&request, Ok(Answer::Claimed(None))), (204, String::new(), None));
}

#[test]
fn a_missing_queue_has_zero_messages() {
    let request = request("GET", "/v2/queues/q/stats", "q");
    assert_eq!(encoded(&request, Ok(Answer::Stats(None))).1, r#"{"messages":{"claimed":0,"free":0,"total":0}}"#);
    let spot = sukkal_plugin_sdk::Spot { place: Place(1), posted: Timestamp(1_767_225_600_000) };
    let stats = Stats { free: 1, oldest: Some(spot), now: Timestamp(1_767_225_602_000), ..Stats::default() };
    let (_, body, _) = encoded(&request, Ok(Answer::Stats(Some(QueueStats { queue: QueueId(1), stats }))));
    let oldest = format!(r#"{{"href":"/v2/queues/q/messages/{}","age":2,"created":"2026-01-01T00:00:00Z"}}"#, id(1));
    assert_eq!(body, format!(r#"{{"messages":{{"claimed":0,"free":1,"total":1,"oldest":{oldest}}}}}"#));
}

#[test]
fn errors_carry_title_description_and_their_headers() {
    let unknown = failure(&Error::new(ErrorKind::UnknownPath, ""));
    assert_eq!((unknown.status(), unknown.body()), (404, br#"{"title":"404 Not Found"}"#.as_slice()));
    assert_eq!(unknown.headers().get("vary"), Some("Accept"));
    let wrong = failure(&Error::new(ErrorKind::WrongMethod(&["GET", "OPTIONS"]), ""));
    assert_eq!((wrong.status(), wrong.headers().get("allow")), (405, Some("GET, OPTIONS")));
    let down = failure(&Error::new(ErrorKind::Unavailable, "the store does not answer"));
    let text = r#"{"title":"Service temporarily unavailable","description":"the store does not answer. Please try again in a few seconds."}"#;
    assert_eq!((down.status(), down.body()), (503, text.as_bytes()));
}
