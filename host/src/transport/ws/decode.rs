//! The text of a frame → a [`Request`], the same that REST makes of the same wish. Nothing is refused
//! here: what is no request is told to core, which answers it as its first step.

use std::sync::Arc;

use bytes::Bytes;
use sukkal_core::json::Fault;
use sukkal_core::{Arrival, Error, ErrorKind, Presented, Route, Session, Stated};
use sukkal_plugin_sdk::{Action, Request, RequestId, Target, Transport};

use super::echo::Echo;
use super::envelope::{self, Envelope, Kind, Part, Value};
use super::frame::{Form, Sent};
use super::schema;
use crate::transport::doubled;
use crate::transport::json::Json;

/// A request, and what was found about it.
pub struct Decoded {
    /// For the engine.
    pub request: Request,
    /// For the engine as well.
    pub arrival: Arrival,
    /// What comes back with the answer.
    pub echo: Echo,
}

/// What a connection is, as far as its requests depend on it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Connection<'a> {
    /// The token by which it has authenticated itself.
    pub token: Option<&'a str>,
    /// Whether anybody asks who sends a request: signatures are looked at only then.
    pub asks_identity: bool,
    /// Whether the administrators' actions are served.
    pub admin_mode: bool,
    /// As core knows it.
    pub session: Option<&'a Arc<Session>>,
}

/// The request of a frame.
pub fn request(id: RequestId, sent: &Sent, connection: Connection<'_>) -> Decoded {
    let read = std::str::from_utf8(&sent.text).map_err(|_| Fault::Syntax).and_then(envelope::read);
    match read {
        Ok(Some(envelope)) => apart(id, sent, &envelope, connection),
        Ok(None) => refused(id, Echo::none(sent.form), "Unexpected body type. Expected dict or dict like.".to_owned()),
        Err(Fault::Syntax) => undecodable(id, sent.form, "It is no JSON."),
        Err(Fault::WideInteger) => undecodable(id, sent.form, "It contains an integer that is too large."),
    }
}

/// What a frame comes to that cannot be read.
pub fn undecodable(id: RequestId, form: Form, reason: &str) -> Decoded {
    refused(id, Echo::none(form), format!("Can't decode {} request. {reason}", form.name()))
}

fn refused(id: RequestId, echo: Echo, reason: String) -> Decoded {
    let request = Request::new(id, Action::Unknown, Transport::Websocket);
    let arrival = Arrival { refused: Some(Error::new(ErrorKind::Malformed, reason)), ..Arrival::default() };
    Decoded { request, arrival, echo }
}

fn apart(id: RequestId, sent: &Sent, envelope: &Envelope<'_>, connection: Connection<'_>) -> Decoded {
    let echo = Echo::of(sent, envelope);
    let known = envelope.action.filter(|action| action.kind() == Kind::String);
    let Some(action) = known.and_then(|name| schema::action(&name.text())) else {
        return refused(id, echo, format!("{} is not a valid action", named(envelope.action)));
    };
    if !schema::holds(action, envelope) {
        let request = Request::new(id, action, Transport::Websocket);
        return Decoded { request, ..refused(id, echo, "Schema validation failed.".to_owned()) };
    }
    let mut request = Request::new(id, action, Transport::Websocket);
    let mut arrival = Arrival::default();
    if action.needs_admin_mode() && !connection.admin_mode {
        arrival.route = Route::UnknownPath;
    }
    let names_none = |body: &Part<'_>| body.get("subscriber").is_none_or(|subscriber| subscriber.raw() == "\"\"");
    let concerns_connection = match action {
        Action::Authenticate | Action::SubscriptionDelete => true,
        Action::SubscriptionCreate => envelope.body.as_ref().is_some_and(names_none),
        _ => false,
    };
    if concerns_connection {
        arrival.connection = connection.session.cloned();
    }
    if let Some(part) = &envelope.headers {
        headers(&mut request, part, connection);
        // Of one name the last counts; names in other letters are other members.
        arrival.refused = doubled::refusal(request.headers());
        arrival.signed = presented(action, part, envelope.body.as_ref(), connection);
        let is_asked = connection.asks_identity && action != Action::Authenticate && arrival.signed.is_none();
        arrival.stated = is_asked.then(|| Stated::of(request.headers()));
    }
    if let Some(part) = &envelope.body {
        body(&mut request, &sent.text, part);
        arrival.counted_size = match action {
            Action::MessagePost => echo.size_of("messages", part),
            Action::QueueCreate => echo.size_of("metadata", part),
            _ => None,
        };
    }
    Decoded { request, arrival, echo }
}

