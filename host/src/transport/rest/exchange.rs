//! One request and its answer.

use std::convert::Infallible;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_util::Stream;
use sukkal_core::{Engine, Error, ErrorKind, Route};
use sukkal_plugin_sdk as sdk;
use sukkal_plugin_sdk::RequestId;
use warp::http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use warp::http::{Method, StatusCode};
use warp::reply::Response;
use warp::{Filter, Rejection};

use super::body::{self, Body};
use super::cors::{self, Cors};
use super::decode::{self, Head};
use super::{encode, route, unsound};
use crate::transport::{Unread, new_request_id, refusal, unread};

/// The REST API of an engine.
pub struct Rest {
    /// What answers.
    pub engine: Arc<Engine>,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// The origins whose pages may use the API, where there are any.
    pub cors: Option<Cors>,
    /// What all clients together have not read of long answers.
    pub unread: Arc<Unread>,
}

impl Rest {
    /// The API as a warp filter, which answers every request.
    pub fn filter(self: Arc<Self>) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone {
        // Cloning the headers copies a table; the values go on sharing the buffer they came in.
        warp::method()
            .and(warp::path::full())
            .and(query())
            .and(warp::header::headers_cloned())
            .and(warp::body::stream())
            .then(move |method, path, query, headers, body| {
                let rest = self.clone();
                async move { rest.serve(Head { method, path, query, headers }, body).await }
            })
    }

    /// Answers, and tells browsers which pages may have the answer.
    async fn serve<S, B, E>(&self, head: Head, body: S) -> Response
    where
        S: Stream<Item = Result<B, E>> + Send + 'static,
        B: Buf,
        E: Send,
    {
        let Some(cors) = &self.cors else { return self.answer(head, body).await };
        let allowed = cors.allowed(&head.headers);
        let is_preflight = cors::is_preflight(&head.method, &head.headers);
        if let (Some(allowed), true) = (&allowed, is_preflight) {
            let mut response = with_id(new_request_id(), Response::default());
            allowed.preflight(&head.headers, response.headers_mut());
            return response;
        }
        let mut response = self.answer(head, body).await;
        match allowed {
            Some(allowed) => allowed.answer(response.headers_mut()),
            // Of a refused preflight browsers are told nothing, and caches keep none.
            None if is_preflight => {}
            None => cors::vary(response.headers_mut()),
        }
        response
    }

    async fn answer<S, B, E>(&self, head: Head, body: S) -> Response
    where
        S: Stream<Item = Result<B, E>> + Send + 'static,
        B: Buf,
        E: Send,
    {
        let id = new_request_id();
        let snapshot = self.engine.snapshot();
        let resolved = route::resolve(head.method.as_str(), head.path.as_str(), snapshot.api.admin_mode);
        if head.method == Method::OPTIONS && resolved.route != Route::UnknownPath {
            return with_id(id, allowed(resolved.allow));
        }
        let max = snapshot.limits.max_body_of(resolved.action);
        let body = match self.body(max, &head, body).await {
            Ok(body) => body,
            Err(unread) => return with_id(id, closing(&unread)),
        };
        let (request, arrival) = decode::request(id, &head, resolved, body);
        let (response, delivery) = self.engine.handle(snapshot, request, arrival, encode::response).await;
        let mut response = http(match self.unread.is_too_much() && is_long_page(&head.method, &response) {
            true => encode::failure(&crowded()),
            false => response,
        });
        if delivery.matters() {
            // The connection says when it is.
            response.extensions_mut().insert(Arc::new(delivery));
        }
        with_id(id, response)
    }

    async fn body<S, B, E>(&self, max: u64, head: &Head, body: S) -> Result<Body, body::Unread>
    where
        S: Stream<Item = Result<B, E>> + Send + 'static,
        B: Buf,
        E: Send,
    {
        if !head.has_body() {
            return Ok(Body::None);
        }
        if head.asks_before_body() && head.announced() > max {
            return Ok(Body::TooLong);
        }
        body::read(body, head.announced(), max, self.body_timeout).await
    }
}

/// Whether this is a long answer that can be had again: only such a one is worth refusing.
fn is_long_page(method: &Method, response: &sdk::Response) -> bool {
    method == Method::GET && response.body().len() >= unread::STEP
}

/// The answer where memory is full of pages that their clients do not read.
fn crowded() -> Error {
    let mut error = Error::new(ErrorKind::Unavailable, "Too many clients are slow to read. Ask for fewer messages.");
    error.retry_after = Some(CROWDED);
    error
}

/// When to come again then: those who do not read on have been closed.
const CROWDED: Duration = Duration::from_secs(5);

fn query() -> impl Filter<Extract = (String,), Error = Infallible> + Copy {
    warp::query::raw().or(warp::any().map(String::new)).unify()
}

/// The answer to a request that panicked.
pub fn panicked() -> Response {
    let error = Error::new(ErrorKind::Internal, "Unexpected error.");
    with_id(new_request_id(), http(encode::failure(&error)))
}

/// The answer to a request that HTTP itself forbids; then the connection is closed.
pub fn unsound((status, title, why): unsound::Refusal) -> Response {
    let mut response = http(sdk::Response::json(status, refusal::body(title, why)));
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    with_id(new_request_id(), response)
}

/// `OPTIONS` asks for nothing and needs nothing (spec: REST §1.2).
fn allowed(allow: &'static str) -> Response {
    let mut response = Response::default();
    response.headers_mut().insert(warp::http::header::ALLOW, HeaderValue::from_static(allow));
    response
}

/// A body that did not arrive: nobody knows where the next request would begin.
fn closing(unread: &body::Unread) -> Response {
    tracing::debug!(?unread, "a body could not be read");
    let error = Error::body(match unread {
        body::Unread::Slow => "Request body could not be read in time.",
        body::Unread::Broken => "Request body could not be read.",
    });
    let mut response = http(encode::failure(&error));
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Headers that tell where an answer ends and what becomes of its connection (RFC 9110 §7.6.1): the HTTP layer's own, and
/// nobody else's.
const FRAMING: [HeaderName; 8] = [
    CONNECTION,
    CONTENT_LENGTH,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Headers of ours that an answer has once: a filter that adds one has the last word.
const SINGLE: [HeaderName; 3] = [CONTENT_TYPE, LOCATION, RETRY_AFTER];

/// A response as hyper sends it. What a filter made that HTTP does not allow is left out.
fn http(mut response: sdk::Response) -> Response {
    let mut http = Response::new(response.take_body().into());
    *http.status_mut() = StatusCode::from_u16(response.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in response.headers().iter() {
        if (name, value) == ("content-type", "application/json") {
            http.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        } else if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value.as_bytes()))
            && !FRAMING.contains(&name)
        {
            match SINGLE.contains(&name) {
                true => drop(http.headers_mut().insert(name, value)),
                false => drop(http.headers_mut().append(name, value)),
            }
        }
    }
    http
}

fn with_id(id: RequestId, mut response: Response) -> Response {
    static NAME: HeaderName = HeaderName::from_static("x-openstack-request-id");
    const LENGTH: usize = "req-00000000-0000-0000-0000-000000000000".len();
    let mut text = Vec::with_capacity(LENGTH);
    let written = write!(text, "req-{id}");
    if let (Ok(()), Ok(value)) = (written, HeaderValue::from_maybe_shared(Bytes::from(text))) {
        response.headers_mut().insert(NAME.clone(), value);
    }
    response
}
