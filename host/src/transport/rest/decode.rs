//! What hyper read → a [`Request`]. Nothing is refused here: core answers each at its step.

use std::borrow::Cow;

use bytes::Bytes;
use sukkal_core::{Arrival, Presented};
use sukkal_plugin_sdk::{Action, Params, Request, RequestId, Transport};
use warp::http::HeaderMap;
use warp::http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HeaderValue, TRANSFER_ENCODING};

use super::body::Body;
use super::route::Resolved;
use crate::percent;
use crate::transport::doubled;

/// Who sends it, with whatever value, presents a signed URL.
const SIGNATURE: &str = "url-signature";

/// The head of a request as it was read.
pub struct Head {
    /// `GET` and the like.
    pub method: warp::http::Method,
    /// The path as it was sent.
    pub path: warp::path::FullPath,
    /// What follows the question mark.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
}

impl Head {
    /// How many bytes of body the client says it will send; 0 where it does not say.
    pub fn announced(&self) -> u64 {
        let length = self.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        length.and_then(|length| length.parse().ok()).unwrap_or(0)
    }

    /// Whether the client sends the body only when it is told to go on.
    pub fn asks_before_body(&self) -> bool {
        self.headers.get(EXPECT).is_some_and(|expects| expects.as_bytes().eq_ignore_ascii_case(b"100-continue"))
    }

    /// Whether a body was sent, be it empty (spec: REST §1.6; chunked bodies are bodies too).
    pub fn has_body(&self) -> bool {
        self.headers.contains_key(CONTENT_LENGTH) || self.headers.contains_key(TRANSFER_ENCODING)
    }
}

/// The request and what was found about it.
pub fn request(id: RequestId, head: &Head, resolved: Resolved, body: Body) -> (Request, Arrival) {
    let mut arrival = Arrival {
        route: resolved.route,
        form_body: body != Body::None && is_form(&head.headers),
        body_too_long: body == Body::TooLong,
        not_acceptable: !accepts_json(&head.headers),
        signed: head.headers.contains_key(SIGNATURE).then(|| Box::new(presented(head))),
        ..Arrival::default()
    };
    let params = params(&head.query);
    let action = match resolved.action {
        // The wire has two names for what REST has one path for.
        Action::MessageList if params.get_all("ids").any(|ids| ids.bytes().any(|byte| byte != b',')) => {
            Action::MessageGetMany
        }
        action => action,
    };
    let mut request = Request::new(id, action, Transport::Rest);
    request.set_route(head.method.as_str(), head.path.as_str());
    request.set_target(resolved.target);
    *request.params_mut() = params;
    let bytes = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    request.headers_mut().reserve(head.headers.len(), bytes);
    for (name, value) in &head.headers {
        request.headers_mut().add(name.as_str(), &text(value));
    }
    if head.headers.keys_len() < head.headers.len() {
        arrival.refused = doubled::refusal(request.headers());
    }
    match body {
        Body::None => {}
        Body::Whole(body) => request.set_body(body),
        Body::TooLong => request.set_body(Bytes::new()),
    }
    (request, arrival)
}

/// A header's value. What is no UTF-8 is Latin-1, in which some clients write their headers: so nothing of it is lost.
fn text(value: &HeaderValue) -> Cow<'_, str> {
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(value.as_bytes().iter().copied().map(char::from).collect()),
    }
}

/// A signed URL as it is presented (spec: auth and policy). A header that is there twice could be
/// taken in two ways: it counts as empty, which never holds.
fn presented(head: &Head) -> Presented {
    let single = |name: &str| {
        let mut values = head.headers.get_all(name).iter();
        let first = values.next().map(text).unwrap_or_default();
        if values.next().is_some() { String::new() } else { first.into_owned() }
    };
    let list = |name: &str| single(name).split(',').map(str::to_owned).collect();
    Presented {
        signature: single(SIGNATURE),
        paths: list("url-paths"),
        methods: list("url-methods"),
        expires: single("url-expires"),
        method: head.method.as_str().to_owned(),
        path: head.path.as_str().to_owned(),
    }
}

/// The parameters of a query, in their order.
pub fn params(query: &str) -> Params {
    let mut params = Params::new();
    if !query.is_empty() {
        params.reserve(1 + query.bytes().filter(|byte| *byte == b'&').count(), query.len());
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        params.add(&percent::decode(name, true), &percent::decode(value, true));
    }
    params
}

/// Exactly a form, in any case and without parameters (spec: REST §1.6).
fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(|value| value.as_bytes().trim_ascii());
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case(b"application/x-www-form-urlencoded"))
}

/// Whether the client takes JSON (spec: REST §1.7): of the ranges that cover it the nearest decides.
fn accepts_json(headers: &HeaderMap) -> bool {
    let mut best: Option<(u8, bool)> = None;
    let mut any = false;
    for value in headers.get_all(ACCEPT) {
        let value = text(value);
        for range in value.split(',').map(str::trim).filter(|range| !range.is_empty()) {
            any = true;
            let mut parts = range.split(';').map(str::trim);
            let nearness = match parts.next().unwrap_or("") {
                kind if kind.eq_ignore_ascii_case("application/json") => 3,
                kind if kind.eq_ignore_ascii_case("application/*") => 2,
                "*/*" | "*" => 1,
                _ => continue,
            };
            let wanted = !parts.any(is_zero_quality);
            best = best.max(Some((nearness, wanted)));
        }
    }
    best.map_or(!any, |(_, wanted)| wanted)
}

fn is_zero_quality(parameter: &str) -> bool {
    let quality = parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q="));
    quality.is_some_and(|quality| quality.trim().parse::<f32>().is_ok_and(|quality| quality == 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_keep_their_order_and_repetitions() {
        let params = params("limit=3&limit=4&detailed&&a=b=c");
        let all: Vec<_> = params.iter().collect();
        assert_eq!(all, [("limit", "3"), ("limit", "4"), ("detailed", ""), ("a", "b=c")]);
    }

    #[test]
    fn accept_is_read_by_the_nearest_range() {
        let accepts = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(value));
            accepts_json(&headers)
        };
        assert!(accepts_json(&HeaderMap::new()));
        for value in ["*/*", "application/*", "text/html;q=0.3, application/*", "application/json; charset=utf-8", ""] {
            assert!(accepts(value), "{value}");
        }
        for value in ["text/html", "application/xml", "application/json;q=0, */*", "*/*;q=0.0"] {
            assert!(!accepts(value), "{value}");
        }
    }
}
