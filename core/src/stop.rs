//! Why a request ends before its answer.

use sukkal_plugin_sdk as sdk;

use crate::error::Error;

/// Why a request ends before its answer.
#[derive(Debug)]
pub enum Stop {
    /// It is refused, or fails.
    Error(Error),
    /// A filter answers in our place.
    Respond(Box<sdk::Response>),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Error(error)
    }
}

impl From<sdk::Error> for Stop {
    fn from(error: sdk::Error) -> Self {
        Stop::Error(error.into())
    }
}
