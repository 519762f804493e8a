//! The REST API over HTTP/1.1.
//!
//! [`server`] accepts connections, `connection` is the life of one (`traffic` what passes on it), `exchange` one request and its
//! answer; `route`, `decode` and `encode` are pure.

mod body;
mod connection;
pub mod cors;
mod decode;
#[cfg(test)]
mod described;
mod encode;
mod exchange;
mod route;
pub mod server;
mod traffic;

pub use decode::params;
pub use exchange::Rest;
