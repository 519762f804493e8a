//! What a connection subscribes to, so that it can end with the connection.

use serde_json::Value;
use sukkal_plugin_sdk::{Action, Request, Target, Transport};

use crate::transport::new_request_id;

/// A subscription that a request of the connection asks for.
#[derive(Debug)]
pub struct Subscription {
    project: String,
    client: String,
    queue: String,
    id: String,
}

impl Subscription {
    /// Of a request that has not been answered yet.
    pub fn of(request: &Request) -> Subscription {
        let header = |name: &str| request.headers().get(name).unwrap_or_default().to_owned();
        let (project, client) = (header("x-project-id"), header("client-id"));
        Subscription { project, client, queue: request.queue().to_owned(), id: String::new() }
    }

    /// With the id that the answer gives it.
    pub fn named(self, answer: &[u8]) -> Option<Subscription> {
        let answer: Value = serde_json::from_slice(answer).ok()?;
        let id = answer["subscription_id"].as_str()?.to_owned();
        Some(Subscription { id, ..self })
    }

    /// The request that ends it.
    pub fn ended(self, token: Option<&str>) -> Request {
        let mut request = Request::new(new_request_id(), Action::SubscriptionDelete, Transport::Websocket);
        request.headers_mut().add("x-project-id", &self.project);
        request.headers_mut().add("client-id", &self.client);
        if let Some(token) = token {
            request.headers_mut().add("x-auth-token", token);
        }
        request.set_target(Target { queue: self.queue, topic: false, item: self.id });
        request
    }
}
