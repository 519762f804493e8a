use serde_json::Value;
use sukkal_plugin_sdk::{Action, RequestId, Transport};

use super::*;

/// 2026-01-01T00:00:00, the clock of the vectors.
const NOW: Timestamp = Timestamp(1_767_225_600_000);

fn vectors(key: &str) -> Vec<Value> {
    let vectors = crate::json::object(include_str!("../../../tests/vectors/signatures.json").as_bytes());
    vectors.unwrap_or_default()[key].as_array().cloned().unwrap_or_default()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn signer(key: &str) -> UrlSigner {
    UrlSigner::new(key).unwrap()
}

#[test]
fn the_vectors_are_signed_as_the_original_signs_them() {
    let cases = vectors("cases");
    for case in &cases {
        let methods = case["methods"].as_array().map_or(vec!["GET".to_owned()], |_| texts(&case["methods"]));
        let expires = match case["expires_in"].as_str() {
            Some(text) => instant::parse(text).unwrap(),
            None => NOW.after(std::time::Duration::from_secs(86_400)),
        };
        let grant = Grant::new(texts(&case["paths"]), methods, case["project"].as_str().unwrap(), expires);
        let signed = signer(case["key"].as_str().unwrap()).sign(grant);
        let due = &case["result"];
        assert_eq!(signed.signature, text(&due["signature"]), "{}", case["name"]);
        assert_eq!(signed.grant.paths, texts(&due["paths"]));
        assert_eq!(signed.grant.methods, texts(&due["methods"]));
        assert_eq!(signed.grant.expires, text(&due["expires"]));
    }
    assert_eq!(cases.len(), 10);
}

fn presented(path: &str) -> Presented {
    let paths = vec!["/v2/queues/q/messages".to_owned()];
    let methods = vec!["GET".to_owned()];
    let expires = instant::parse("2050-01-01").unwrap();
    let SignedUrl { grant, signature } = signer("secret_key").sign(Grant::new(paths, methods, "p1", expires));
    let Grant { paths, methods, expires, .. } = grant;
    Presented { signature, paths, methods, expires, method: "GET".to_owned(), path: path.to_owned() }
}

#[test]
fn paths_are_compared_by_their_segments() {
    let allows = |path: &str| signer("secret_key").allows(&presented(path), "p1", NOW);
    assert!(allows("/v2/queues/q/messages") && allows("/v2/queues/q/messages/m"));
    for path in ["/v2/queues/q/messages2", "/v2/queues/q", "/v2/queues/Q/messages", "/v2/queues/q/claims/messages", ""]
    {
        assert!(!allows(path), "{path}");
    }
    for granted in ["", "/", "/v2", "messages", "v2/queues", "/v2/queues/q/messages/"] {
        assert!(!covers(granted, "/v2/queues/q/messages"), "{granted}");
    }
}

#[test]
fn a_signature_ends_at_its_instant() {
    let end = instant::parse("2050-01-01").unwrap();
    let allows = |now| signer("secret_key").allows(&presented("/v2/queues/q/messages"), "p1", now);
    assert!(allows(Timestamp(end.0 - 1)));
    assert!(!allows(end));
}

/// What was signed for one grant must not read as another: the separator is two letters that a
/// path or a method could have.
#[test]
fn the_parts_of_a_grant_cannot_be_shifted() {
    let expires = instant::parse("2050-01-01").unwrap();
    let methods = vec![",/v2/queues/z/messages\\nGET".to_owned()];
    let grant = Grant::new(vec!["/v2/queues/q/messages".to_owned()], methods, "p1", expires);
    let SignedUrl { signature, .. } = signer("k").sign(grant);
    let shifted = Presented {
        signature: signature.clone(),
        paths: vec!["/v2/queues/q/messages\\n".to_owned(), "/v2/queues/z/messages".to_owned()],
        methods: vec!["GET".to_owned()],
        expires: instant::utc(expires),
        method: "GET".to_owned(),
        path: "/v2/queues/z/messages".to_owned(),
    };
    let same = signer("k").sign(Grant::new(shifted.paths.clone(), shifted.methods.clone(), "p1", expires));
    assert_eq!(same.signature, signature, "the text that is signed is the same");
    assert!(!signer("k").allows(&shifted, "p1", NOW));
}

#[test]
fn what_a_client_says_of_its_identity_is_dropped() {
    let mut request = Request::new(RequestId(1), Action::MessageList, Transport::Rest);
    let claims = ["x-auth-token", "x-roles", "x-user-id", "x-tenant-id", "x-project-name", "x-domain-id"];
    for name in claims.into_iter().chain(["x-project-id", "client-id", "accept"]) {
        request.headers_mut().add(name, "x");
    }
    drop_identity(&mut request);
    let kept: Vec<&str> = request.headers().iter().map(|(name, _)| name).collect();
    assert_eq!(kept, ["x-project-id", "client-id", "accept"]);
}

#[test]
fn a_key_is_never_shown() {
    assert_eq!(format!("{:?}", signer("s3cret")), "UrlSigner");
    assert!(UrlSigner::new("").is_none());
}
