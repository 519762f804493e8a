//! Whether an answer that a filter has made, or changed, is one.

use serde_json::value::RawValue;
use sukkal_plugin_sdk::{Bytes, Headers, Response};

/// An answer as it was before a filter.
pub struct Before {
    status: u16,
    headers: Headers,
    body: Bytes,
}

impl Before {
    /// An answer on its way to a filter.
    pub fn of(response: &mut Response) -> Self {
        // Both hold the same bytes then; a copy of them would cost as much as they are long.
        let body = response.take_body();
        response.set_body(body.clone());
        Before { status: response.status(), headers: response.headers().clone(), body }
    }

    /// What the filter has done that makes it no answer.
    pub fn fault(&self, response: &Response) -> Option<&'static str> {
        let is_as_before = std::ptr::eq(response.body(), &*self.body);
        fault_of_status(response).or_else(|| if is_as_before { None } else { fault_of_body(response) })
    }

    /// Takes back what the filter has done.
    pub fn restore(self, response: &mut Response) {
        response.set_status(self.status);
        *response.headers_mut() = self.headers;
        response.set_body(self.body);
    }
}

/// What makes a filter's own answer none.
pub fn fault(response: &Response) -> Option<&'static str> {
    fault_of_status(response).or_else(|| fault_of_body(response))
}

fn fault_of_status(response: &Response) -> Option<&'static str> {
    // Those below announce an answer, or another protocol (RFC 9110 §15.2).
    (!(200..600).contains(&response.status())).then_some("it made a status that is not from 200 to 599")
}

fn fault_of_body(response: &Response) -> Option<&'static str> {
    let body = response.body();
    let is_sound = body.is_empty() || serde_json::from_slice::<&RawValue>(body).is_ok();
    (!is_sound).then_some("it made an answer's body that is not one JSON value")
}
