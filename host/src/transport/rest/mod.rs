//! The REST API over HTTP/1.1.
//!
//! [`server`] accepts connections, `connection` is the life of one (`traffic` what passes on it, `wire` its stream),
//! `exchange` one request and its answer (`received` its body, `unsound` what HTTP forbids); `route`, `decode` and
//! `encode` are pure.

mod body;
mod connection;
pub mod cors;
mod decode;
#[cfg(test)]
mod described;
mod encode;
mod exchange;
mod received;
mod route;
pub mod server;
mod traffic;
mod unsound;
mod wire;

pub use decode::params;
pub use exchange::Rest;
