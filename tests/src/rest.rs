//! A REST client that sends exactly what it is told to.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request};
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// The Client-ID that is sent unless a test says otherwise.
pub const CLIENT: &str = "3381af92-2b9e-11e3-b191-71861300734c";
/// The Client-ID of somebody else.
pub const OTHER: &str = "11111111-2b9e-11e3-b191-71861300734c";
/// The media type that PATCH of a queue wants.
pub const JSON_PATCH: &str = "application/openstack-messaging-v2.0-json-patch";

/// A client with its own connections, project and Client-ID.
#[derive(Clone, Debug)]
pub struct Client {
    http: Http<HttpConnector, Full<Bytes>>,
    base: String,
    project: String,
    id: String,
}

impl Client {
    /// A client of project `p1`.
    pub fn new(base: &str) -> Client {
        let http = Http::builder(TokioExecutor::new()).build_http();
        Client { http, base: base.to_owned(), project: "p1".into(), id: CLIENT.into() }
    }

    /// The same client in another project.
    pub fn of_project(&self, project: &str) -> Client {
        Client { project: project.to_owned(), ..self.clone() }
    }

    /// The same client under another Client-ID.
    pub fn with_id(&self, id: &str) -> Client {
        Client { id: id.to_owned(), ..self.clone() }
    }

    /// A request to be completed; the path may have a query.
    pub fn request(&self, method: &str, path: &str) -> Call<'_> {
        let mut headers = HeaderMap::new();
        headers.insert("client-id", value(&self.id));
        headers.insert("x-project-id", value(&self.project));
        let method = method.parse().expect("a method");
        Call { client: self, method, path: path.to_owned(), headers, body: None }
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.request("GET", path).send().await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Answer {
        self.request("DELETE", path).send().await
    }

    /// POST of a JSON document.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.request("POST", path).body(body.to_string()).send().await
    }

    /// PUT of a JSON document.
    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.request("PUT", path).body(body.to_string()).send().await
    }

    /// PATCH of a claim, or of a queue by a JSON patch.
    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.request("PATCH", path).header("content-type", JSON_PATCH).body(body.to_string()).send().await
    }
}

/// A request that is being made up.
#[derive(Debug)]
pub struct Call<'a> {
    client: &'a Client,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Option<Bytes>,
}

impl Call<'_> {
    /// Sets a header, in place of the client's own where there is one.
    pub fn header(mut self, name: &str, text: &str) -> Self {
        self.headers.insert(header(name), value(text));
        self
    }

    /// Sends a header once more.
    pub fn also(mut self, name: &str, text: &str) -> Self {
        self.headers.append(header(name), value(text));
        self
    }

    /// Leaves a header out.
    pub fn without(mut self, name: &str) -> Self {
        self.headers.remove(header(name));
        self
    }

    /// Sets the body; without one no Content-Length is sent.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sends it.
    ///
    /// # Panics
    /// When no answer comes.
    pub async fn send(self) -> Answer {
        let what = format!("{} {}", self.method, self.path);
        self.try_send().await.unwrap_or_else(|error| panic!("{what}: no answer: {error}"))
    }

    /// Sends it; the host may end meanwhile.
    ///
    /// # Errors
    /// No whole answer came: nobody knows whether the request was carried out.
    pub async fn try_send(self) -> Result<Answer, NoAnswer> {
        let mut request = Request::builder().method(self.method).uri(format!("{}{}", self.client.base, self.path));
        *request.headers_mut().expect("method and path are sound") = self.headers;
        if self.body.as_ref().is_some_and(Bytes::is_empty) {
            // What has no bytes would be sent as no body at all.
            request = request.header("content-length", "0");
        }
        let request = request.body(Full::new(self.body.unwrap_or_default())).expect("the request is sound");
        let answer = self.client.http.request(request).await.map_err(|error| NoAnswer(error.to_string()))?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_err(|error| NoAnswer(error.to_string()))?.to_bytes();
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
    }
}

/// The connection ended before the answer did.
#[derive(Debug)]
pub struct NoAnswer(String);

impl std::fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the host answered.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body's bytes; empty where there is none.
    pub body: Bytes,
}

impl Answer {
    /// The answer itself, if it has this status.
    ///
    /// # Panics
    /// When it has another.
    #[track_caller]
    pub fn expect(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A header's text; empty where it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

fn header(name: &str) -> HeaderName {
    name.parse().expect("a header's name")
}

fn value(text: &str) -> HeaderValue {
    text.parse().expect("a header's value")
}