/// What an action is called that is none, as the original does: in Python's words.
fn named(action: Option<Value<'_>>) -> String {
    match action {
        None => "None".to_owned(),
        Some(value) => match (value.kind(), value.raw()) {
            (Kind::String, _) => value.text().into_owned(),
            (Kind::Null, _) => "None".to_owned(),
            (_, "true") => "True".to_owned(),
            (_, "false") => "False".to_owned(),
            (_, raw) => raw.replace('"', "'"),
        },
    }
}

/// Every header that is a text. The token is the connection's: it was checked when that was given.
fn headers(request: &mut Request, sent: &Part<'_>, connection: Connection<'_>) {
    let is_own = |name: &str| name.eq_ignore_ascii_case(TOKEN) && request.action() != Action::Authenticate;
    let texts = sent.members.iter().filter(|(name, value)| value.kind() == Kind::String && !is_own(name));
    let texts: Vec<_> = texts.collect();
    let bytes = texts.iter().map(|(name, value)| name.len() + value.raw().len()).sum();
    request.headers_mut().reserve(texts.len() + 1, bytes);
    for (name, value) in texts {
        request.headers_mut().add(name, &value.text());
    }
    if let Some(token) = connection.token.filter(|_| request.action() != Action::Authenticate) {
        request.headers_mut().add(TOKEN, token);
    }
}

const TOKEN: &str = "x-auth-token";

/// A signed URL as a frame presents it, where anybody asks for more than that (spec: websocket,
/// Pre-signed requests).
fn presented(
    action: Action,
    headers: &Part<'_>,
    body: Option<&Part<'_>>,
    connection: Connection<'_>,
) -> Option<Box<Presented>> {
    if !connection.asks_identity || connection.token.is_some() || action == Action::Authenticate {
        return None;
    }
    let signature = headers.get("URL-Signature")?;
    let text = |name: &str| headers.get(name).map(Value::text).unwrap_or_default().into_owned();
    let list = |name: &str| {
        let elements = headers.get(name).map(Value::elements).unwrap_or_default();
        elements.into_iter().map(|element| element.text().into_owned()).collect()
    };
    let (method, resource) = signable(action).unwrap_or_default();
    let queue = body.and_then(|body| body.get("queue_name")).map(Value::text).unwrap_or_default();
    Some(Box::new(Presented {
        signature: signature.text().into_owned(),
        paths: list("URL-Paths"),
        methods: list("URL-Methods"),
        expires: text("URL-Expires"),
        method: method.to_owned(),
        path: format!("/v2/queues/{queue}/{resource}"),
    }))
}

/// The method, and what below a queue, that a signature must cover for an action.
fn signable(action: Action) -> Option<(&'static str, &'static str)> {
    Some(match action {
        Action::MessageList | Action::MessageGet | Action::MessageGetMany => ("GET", "messages"),
        Action::MessagePost => ("POST", "messages"),
        Action::MessageDelete | Action::MessageDeleteMany => ("DELETE", "messages"),
        Action::ClaimCreate => ("POST", "claims"),
        Action::ClaimGet => ("GET", "claims"),
        Action::ClaimUpdate => ("PATCH", "claims"),
        Action::ClaimDelete => ("DELETE", "claims"),
        Action::SubscriptionList | Action::SubscriptionGet => ("GET", "subscriptions"),
        Action::SubscriptionCreate => ("POST", "subscriptions"),
        Action::SubscriptionDelete => ("DELETE", "subscriptions"),
        _ => return None,
    })
}

