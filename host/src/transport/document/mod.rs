//! What the APIs say of themselves: an OpenAPI document of REST, an AsyncAPI document of the websocket.
//!
//! Each is kept in parts, a resource a file, and put together when it is first asked for, with the
//! limits and switches in force. The tests hold both to the routes and to real answers.

mod settings;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use serde_json::{Map, Value};

pub use self::settings::Terms;

/// Which document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Document {
    /// Of the REST API.
    OpenApi,
    /// Of the websocket API.
    AsyncApi,
}

/// A document that was made, and for which terms.
type Made = Option<(Terms, Bytes)>;

impl Document {
    /// The document that a path of REST names; of what is no document's name the first.
    pub fn named(item: &str) -> Document {
        if item == ASYNCAPI { Document::AsyncApi } else { Document::OpenApi }
    }

    /// Its JSON. Made anew only where the terms are not those of the last time.
    pub fn text(self, terms: &Terms) -> Bytes {
        static MADE: [Mutex<Made>; 2] = [Mutex::new(None), Mutex::new(None)];
        let mut made = MADE[self as usize].lock().unwrap_or_else(PoisonError::into_inner);
        match &*made {
            Some((known, text)) if known == terms => text.clone(),
            _ => {
                let text = Bytes::from(self.value(terms).to_string());
                *made = Some((terms.clone(), text.clone()));
                text
            }
        }
    }

    /// It for a host with these settings.
    pub fn value(self, terms: &Terms) -> Value {
        let mut document = self.put_together();
        settings::apply(&mut document, terms);
        Value::Object(document)
    }

    /// Its parts as one, for the default limits.
    fn put_together(self) -> Map<String, Value> {
        let parts = match self {
            Document::OpenApi => OPENAPI_PARTS,
            Document::AsyncApi => ASYNCAPI_PARTS,
        };
        let mut whole = Map::new();
        for part in parts {
            // A test reads each of them.
            merge(&mut whole, serde_json::from_str(part).unwrap_or_default());
        }
        whole
    }
}

/// What the path of the OpenAPI document names.
pub const OPENAPI: &str = "openapi";
/// What the path of the AsyncAPI document names.
pub const ASYNCAPI: &str = "asyncapi";

const OPENAPI_PARTS: &[&str] = &[
    include_str!("openapi/service.json"),
    include_str!("openapi/shared.json"),
    include_str!("openapi/queues.json"),
    include_str!("openapi/messages.json"),
    include_str!("openapi/claims.json"),
    include_str!("openapi/subscriptions.json"),
    include_str!("openapi/topics.json"),
    include_str!("openapi/topic_messages.json"),
    include_str!("openapi/topic_subscriptions.json"),
    include_str!("openapi/pools.json"),
    include_str!("openapi/flavors.json"),
];

const ASYNCAPI_PARTS: &[&str] = &[
    include_str!("asyncapi/service.json"),
    include_str!("asyncapi/queues.json"),
    include_str!("asyncapi/messages.json"),
    include_str!("asyncapi/claims.json"),
    include_str!("asyncapi/subscriptions.json"),
    include_str!("asyncapi/pools.json"),
    include_str!("asyncapi/flavors.json"),
];

/// Adds the members of a part, at every depth. No two parts say one thing: a test sees to it.
fn merge(whole: &mut Map<String, Value>, part: Map<String, Value>) {
    for (key, value) in part {
        match (whole.get_mut(&key), value) {
            (Some(Value::Object(known)), Value::Object(more)) => merge(known, more),
            (_, value) => {
                whole.insert(key, value);
            }
        }
    }
}
