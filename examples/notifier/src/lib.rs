//! A notifier to start from: it hands each delivery to a TCP server as one line of JSON, and waits
//! for the server's word on it.
//!
//! A subscriber is `example://host:port`. The server answers a line with a line: `ok`; `gone`, if
//! nobody wants to hear of this subscription any more; or why it cannot take the delivery now.
#![forbid(unsafe_code)]

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

use sukkal_plugin_sdk::tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use sukkal_plugin_sdk::tokio::net::{TcpStream, lookup_host};
use sukkal_plugin_sdk::tokio::time::timeout;
use sukkal_plugin_sdk::{
    Call, Delivery, Deserialize, Error, ErrorKind, Host, JsonSchema, Notifier, Open, Outcome,
    Result, Subscriber,
};

sukkal_plugin_sdk::export_plugin! {
    settings: Settings,
    notifiers: { "example" => ExampleNotifier::open },
}

/// Settings of the notifier.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(crate = "sukkal_plugin_sdk::serde", deny_unknown_fields, default)]
#[schemars(crate = "sukkal_plugin_sdk::schemars")]
pub struct Settings {
    /// How long one attempt may take, in seconds: 1 to 60.
    pub timeout: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { timeout: 10 }
    }
}

/// The longest answer that is read, in bytes: what a server sends must not fill the host's memory.
const LONGEST_ANSWER: u64 = 256;

/// Delivers over TCP.
pub struct ExampleNotifier {
    host: Host,
    timeout: Duration,
}

impl ExampleNotifier {
    /// Called once, when the host starts.
    ///
    /// # Errors
    /// A time-out out of range.
    pub async fn open(open: Open<Settings>) -> Result<Self> {
        match open.settings.timeout {
            seconds @ 1..=60 => Ok(ExampleNotifier {
                host: open.host,
                timeout: Duration::from_secs(seconds),
            }),
            other => Err(Error::invalid(format!(
                "timeout must be 1 to 60, not {other}"
            ))),
        }
    }

    async fn attempt(&self, delivery: &Delivery) -> Result<Outcome> {
        let mut server = self.connect(server(&delivery.subscriber.uri)?).await?;
        let answer = ask(&mut server, &delivery.payload).await.map_err(broken)?;
        Ok(match answer.trim() {
            "ok" => Outcome::Delivered,
            "gone" => Outcome::Gone {
                reason: "the server says that it is gone".to_owned(),
            },
            "" => Outcome::Failed {
                reason: "the server said nothing".to_owned(),
                retry_after: None,
            },
            reason => Outcome::Failed {
                reason: format!("the server says {reason:?}"),
                retry_after: None,
            },
        })
    }

    /// Connects with a server that a client of the service has named. Where that name leads is asked
    /// here and now: it may lead elsewhere than when the subscription was made.
    async fn connect(&self, server: &str) -> Result<TcpStream> {
        let found = lookup_host(server).await.map_err(broken)?;
        let allowed: Vec<SocketAddr> = found
            .filter(|address| self.host.address_allowed(address.ip()))
            .collect();
        if allowed.is_empty() {
            return Err(Error::new(
                ErrorKind::Forbidden,
                "the subscriber has no address that the operator allows",
            ));
        }
        TcpStream::connect(&*allowed).await.map_err(broken)
    }
}

impl Notifier for ExampleNotifier {
    async fn check(&self, _call: &Call, subscriber: Subscriber) -> Result<Subscriber> {
        server(&subscriber.uri)?;
        Ok(subscriber)
    }

    async fn deliver(&self, call: &Call, delivery: Delivery) -> Result<Outcome> {
        let patience = self.timeout.min(call.remaining(self.host.now()));
        match timeout(patience, self.attempt(&delivery)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::new(
                ErrorKind::TimedOut,
                "the subscriber did not answer in time",
            )),
        }
    }
}

/// The `host:port` of a subscriber's URI.
fn server(uri: &str) -> Result<&str> {
    let server = uri.split_once("://").map_or("", |(_, server)| server);
    let port = server
        .rsplit_once(':')
        .and_then(|(host, port)| Some(port).filter(|_| !host.is_empty()));
    match port.is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0)) {
        true => Ok(server),
        false => Err(Error::invalid(
            "the subscriber must be a scheme, host and port, as in example://host:7000",
        )),
    }
}

/// Sends a payload as one line, and reads one line.
async fn ask(server: &mut TcpStream, payload: &[u8]) -> std::io::Result<String> {
    // Outside of texts, where a line break is written `\n`, JSON takes a blank for a line break.
    let mut line: Vec<u8> = payload
        .iter()
        .map(|byte| {
            if matches!(byte, b'\n' | b'\r') {
                b' '
            } else {
                *byte
            }
        })
        .collect();
    line.push(b'\n');
    server.write_all(&line).await?;
    let mut answer = String::new();
    BufReader::new(server)
        .take(LONGEST_ANSWER)
        .read_line(&mut answer)
        .await?;
    Ok(answer)
}

/// The system's text is for the log: it may hold addresses, which are nobody's business.
fn broken(error: std::io::Error) -> Error {
    Error::unavailable("the subscriber cannot be reached").detail(error)
}
