//! A page as HTTP.

use serde_json::Value;
use warp::http::StatusCode;
use warp::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, LINK};
use warp::reply::Response;

/// A page.
pub struct Page {
    status: StatusCode,
    kind: &'static str,
    body: String,
    next: Option<String>,
}

impl Page {
    /// A plain text.
    pub fn text(status: StatusCode, body: String) -> Self {
        Page { status, kind: "text/plain; charset=utf-8", body, next: None }
    }

    /// A JSON document.
    pub fn json(status: StatusCode, document: &Value) -> Self {
        Page { status, kind: "application/json", body: format!("{document:#}\n"), next: None }
    }

    /// Metrics, in Prometheus' text format.
    pub fn metrics(body: String) -> Self {
        Page { status: StatusCode::OK, kind: prometheus::TEXT_FORMAT, body, next: None }
    }

    /// What is not there before the host has started.
    pub fn starting() -> Self {
        Page::text(StatusCode::SERVICE_UNAVAILABLE, "the host is starting\n".to_owned())
    }

    /// With the path of the page that comes after it.
    pub fn followed_by(self, next: Option<String>) -> Self {
        Page { next, ..self }
    }

    /// As it is sent. Nothing in between may keep it.
    pub fn response(self) -> Response {
        let mut response = Response::new(self.body.into());
        *response.status_mut() = self.status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(self.kind));
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let link = self.next.and_then(|path| HeaderValue::try_from(format!("<{path}>; rel=\"next\"")).ok());
        if let Some(link) = link {
            response.headers_mut().insert(LINK, link);
        }
        response
    }
}
