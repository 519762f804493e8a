//! The response.

use abi_stable::StableAbi;
use abi_stable::std_types::RVec;
use bytes::Bytes;

use super::pairs::Headers;
use crate::abi::bytes::FfiBytes;
use crate::abi::types::ExtensionForm;

/// The answer to one request, ready for its transport.
#[repr(C)]
#[derive(StableAbi, Clone)]
pub struct Response {
    status: u16,
    headers: Headers,
    body: FfiBytes,
    extensions: RVec<ExtensionForm>,
}

impl Response {
    /// An answer without body. The status is HTTP's on every transport.
    pub fn new(status: u16) -> Self {
        Response { status, headers: Headers::new(), body: FfiBytes::empty(), extensions: RVec::new() }
    }

    /// An answer with a JSON body.
    pub fn json(status: u16, body: impl Into<Bytes>) -> Self {
        let mut response = Response::new(status);
        // For this one and a location, and what a filter may add.
        response.headers.reserve(4, 160);
        response.headers.add("content-type", "application/json");
        response.body = body.into().into();
        response
    }

    /// A refusal in the form of the API's errors.
    pub fn error(status: u16, title: &str, description: &str) -> Self {
        let body = serde_json::json!({ "title": title, "description": description });
        Response::json(status, body.to_string())
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Changes the status.
    pub fn set_status(&mut self, status: u16) {
        self.status = status;
    }

    /// The headers.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The headers, to change.
    pub fn headers_mut(&mut self) -> &mut Headers {
        &mut self.headers
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        self.body.as_slice()
    }

    /// Changes the body.
    pub fn set_body(&mut self, body: impl Into<Bytes>) {
        self.body = body.into().into();
    }

    /// The body without copying it; the answer's own is empty afterwards.
    pub fn take_body(&mut self) -> Bytes {
        std::mem::replace(&mut self.body, FfiBytes::empty()).into_bytes()
    }
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Response").field("status", &self.status).finish_non_exhaustive()
    }
}
