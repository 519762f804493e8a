//! The server that is measured.

use std::net::SocketAddr;

use warp::http::Uri;
use warp::http::uri::Scheme;

use super::{Failure, Options};

/// The server: where it is, and what every request to it carries.
#[derive(Debug)]
pub struct Target {
    /// Its address.
    pub address: SocketAddr,
    /// What comes before `/v2` in its paths.
    pub base: String,
    /// The headers of every request, each line with its end.
    pub headers: String,
}

impl Target {
    /// Finds the server of the options, and connects to nothing yet.
    pub async fn new(options: &Options) -> Result<Target, Failure> {
        let wrong =
            |why: &str| Failure::new(format!("--url {}: {why}; give one like http://127.0.0.1:8888", options.url));
        let uri: Uri = options.url.parse().map_err(|_| wrong("is no URL"))?;
        let authority = uri.authority().ok_or_else(|| wrong("names no host"))?;
        if uri.scheme() != Some(&Scheme::HTTP) {
            return Err(wrong("only http is measured, without TLS"));
        }
        let port = authority.port_u16().unwrap_or(80);
        // An IPv6 address stands in brackets.
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let mut found = tokio::net::lookup_host((host, port))
            .await
            .map_err(|error| wrong(&format!("the host cannot be found ({error})")))?;
        let address = found.next().ok_or_else(|| wrong("the host has no address"))?;
        let base = uri.path().trim_end_matches('/').trim_end_matches("/v2").to_owned();
        Ok(Target { address, base, headers: headers(options, authority.as_str())? })
    }
}

fn headers(options: &Options, authority: &str) -> Result<String, Failure> {
    let client = options.client_id.clone().unwrap_or_else(|| uuid(rand::random()));
    let project = &options.project;
    let mut lines = format!("Host: {authority}\r\nClient-ID: {client}\r\nX-Project-ID: {project}\r\n");
    for header in &options.headers {
        let sound = header.split_once(':').is_some_and(|(name, value)| !name.is_empty() && !value.is_empty());
        if !sound || header.contains(['\r', '\n']) {
            return Err(Failure::new(format!("--header {header}: give a name and a value, as 'X-Auth-Token: …'")));
        }
        lines.push_str(header);
        lines.push_str("\r\n");
    }
    Ok(lines)
}

/// A client id as the API wants it: a UUID.
fn uuid(bits: u128) -> String {
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
