//! What requests ask for: one file an action, named as on the wire.
//!
//! Each reads the request first (`decode`, which refuses what is wrong and touches no store), then
//! does what it asks.

mod body;
mod claim;
mod flavor;
mod health;
mod message;
mod pool;
mod queue;
mod subscription;
#[cfg(test)]
mod tests;

use std::future::{Future, ready};
use std::pin::Pin;

use sukkal_plugin_sdk::{Action, Request};

pub(crate) use self::claim::hold;
use crate::answer::Answer;
use crate::engine::Context;
use crate::error::{Error, ErrorKind};
use crate::name::Named;
use crate::stop::Stop;

/// An action on its way; `Stop`: it is refused or fails, or a filter answers in its place.
type Doing<'a> = Pin<Box<dyn Future<Output = Result<Answer, Stop>> + Send + 'a>>;

/// Does what a request asks for. Boxed, so that a request's task is no larger than what it does
/// needs: every one of them is moved to the heap, and the largest action is ten times the smallest.
pub(crate) fn run<'a>(context: &'a mut Context<'_>, request: &'a mut Request) -> Doing<'a> {
    if context.body_too_long
        && let Some(refusal) = body::too_long(request, context.limits())
    {
        return Box::pin(ready(Err(refusal.into())));
    }
    match request.action() {
        Action::Versions => answered(Answer::Versions),
        Action::Authenticate => answered(authenticated(context, request)),
        Action::Home => answered(Answer::Home { admin: context.api().admin_mode }),
        Action::Document => {
            answered(Answer::Document { api: context.api().clone(), asks_identity: context.asks_identity() })
        }
        Action::Ping => Box::pin(async { Ok(Answer::Ping(context.service.ping().await)) }),
        Action::Health => Box::pin(async { Ok(health::run(context).await) }),
        // A topic is to these what a queue is: the request's target says which of the two is meant.
        Action::QueueList | Action::TopicList => Box::pin(queue::list::run(context, request)),
        Action::QueueCreate | Action::TopicCreate => Box::pin(queue::create::run(context, request)),
        Action::QueueGet | Action::TopicGet => Box::pin(queue::get::run(context, request)),
        Action::QueueExists | Action::TopicExists => Box::pin(queue::exists::run(context, request)),
        Action::QueueUpdate | Action::TopicUpdate => Box::pin(queue::update::run(context, request)),
        Action::QueueDelete | Action::TopicDelete => Box::pin(queue::delete::run(context, request)),
        Action::QueueStats | Action::TopicStats => Box::pin(queue::stats::run(context, request)),
        Action::QueuePurge | Action::TopicPurge => Box::pin(queue::purge::run(context, request)),
        Action::QueueShare => Box::pin(ready(queue::share::run(context, request))),
        Action::MessagePost => Box::pin(message::post::run(context, request)),
        Action::MessageList => Box::pin(message::list::run(context, request)),
        Action::MessageGet => Box::pin(message::get::run(context, request)),
        Action::MessageGetMany => Box::pin(message::get_many::run(context, request)),
        Action::MessageDelete => Box::pin(message::delete::run(context, request)),
        Action::MessageDeleteMany => Box::pin(message::delete_many::run(context, request)),
        Action::ClaimCreate => Box::pin(claim::create::run(context, request)),
        Action::ClaimGet => Box::pin(claim::get::run(context, request)),
        Action::ClaimUpdate => Box::pin(claim::update::run(context, request)),
        Action::ClaimDelete => Box::pin(claim::delete::run(context, request)),
        Action::SubscriptionList => Box::pin(subscription::list::run(context, request)),
        Action::SubscriptionCreate => Box::pin(subscription::create::run(context, request)),
        Action::SubscriptionGet => Box::pin(subscription::get::run(context, request)),
        Action::SubscriptionUpdate => Box::pin(subscription::update::run(context, request)),
        Action::SubscriptionDelete => Box::pin(subscription::delete::run(context, request)),
        Action::SubscriptionConfirm => Box::pin(subscription::confirm::run(context, request)),
        Action::PoolList => Box::pin(pool::list::run(context, request)),
        Action::PoolCreate => Box::pin(pool::create::run(context, request)),
        Action::PoolGet => Box::pin(pool::get::run(context, request)),
        Action::PoolUpdate => Box::pin(pool::update::run(context, request)),
        Action::PoolDelete => Box::pin(pool::delete::run(context, request)),
        Action::FlavorList => Box::pin(flavor::list::run(context, request)),
        Action::FlavorCreate => Box::pin(flavor::create::run(context, request)),
        Action::FlavorGet => Box::pin(flavor::get::run(context, request)),
        Action::FlavorUpdate => Box::pin(flavor::update::run(context, request)),
        Action::FlavorDelete => Box::pin(flavor::delete::run(context, request)),
        _ => Box::pin(ready(Err(Error::new(ErrorKind::UnknownPath, "").into()))),
    }
}

/// The filters have had their say by now.
fn authenticated(context: &Context<'_>, request: &Request) -> Answer {
    if let Some(connection) = context.connection {
        let expires = request.identity().and_then(|identity| identity.expires);
        connection.authenticated(expires.map(|end| end.since(context.service.now())));
    }
    Answer::Authenticated
}

fn answered<'a>(answer: Answer) -> Doing<'a> {
    Box::pin(ready(Ok(answer)))
}

/// The body of a request that may go without: none where it is absent or empty.
fn optional_body(request: &Request) -> Option<&[u8]> {
    Some(request.body()).filter(|body| !body.is_empty())
}

/// The refusal of a request that must have a body.
fn no_body() -> Error {
    Error::body("Request body can not be empty")
}

/// The refusal of what needs a queue that is there.
fn no_queue(request: &Request) -> Error {
    let Named { kind, name } = Named::of(request);
    Error::not_found(format!("{} {name} does not exist for project {}", kind.title(), request.project()))
}