/// Target, parameters and body, as REST has them.
fn body(request: &mut Request, text: &Bytes, sent: &Part<'_>) {
    let action = request.action();
    let field = |name: &str| sent.get(name).map(|value| value.text().into_owned()).unwrap_or_default();
    request.set_target(Target { queue: field("queue_name"), topic: false, item: field(item(action)) });
    for (name, value) in &sent.members {
        let Some(param) = param(action, name) else { continue };
        match value.kind() {
            Kind::Array => list(request, param, *value),
            _ => request.params_mut().add(param, &value.text()),
        }
    }
    let slice = |value: Value<'_>| text.slice_ref(value.raw().as_bytes());
    match action {
        Action::QueueCreate => {
            if let Some(metadata) = sent.get("metadata") {
                request.set_body(slice(metadata));
            }
        }
        Action::QueuePurge if sent.get("resource_types").is_none() => {}
        // Core reads the fields that it knows, and passes over those that name the target.
        Action::QueuePurge
        | Action::MessagePost
        | Action::ClaimCreate
        | Action::ClaimUpdate
        | Action::SubscriptionCreate => request.set_body(slice(sent.value)),
        Action::PoolCreate | Action::PoolUpdate => request.set_body(without(sent, "pool_name")),
        Action::FlavorCreate | Action::FlavorUpdate => request.set_body(without(sent, "flavor_name")),
        _ => {}
    }
}

/// An empty list is one as well: it is given, and names nothing.
fn list(request: &mut Request, param: &str, value: Value<'_>) {
    let elements = value.elements();
    if elements.is_empty() {
        request.params_mut().add(param, "");
    }
    for element in elements {
        request.params_mut().add(param, &element.text());
    }
}

/// The field that names what an action is about, beside the queue.
fn item(action: Action) -> &'static str {
    match action {
        Action::MessageGet | Action::MessageDelete => "message_id",
        Action::ClaimGet | Action::ClaimUpdate | Action::ClaimDelete => "claim_id",
        Action::SubscriptionGet | Action::SubscriptionDelete => "subscription_id",
        Action::PoolCreate | Action::PoolGet | Action::PoolUpdate | Action::PoolDelete => "pool_name",
        Action::FlavorCreate | Action::FlavorGet | Action::FlavorUpdate | Action::FlavorDelete => "flavor_name",
        _ => "",
    }
}

/// What REST calls a field that it has in the query.
fn param(action: Action, field: &str) -> Option<&'static str> {
    Some(match (action, field) {
        // A claim's own: core takes it from the body, in its order of checks.
        (Action::ClaimCreate, "limit") => return None,
        (_, "marker") => "marker",
        (_, "limit") => "limit",
        (_, "detailed") => "detailed",
        (Action::PoolDelete, "force") => "force",
        (_, "echo") => "echo",
        (_, "include_claimed") => "include_claimed",
        (_, "include_delayed") => "include_delayed",
        (_, "claim_count") => "claim_count",
        (_, "origin") => "origin",
        (_, "wait") => "wait",
        (_, "pop") => "pop",
        (_, "message_ids") => "ids",
        (_, "claim_ids") => "claim_ids",
        (Action::MessageDelete, "claim_id") => "claim_id",
        _ => return None,
    })
}

/// A body whose resource REST names in the path: the other members alone.
fn without(sent: &Part<'_>, name: &str) -> Vec<u8> {
    let mut json = Json::with_capacity(sent.value.raw().len());
    json.raw("{");
    for (index, (key, value)) in sent.members.iter().filter(|(key, _)| key != name).enumerate() {
        json.raw(if index == 0 { "" } else { "," }).value(key).raw(":").raw(value.raw());
    }
    json.raw("}");
    json.finish()
}

#[cfg(test)]
mod tests;
