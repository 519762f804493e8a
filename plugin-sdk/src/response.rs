//! The answer to one request, ready for its transport.

pub use crate::abi::data::Response;
