//! The server that is measured.

use clap::ValueEnum;
use warp::http::Uri;

use super::server::Server;
use super::work::Work;
use super::{Failure, Options};

/// The header of a token.
const TOKEN: &str = "X-Auth-Token";

/// How a token is given.
pub const TOKEN_MEND: &str = "set SUKKAL_TOKEN, or name a file that holds a token with --token-file";

/// How operations travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Transport {
    /// HTTP/1.1, one request outstanding on each connection.
    Rest,
    /// The websocket.
    Ws,
}

/// How requests and answers are written on the websocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// JSON, in text frames.
    Json,
    /// MessagePack, in binary frames.
    Msgpack,
}

/// The server: where it is, and what every request to it carries.
#[derive(Debug)]
pub struct Target {
    /// As its operator calls it.
    pub url: String,
    /// How it is asked.
    pub transport: Transport,
    /// Where it is.
    pub server: Server,
    /// What its address was given as: `localhost:8888`.
    pub authority: String,
    /// What comes before `/v2` in its paths.
    pub base: String,
    /// The headers of every request.
    pub headers: Vec<(String, String)>,
}

impl Transport {
    /// As the command line calls it.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Rest => "rest",
            Transport::Ws => "ws",
        }
    }
}

impl Form {
    /// As the command line calls it.
    pub fn name(self) -> &'static str {
        match self {
            Form::Json => "json",
            Form::Msgpack => "msgpack",
        }
    }
}

impl Target {
    /// Finds the server of the options, and connects to nothing yet.
    pub async fn new(options: &Options) -> Result<Target, Failure> {
        let url = options.url.clone().unwrap_or_else(|| default_url(options).to_owned());
        let mend = "give one like http://127.0.0.1:8888 with --url or in SUKKAL_URL";
        let told = |why: &str| format!("{url}: {why}; {mend}");
        let wrong = |why: &str| Failure::usage(told(why));
        let uri: Uri = url.parse().map_err(|_| wrong("is no URL"))?;
        let authority = uri.authority().ok_or_else(|| wrong("names no host"))?;
        if authority.as_str().contains('@') {
            return Err(Failure::usage(format!(
                "the URL holds a user or a password, which others can read; {TOKEN_MEND}"
            )));
        }
        let (transport, over_tls) = match uri.scheme_str().map(str::to_ascii_lowercase).as_deref() {
            Some("http") => (Transport::Rest, false),
            Some("https") => (Transport::Rest, true),
            Some("ws") => (Transport::Ws, false),
            Some("wss") => (Transport::Ws, true),
            _ => return Err(wrong("only http, https, ws and wss are measured")),
        };
        fits(options, transport)?;
        let port = authority.port_u16().unwrap_or(if over_tls { 443 } else { 80 });
        // An IPv6 address stands in brackets.
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let found = tokio::net::lookup_host((host, port))
            .await
            .map_err(|error| Failure::new(told(&format!("the host cannot be found ({error})"))))?;
        let addresses = found.collect();
        let server = match over_tls {
            // What is wrong here says its own mend: the URL is right.
            true => Server::over_tls(addresses, host).map_err(|why| Failure::usage(format!("{url}: {why}")))?,
            false => Server::plain(addresses),
        };
        let base = uri.path().trim_end_matches('/').trim_end_matches("/v2").to_owned();
        let (authority, headers) = (authority.to_string(), headers(options)?);
        Ok(Target { url, transport, server, authority, base, headers })
    }

    /// The server at which messages are received, where it is another one.
    pub async fn receiver(options: &Options) -> Result<Option<Target>, Failure> {
        let Some(url) = &options.receive_at else { return Ok(None) };
        if !options.work.receives() {
            return Err(Failure::usage("--receive-at: only latency, wait and wait-anew receive; leave it out"));
        }
        Target::new(&Options { url: Some(url.clone()), ..options.clone() }).await.map(Some)
    }
}

fn default_url(options: &Options) -> &'static str {
    match options.transport {
        Some(Transport::Ws) => "ws://127.0.0.1:9000",
        Some(Transport::Rest) | None => "http://127.0.0.1:8888",
    }
}

/// Whether the options mean something over this transport, for their work.
fn fits(options: &Options, transport: Transport) -> Result<(), Failure> {
    let is_rest = transport == Transport::Rest;
    let mistake = match (options.transport, options.work) {
        (Some(Transport::Ws), _) if is_rest => {
            "--transport ws: the URL is not a websocket's; give one like ws://…:9000"
        }
        (Some(Transport::Rest), _) if !is_rest => {
            "--transport rest: the URL is a websocket's; give one like http://…:8888"
        }
        _ if is_rest && options.in_flight > 1 => {
            "--in-flight: HTTP has one request outstanding a connection; give --url ws://…"
        }
        _ if is_rest && options.format != Form::Json => {
            "--format: only websockets have another than JSON; give --url ws://…"
        }
        (_, work) if work.receives() && options.in_flight > 1 => {
            "--in-flight: answers keep their order, and would wait for each other's messages; give more --connections"
        }
        (_, work) if work.receives() && options.fill.is_some() => {
            "--fill: what is there before is received in place of what is posted; leave it out"
        }
        (_, work) if work.receives() && options.batch > options.limit => {
            "--batch: what one claim leaves of a post the next receives in place of another; give a --limit as high"
        }
        (_, Work::Wait | Work::WaitAnew) if options.rate.is_some() => {
            "--rate: what waits is not due at any time; leave it out"
        }
        _ => return Ok(()),
    };
    Err(Failure::usage(mistake))
}

fn headers(options: &Options) -> Result<Vec<(String, String)>, Failure> {
    let client = options.client_id.clone().unwrap_or_else(|| uuid(rand::random()));
    let own = [("Client-ID", client), ("X-Project-ID", options.project.clone())];
    let mut headers: Vec<_> = own.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    if let Some(token) = options.token.read().map_err(Failure::usage)? {
        if token.contains(|letter: char| letter.is_control()) {
            return Err(Failure::usage("the token holds what no header can: it must be visible ASCII, on one line"));
        }
        headers.push((TOKEN.to_owned(), token));
    }
    for header in &options.headers {
        headers.push(pair(header)?);
    }
    Ok(headers)
}

/// The name and the value of a header as it is typed.
fn pair(header: &str) -> Result<(String, String), Failure> {
    let is_whole = |part: &str| !part.is_empty() && !part.contains(['\r', '\n']);
    let pair = header.split_once(':').map(|(name, value)| (name.trim(), value.trim()));
    let Some((name, value)) = pair.filter(|(name, value)| is_whole(name) && is_whole(value)) else {
        return Err(Failure::usage(format!("--header {header}: give a name and a value, as 'X-Trace: on'")));
    };
    if name.eq_ignore_ascii_case(TOKEN) {
        let why = "others can read a token on the command line";
        return Err(Failure::usage(format!("--header {name}: {why}; {TOKEN_MEND}")));
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// A client id as the API wants it: a UUID.
fn uuid(bits: u128) -> String {
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
