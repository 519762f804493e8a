//! The websocket API: JSON in text frames, MessagePack in binary ones.
//!
//! [`server`] accepts connections, `handshake` makes websockets of them, `connection` is the life of one; `frame` (with `msgpack`) is the
//! text of a frame, `envelope` takes it apart, `schema` says what it must hold, `decode` makes the
//! same request of it as REST does; `encode` words what core answers, and `echo` puts the request
//! beside it, in the `pieces` that came. `order` and `line` say which requests go together, and keep the answers in order.

mod connection;
mod decode;
#[cfg(test)]
mod described;
mod echo;
mod encode;
mod envelope;
mod frame;
mod handshake;
mod line;
pub mod msgpack;
mod order;
mod pieces;
mod schema;
pub mod server;
mod socket;

use std::time::Duration;

/// What a connection may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many bytes of answers a client may leave unread.
    pub max_unread: usize,
    /// How long a client may be silent, or read nothing of what is there for it.
    pub idle_timeout: Duration,
    /// After how much silence a client is asked for a sign of life.
    pub ping_interval: Duration,
}

impl Limits {
    /// How often a connection is looked at.
    fn tick(&self) -> Duration {
        self.ping_interval.min(self.idle_timeout / 2).max(Duration::from_millis(500))
    }
}
