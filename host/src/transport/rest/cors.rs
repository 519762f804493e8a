//! Use by pages of other origins (spec: auth and policy, CORS).

use warp::http::Method;
use warp::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderValue, ORIGIN, VARY,
};

use crate::transport::Origins;

const METHODS: &[&str] = &["GET", "PUT", "POST", "DELETE", "PATCH", "HEAD"];
/// Allowed beside those that browsers always send, in lower case.
const HEADERS: &[&str] = &[
    "x-auth-token",
    "x-identity-status",
    "x-roles",
    "x-service-catalog",
    "x-user-id",
    "x-tenant-id",
    "x-openstack-request-id",
    "x-trace-info",
    "x-trace-hmac",
    "client-id",
    "x-project-id",
    "url-signature",
    "url-expires",
    "url-methods",
    "url-paths",
    "idempotency-key",
    "accept",
    "accept-language",
    "content-type",
    "cache-control",
    "content-language",
    "expires",
    "last-modified",
    "pragma",
];
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "X-Auth-Token, X-Subject-Token, X-Service-Token, X-OpenStack-Request-ID, Location, Retry-After",
);
const MAX_AGE: HeaderValue = HeaderValue::from_static("3600");
const ANY: HeaderValue = HeaderValue::from_static("*");

/// The origins whose pages may use the API.
#[derive(Clone, Debug)]
pub struct Cors {
    origins: Origins,
}

/// What an allowed origin is told of itself: `*` where all are allowed.
pub struct Allowed(HeaderValue);

impl Cors {
    /// For these. None: nothing is added to any answer.
    pub fn new(origins: Origins) -> Option<Cors> {
        (!origins.is_empty()).then_some(Cors { origins })
    }

    /// Whether the page that sends a request may use the API.
    pub fn allowed(&self, headers: &HeaderMap) -> Option<Allowed> {
        let origin = headers.get(ORIGIN)?;
        if self.origins.are_all() {
            return Some(Allowed(ANY));
        }
        self.origins.allow(origin).then(|| Allowed(origin.clone()))
    }
}

/// Tells caches that answers differ by the page that asks, also where none did: what they keep of one must not be
/// handed to another (Fetch, "CORS protocol and HTTP caches").
pub fn vary(answer: &mut HeaderMap) {
    answer.append(VARY, HeaderValue::from_static("Origin"));
}

/// Whether a browser asks what it may send.
pub fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS && headers.contains_key(ORIGIN) && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

impl Allowed {
    /// Adds to the answer of a preflight what the page may send: what was asked, or nothing at all.
    pub fn preflight(&self, asked: &HeaderMap, answer: &mut HeaderMap) {
        let Some(method) = asked.get(ACCESS_CONTROL_REQUEST_METHOD) else { return };
        let headers = asked.get(ACCESS_CONTROL_REQUEST_HEADERS);
        let is_method = |method: &HeaderValue| METHODS.iter().any(|known| known.as_bytes() == method.as_bytes());
        if !is_method(method) || !headers.is_none_or(are_headers) {
            return;
        }
        self.to(answer);
        answer.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, method.clone());
        if let Some(headers) = headers {
            answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, headers.clone());
        }
    }

    /// Adds to any other answer that the page may read it.
    pub fn answer(&self, answer: &mut HeaderMap) {
        self.to(answer);
        answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }

    fn to(&self, answer: &mut HeaderMap) {
        // Browsers take credentials for one origin only, never for all.
        if self.0 != ANY {
            answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, self.0.clone());
        vary(answer);
    }
}

fn are_headers(list: &HeaderValue) -> bool {
    let Ok(list) = list.to_str() else { return false };
    let mut names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
    names.all(|name| HEADERS.iter().any(|known| known.eq_ignore_ascii_case(name)))
}
