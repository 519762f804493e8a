//! The server, its address and who asks.

mod trouble;

use std::time::Duration;

use clap::Args;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Method, Url};
use serde::de::DeserializeOwned;

pub use trouble::Trouble;

use crate::tls_client;
use crate::token::TokenOptions;

/// How long a connection may take to be made.
const CONNECTING: Duration = Duration::from_secs(5);
/// How long a request may take; servers give up earlier.
const ASKING: Duration = Duration::from_secs(90);
/// How long a connection is kept for the next request: less than any server keeps it.
const KEEPING: Duration = Duration::from_secs(3);

/// Where the server is, and who asks.
#[derive(Args)]
pub struct ServerOptions {
    /// Where the server is.
    #[arg(long, env = "SUKKAL_URL", default_value = "http://127.0.0.1:8888", global = true, help_heading = "Server")]
    url: String,
    /// The project whose queues are meant.
    #[arg(long, env = "SUKKAL_PROJECT", global = true, help_heading = "Server")]
    project: Option<String>,
    /// The UUID under which messages are posted.
    #[arg(
        long,
        env = "SUKKAL_CLIENT_ID",
        value_name = "UUID",
        // The same for everybody: a store keeps something for each client that posts.
        default_value = "5ac1a1c1-0000-4000-8000-73756b6b616c",
        global = true,
        help_heading = "Server"
    )]
    client_id: String,
    #[command(flatten)]
    token: TokenOptions,
}

/// A server of this API, asked on behalf of a project.
pub struct Server {
    http: Client,
    url: Url,
    project: String,
}

/// An answer that is no refusal.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The last part of the header `Location`, without its query.
    pub location: Option<String>,
    body: Vec<u8>,
    asked: String,
}

impl Server {
    /// Makes ready to ask; nothing is sent.
    ///
    /// # Errors
    /// What the options lack, in a line.
    pub fn new(options: &ServerOptions) -> Result<Server, String> {
        let url = address(&options.url)?;
        let project = options.project.clone().filter(|project| !project.is_empty());
        let project = project.ok_or("which project? Name it with --project, or set SUKKAL_PROJECT")?;
        let mut headers = HeaderMap::new();
        headers.insert("x-project-id", header("the project", &project)?);
        headers.insert("client-id", header("the client's id", &options.client_id)?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(token) = options.token.read()? {
            let mut token = header("the token", &token)?;
            token.set_sensitive(true);
            headers.insert("x-auth-token", token);
        }
        if url.scheme() == "https" {
            tls_client::check_trusted()?;
        }
        // Without one the first https connection would panic; a second one is refused, and not needed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut http = Client::builder()
            .user_agent(concat!("sukkal/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECTING)
            .timeout(ASKING)
            .pool_idle_timeout(KEEPING);
        if is_local(&url) {
            // No proxy knows this machine by these names.
            http = http.no_proxy();
        }
        let http = http.build().map_err(|error| format!("no connection can be prepared: {}", trouble::root(&error)))?;
        Ok(Server { http, url, project })
    }

    /// The project that is asked for.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// Asks for a path below `/v2`, and returns what is no refusal.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub async fn ask(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<String>,
    ) -> Result<Answer, Trouble> {
        let answer = self.try_ask(method, path, query, body).await?;
        answer.accepted()
    }

    /// The same, a refusal too.
    async fn try_ask(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<String>,
    ) -> Result<Raw, Trouble> {
        if let Some(name) = path.iter().find(|name| matches!(**name, "." | "..")) {
            return Err(Trouble::Input(format!("`{name}` has another meaning in a URL; give another name")));
        }
        let url = self.of(path, query);
        let asked = format!("{method} {}", url.path());
        let mut request = self.http.request(method, url);
        if let Some(body) = body {
            request = request.body(body);
        }
        let lost = |error: reqwest::Error| Trouble::lost(&self.shown(), &asked, &error);
        let answer = request.send().await.map_err(lost)?;
        let status = answer.status().as_u16();
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (location, request_id) = (header("location"), header("x-openstack-request-id"));
        let body = answer.bytes().await.map_err(lost)?.to_vec();
        let location = location.map(|path| last(&path).to_owned());
        Ok(Raw { answer: Answer { status, location, body, asked }, request_id, server: self.shown() })
    }

    /// Whether a queue exists; `None`: this server does not tell.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub async fn has_queue(&self, queue: &str) -> Result<Option<bool>, Trouble> {
        let raw = self.try_ask(Method::HEAD, &["queues", queue], &[], None).await?;
        match raw.answer.status {
            404 if raw.request_id.is_some() => Ok(Some(false)),
            // The original knows no HEAD of queues; and what is wrong with a name, or with a server that is none of this
            // API, is told to those who read an answer.
            404 | 405 | 400 => Ok(None),
            _ => raw.accepted().map(|_| Some(true)),
        }
    }

    fn of(&self, path: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v2").extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// The address without a password.
    fn shown(&self) -> String {
        let mut url = self.url.clone();
        // Both work for addresses that have a host.
        let _ = url.set_password(None);
        let _ = url.set_username("");
        url.as_str().trim_end_matches('/').to_owned()
    }
}

struct Raw {
    answer: Answer,
    request_id: Option<String>,
    server: String,
}

impl Raw {
    fn accepted(self) -> Result<Answer, Trouble> {
        let Raw { answer, request_id, server } = self;
        if (200..300).contains(&answer.status) {
            return Ok(answer);
        }
        Err(Trouble::refused(&server, &answer.asked, answer.status, &answer.body, request_id))
    }
}

impl Answer {
    /// The body as a document.
    ///
    /// # Errors
    /// It is none: whoever answered is no server of this API.
    pub fn document<T: DeserializeOwned>(&self) -> Result<T, Trouble> {
        serde_json::from_slice(&self.body).map_err(|error| Trouble::foreign(&self.asked, &error))
    }
}

/// The last part of a path.
pub fn last(path: &str) -> &str {
    let path = path.split('?').next().unwrap_or(path);
    path.rsplit('/').next().unwrap_or(path)
}

fn address(text: &str) -> Result<Url, String> {
    let wrong = |why: &str| format!("`{text}` is no address of a server: {why}; write it like http://127.0.0.1:8888");
    let mut url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() {
        return Err(wrong("it must begin with http:// or https://"));
    }
    url.set_query(None);
    url.set_fragment(None);
    // The version is added again.
    let path = url.path().trim_end_matches('/').trim_end_matches("/v2").to_owned();
    url.set_path(&path);
    Ok(url)
}

fn is_local(url: &Url) -> bool {
    match url.host_str().map(|host| host.trim_matches(['[', ']'])) {
        Some("localhost") => true,
        Some(host) => host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback()),
        None => false,
    }
}

fn header(what: &str, text: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_str(text).map_err(|_| format!("{what} holds what no header can: it must be visible ASCII"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_may_have_a_path_and_a_version() {
        for (typed, url) in [
            ("http://127.0.0.1:8888", "http://127.0.0.1:8888/"),
            ("http://h/v2/", "http://h/"),
            ("https://h/messaging/", "https://h/messaging"),
        ] {
            assert_eq!(address(typed).unwrap().as_str(), url);
        }
        for typed in ["", "127.0.0.1:8888", "localhost:8888", "ftp://h", "http://"] {
            assert!(address(typed).is_err_and(|told| told.contains("http://127.0.0.1:8888")), "{typed}");
        }
    }
}
