//! What can go wrong with one operation.

/// Why an operation did not do what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The answer has an unexpected status; why, in the server's words, where it has some.
    Status(u16, String),
    /// There is no answer.
    Broken(Broken),
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Broken {
    /// There is no connection to be had.
    Refused,
    /// The handshake of TLS failed.
    NoTls,
    /// What answered the handshake was no TLS.
    Plain,
    /// The connection broke off.
    Closed,
    /// No answer within the time that is waited for one.
    Silent,
    /// What came is no HTTP.
    NoHttp,
    /// The server makes no websocket of the connection.
    NoWebsocket,
    /// What came over the websocket is no answer of the API.
    NoAnswer,
}

impl From<Broken> for Fault {
    fn from(broken: Broken) -> Self {
        Fault::Broken(broken)
    }
}

impl Fault {
    /// As the report calls it.
    pub fn name(&self) -> String {
        match self {
            Fault::Status(status, _) => status.to_string(),
            Fault::Broken(broken) => broken.name().to_owned(),
        }
    }

    /// What the server says of it.
    pub fn reason(&self) -> &str {
        match self {
            Fault::Status(_, reason) => reason,
            Fault::Broken(_) => "",
        }
    }
}

impl Broken {
    /// As the report calls it.
    pub fn name(self) -> &'static str {
        match self {
            Broken::Refused => "not connected",
            Broken::NoTls => "TLS failed",
            Broken::Plain => "no TLS",
            Broken::Closed => "connection broken",
            Broken::Silent => "no answer in time",
            Broken::NoHttp => "no HTTP",
            Broken::NoWebsocket => "no websocket",
            Broken::NoAnswer => "no answer of the API",
        }
    }
}
