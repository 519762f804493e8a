//! Why a server did not do what it was asked for, and what to do about it.

use std::error::Error;
use std::fmt;

use serde::Deserialize;

use crate::output::Unprinted;
use crate::terminal::plain;
use crate::tls_client;

/// What went wrong.
#[derive(Debug)]
pub enum Trouble {
    /// No connection: nothing was done.
    NoServer(String),
    /// A connection, but no whole answer, or one that leaves it open: nobody knows whether it was done.
    NoAnswer(String),
    /// The server refused.
    Refused(String),
    /// Whoever answered is no server of this API.
    Foreign(String),
    /// There is nothing of what was asked for.
    Nothing(String),
    /// What is to be posted, or asked for, is nothing that can be.
    Input(String),
    /// It went wrong on this side.
    Local(String),
    /// Nobody reads what is printed.
    Unread(String),
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    title: String,
    description: String,
}

impl Trouble {
    /// From an error of the connection.
    pub(super) fn lost(server: &str, asked: &str, error: &reqwest::Error) -> Trouble {
        let reason = root(error);
        if error.is_connect() {
            return Trouble::NoServer(match tls_client::of(error) {
                Some(error) => {
                    let (fault, mend) = tls_client::explain(error);
                    format!("the server at {server} {fault}; {mend}")
                }
                None => {
                    let mend = "start one with `sukkal serve`, or name another with --url or SUKKAL_URL";
                    format!("no server answers at {server}: {reason}; {mend}")
                }
            });
        }
        let reason = if error.is_timeout() { "it took too long".to_owned() } else { reason };
        Trouble::NoAnswer(format!("{asked}: no whole answer came from {server}: {reason}"))
    }

    /// From an answer that is a refusal.
    pub(super) fn refused(server: &str, asked: &str, status: u16, body: &[u8], request_id: Option<String>) -> Trouble {
        let refusal: Option<Refusal> = serde_json::from_slice(body).ok();
        if refusal.is_none() && request_id.is_none() && matches!(status, 502..=504) {
            return Trouble::NoAnswer(format!(
                "{asked}: {server} answered {status} without a reason, as a load balancer does that finds no host ready; try \
                 again later"
            ));
        }
        if refusal.is_none() && request_id.is_none() {
            return Trouble::Foreign(format!(
                "{asked}: {server} answered {status} without a reason; is it a server of this API? --url and \
                 SUKKAL_URL name it"
            ));
        }
        let Refusal { title, description } = refusal.unwrap_or_default();
        let told: Vec<_> =
            [&title, &description].map(|part| plain(part)).into_iter().filter(|part| !part.is_empty()).collect();
        let mut text = format!("{} ({status})", if told.is_empty() { asked.to_owned() } else { told.join(": ") });
        if let Some(mend) = mend(status) {
            text.push_str(&format!("; {mend}"));
        }
        if status >= 500
            && let Some(id) = request_id
        {
            text.push_str(&format!("; the server's log knows it as {}", plain(&id)));
        }
        // From 503 nobody can tell (docs/clients.md, What is promised), nor from what a balancer says of a host.
        if matches!(status, 502..=504) { Trouble::NoAnswer(text) } else { Trouble::Refused(text) }
    }

    /// The same, with more to say; that is told even where nobody reads what is printed.
    pub fn with(self, more: &str) -> Trouble {
        let told = |text: String| format!("{text}; {more}");
        match self {
            Trouble::NoServer(text) => Trouble::NoServer(told(text)),
            Trouble::NoAnswer(text) => Trouble::NoAnswer(told(text)),
            Trouble::Refused(text) => Trouble::Refused(told(text)),
            Trouble::Foreign(text) => Trouble::Foreign(told(text)),
            Trouble::Nothing(text) => Trouble::Nothing(told(text)),
            Trouble::Input(text) => Trouble::Input(told(text)),
            Trouble::Local(text) | Trouble::Unread(text) => Trouble::Local(told(text)),
        }
    }

    /// From an answer that cannot be read.
    pub(super) fn foreign(asked: &str, error: &serde_json::Error) -> Trouble {
        Trouble::Foreign(format!(
            "{asked}: the answer is not what this API answers ({error}); is it a server of this API? --url and \
             SUKKAL_URL name it"
        ))
    }
}

/// What the user can do about a status.
fn mend(status: u16) -> Option<&'static str> {
    match status {
        401 => Some("the server wants a token: set SUKKAL_TOKEN, or name a file that holds one with --token-file"),
        403 => Some("the token's user may not do this"),
        429 | 503 => Some("try again later"),
        _ => None,
    }
}

/// The innermost reason of an error: what is around it repeats the address.
pub(super) fn root(error: &(dyn Error + 'static)) -> String {
    let mut innermost: &dyn Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    plain(&innermost.to_string()).into_owned()
}

impl From<Unprinted> for Trouble {
    fn from(unprinted: Unprinted) -> Self {
        let text = unprinted.to_string();
        match unprinted {
            Unprinted::Unread => Trouble::Unread(text),
            Unprinted::Unwritten(_) => Trouble::Local(text),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Trouble::NoServer(text)
        | Trouble::NoAnswer(text)
        | Trouble::Refused(text)
        | Trouble::Foreign(text)
        | Trouble::Nothing(text)
        | Trouble::Input(text)
        | Trouble::Local(text)
        | Trouble::Unread(text)) = self;
        f.write_str(text)
    }
}
